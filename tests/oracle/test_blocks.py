"""Results of blocks are reused where nothing differs, and nowhere else: numbers are the same."""

from typing import Any

import pytest
import torch
from oracle_setup import lionheart
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle import blocks
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import Conditions, measure
from lionheart_opt.oracle.passes import _nodes

DEPTH = 4


class Layer(nn.Module):
    """A layer whose way torch.fx cannot follow, as those of encoders cannot."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.expand, self.contract = nn.Linear(6, 9), nn.Linear(9, 6)

    def forward(self, x: torch.Tensor, mask: Any = None) -> torch.Tensor:
        Layer.calls += 1
        if float(x.abs().sum()) < 0:
            return x
        y = x + self.contract(self.expand(x).relu())
        return y if mask is None else y * mask


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(DEPTH))
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x, mask=None)
        return self.head(x)


class Random(Deep):
    """Draws random numbers between the layers, and in one of them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x) + 0.01 * torch.randn_like(x)
        return self.head(x)


class DrawsInside(Deep):
    def __init__(self) -> None:
        super().__init__()
        self.layers[1].expand.register_forward_hook(
            lambda _m, _i, y: y + 0.01 * torch.randn_like(y)
        )


class Shared(Deep):
    """The layers are one and the same."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([self.layers[0]] * DEPTH)


class Tied(Deep):
    """A matrix of a layer is used once more behind all of them."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.head(x + self.layers[0].contract(self.layers[0].expand(x)))


class Counts(Deep):
    """The second layer remembers how often it has been called."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 0
        self.layers[1].register_forward_hook(self._count)

    def _count(self, _module: Any, _inputs: Any, y: torch.Tensor) -> torch.Tensor:
        self.n += 1
        return y * (1 + 0.1 * (self.n % 2))


class Overwrites(Deep):
    """Each layer's result is written to behind it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)
            x.mul_(1.5)
        return self.head(x)


EXAMPLES = Examples(
    inputs=torch.randn(20, 6, generator=torch.Generator().manual_seed(0)),
    targets=torch.arange(20) % 3,
)


def scores(network: nn.Module, name: str, monkeypatch: pytest.MonkeyPatch, reuses: bool) -> Any:
    """Statistics of all mappings with one analog layer, and one with none; calls of layers."""
    if not reuses:
        monkeypatch.setattr(blocks, "_repeated", lambda _network: iter(()))
    paths = [n for n, m in network.named_modules() if isinstance(m, nn.Linear)]
    mappings = [(path,) for path in paths] + [(), tuple(paths)]
    conditions = Conditions(times_s=(1.0, 86400.0), draws=range(2), seed=3, batch_size=8)
    Layer.calls = 0
    outputs: list[torch.Tensor] = []

    class Keeps(type(EXAMPLES.task)):  # type: ignore[misc]
        def statistics(self, said: Any, batch: Any) -> torch.Tensor:
            outputs.append(said.clone())
            return super().statistics(said, batch)

    examples = EXAMPLES.for_task(Keeps())
    with torch.no_grad():
        measure(engine(name), network.eval(), mappings, lionheart(), examples, conditions)
    return torch.stack([each[:4] for each in outputs]), Layer.calls


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
@pytest.mark.parametrize(
    "kind", [Deep, Random, DrawsInside, Shared, Tied, Overwrites], ids=lambda kind: kind.__name__
)
def test_the_numbers_are_the_same(
    kind: type[Deep], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = kind()
    assert not _nodes(network)
    reused, _ = scores(network, name, monkeypatch, True)
    exact, _ = scores(network, name, monkeypatch, False)
    assert torch.equal(reused, exact)


def test_less_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network = Deep()
    _, fewer = scores(network, "fast", monkeypatch, True)
    _, every = scores(network, "fast", monkeypatch, False)
    assert fewer < 0.65 * every


def test_a_layer_that_remembers_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first result that rests on another one is compared with one that does not."""
    stopped: list[bool] = []
    stop = blocks.Blocks.stop
    monkeypatch.setattr(blocks.Blocks, "stop", lambda self: (stopped.append(True), stop(self)))
    torch.manual_seed(0)
    scores(Counts(), "fast", monkeypatch, True)
    assert stopped


def test_results_kept_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "KEPT_BYTES", 1)
    torch.manual_seed(0)
    network = Deep()
    little, calls = scores(network, "fast", monkeypatch, True)
    monkeypatch.setattr(blocks, "KEPT_BYTES", 1 << 30)
    much, fewer = scores(network, "fast", monkeypatch, True)
    assert torch.equal(little, much) and fewer < calls


def test_only_layers_of_deep_networks_are_blocks() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert not list(blocks._repeated(network))
    deep = Deep()
    assert [path for path, _ in blocks._repeated(deep)] == [f"layers.{k}" for k in range(DEPTH)]
