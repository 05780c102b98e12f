"""Operations in place after an analog layer: the results and gradients of those that are not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from lionheart_opt.oracle.engine import EngineName, engine
from lionheart_opt.oracle.fast import matrix
from lionheart_opt.oracle.rpu import lionheart

KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(7, 5), (7,)),
    "linear of tokens": (lambda: nn.Linear(7, 5), (3, 7)),
    "linear without bias": (lambda: nn.Linear(300, 5, bias=False), (300,)),
    "conv1d": (lambda: nn.Conv1d(2, 5, 3), (2, 9)),
    "conv2d": (lambda: nn.Conv2d(2, 5, 3, padding=1), (2, 6, 6)),
    "many outputs": (lambda: nn.Conv2d(2, 300, 1), (2, 3, 3)),
}


class Overwrites(nn.Module):
    """A layer, then ReLU, an addition and a multiplication, in place or not."""

    def __init__(self, layer: nn.Module, in_place: bool) -> None:
        super().__init__()
        self.layer = layer
        self.in_place = in_place
        self.relu = nn.ReLU(inplace=in_place)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer(x)
        h = torch.ones_like(y)
        if not self.in_place:
            return self.relu((y + h) * 0.5)
        y += h
        y.mul_(0.5)
        return self.relu(y)


@pytest.fixture(params=["fast", "plain torch", "aihwkit"])
def tool(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> EngineName:
    if request.param == "plain torch":
        monkeypatch.setattr(matrix, "numba_works", lambda: False)
    return "aihwkit" if request.param == "aihwkit" else "fast"


def outcome(
    kind: str, tool: EngineName, in_place: bool, training: bool
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Output, and the gradients of input and parameters."""
    make, shape = KINDS[kind]
    with torch.random.fork_rng():
        torch.manual_seed(4)
        layer = make()
        network = engine(tool).analog(Overwrites(layer, in_place), ["layer"], lionheart())
        network.train(training)
        if not training:
            network.program({"layer": 1})
            network.drift(60.0, {"layer": 2})
        x = torch.randn(4, *shape, requires_grad=True)
        torch.manual_seed(5)
        y = network(x)
        leaves = [x, *network.parameters()]
        gradients = torch.autograd.grad(y.square().sum(), leaves, allow_unused=True)
    return y.detach(), [g for g in gradients if g is not None]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_place_is_the_same(kind: str, training: bool, tool: EngineName) -> None:
    y, gradients = outcome(kind, tool, True, training)
    expected, expected_gradients = outcome(kind, tool, False, training)
    assert y.abs().sum() > 0 and len(gradients) == len(expected_gradients) >= 1 + training
    torch.testing.assert_close(y, expected)
    for gradient, right in zip(gradients, expected_gradients, strict=True):
        assert gradient.abs().sum() > 0
        torch.testing.assert_close(gradient, right, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tool", ["fast", "aihwkit"])
def test_the_torchvision_pattern_trains(tool: EngineName) -> None:
    """Convolutions with bias, ReLU in place and residual sums in place, as in torchvision."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 3, 3, padding=1)
            self.conv2 = nn.Conv2d(3, 3, 3, padding=1)
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(75, 8), nn.ReLU(inplace=True))
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.conv2(self.relu(self.conv1(x)))
            y += x
            return self.head(self.relu(y))

    torch.manual_seed(0)
    network = engine(tool).analog(Block(), ["conv1", "conv2", "head.1"], lionheart()).train()
    network(torch.randn(2, 3, 5, 5)).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    gradients = [gradient for gradient in gradients if gradient is not None]
    assert len(gradients) >= 6 and all(bool(g.isfinite().all()) for g in gradients)
