"""Reuse of results in networks that write in place, remember or draw: right, or not done."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from impure_networks import (
    AlwaysDropout,
    DiscardedInplace,
    NormalisesInput,
    PositionalInplace,
    Residual,
    SideChannel,
    UnseenResidual,
    ViewResidual,
)
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import Conditions, exact_statistics, measure
from lionheart_opt.oracle.rpu import lionheart

NAMES = ("conv1", "conv2", "linear")
IMPURE = [
    Residual,
    UnseenResidual,
    ViewResidual,
    PositionalInplace,
    DiscardedInplace,
    NormalisesInput,
    SideChannel,
    AlwaysDropout,
]
SUBSETS = [subset for n in (1, 2, 3) for subset in combinations(NAMES, n)]
CONDITIONS = Conditions(times_s=(1.0, 86400.0), draws=range(3), seed=5, batch_size=8)


def images() -> torch.Tensor:
    return torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def network_of(kind: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return kind().eval()


def examples_of(network: nn.Module) -> Examples:
    """Images with the classes that the network itself finds, so that it is right about all of them."""
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        scores = network(images())
        with_margin = scores - scores.mean(0)
        network.linear.bias -= scores.mean(0)  # type: ignore[union-attr, operator]
    return Examples(inputs=images(), targets=with_margin.argmax(1))


def one_by_one(network: nn.Module, paths: tuple[str, ...], examples: Examples) -> np.ndarray:
    """The accuracies from the engine's network alone, run as a whole on fresh images every time."""
    from lionheart_opt.oracle.seeds import derive, seeded

    right = np.zeros((3, 2))
    for draw in range(3):
        for column, time_s in enumerate(CONDITIONS.times_s):
            analog = engine("fast").analog(network, paths, lionheart()).eval()
            seeds = {path: derive(5, "program", path, draw) for path in paths}
            analog.program(seeds)
            analog.drift(time_s, {path: derive(5, "drift", path, draw, time_s) for path in paths})
            for first in range(0, 64, 8):
                batch = examples[first : first + 8]
                analog.rewind(first, 8)
                with seeded(derive(5, "network", first), torch.device("cpu")), torch.no_grad():
                    classes = analog(batch.inputs.clone()).argmax(1)
                right[draw, column] += int((classes == batch.targets).sum())
    return right / 64


@pytest.mark.parametrize("kind", IMPURE)
def test_reuse_never_changes_a_number(kind: type[nn.Module]) -> None:
    network = network_of(kind)
    examples = examples_of(network)
    together = measure(engine("fast"), network, SUBSETS, lionheart(), examples, CONDITIONS).mean(
        (-2, -1)
    )
    assert together.std() > 0
    for subset, samples in zip(SUBSETS, together, strict=True):
        np.testing.assert_array_equal(samples, one_by_one(network, subset, examples))


@pytest.mark.parametrize("kind", IMPURE)
def test_examples_are_left_as_they_are(kind: type[nn.Module]) -> None:
    network = network_of(kind)
    examples = examples_of(network)
    with torch.no_grad():
        if kind is not AlwaysDropout:
            assert (
                exact_statistics(network, examples, 8).all()
                and exact_statistics(network, examples, 8).all()
            )
    measure(engine("fast"), network, [("conv2",)], lionheart(), examples, CONDITIONS)
    assert torch.equal(examples.inputs, images())


def test_a_write_that_the_trial_did_not_see_is_noticed() -> None:
    """The module writes to its input only for large values, which only analog layers produce."""

    class Rarely(nn.Module):
        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x.add_(y) if y.sum() != 0 else x + y

    class Network(Residual):
        def __init__(self) -> None:
            super().__init__(Rarely())

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            x = self.conv1(images)
            y = self.conv2(torch.zeros_like(x) + images.mean((1, 2, 3), keepdim=True))
            return self.linear(self.add(x, y * (y.abs().sum() > 1e5)).amax((2, 3)))

    network = network_of(Network)
    examples = Examples(inputs=images(), targets=torch.arange(64) % 4)
    with torch.no_grad():
        examples.inputs[16:] *= 1e4
    together = measure(engine("fast"), network, SUBSETS, lionheart(), examples, CONDITIONS).mean(
        (-2, -1)
    )
    for subset, samples in zip(SUBSETS, together, strict=True):
        np.testing.assert_array_equal(samples, one_by_one(network, subset, examples))
