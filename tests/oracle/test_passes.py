"""Mappings measured together give what each gives alone, and what they share is computed once."""

from __future__ import annotations

import gc
import weakref
from itertools import chain, combinations

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, small_network
from torch import nn

from lionheart_opt import models
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.compensation import Compensation
from lionheart_opt.oracle.engine import Engine, engine
from lionheart_opt.oracle.measurement import Conditions, exact_statistics, measure
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.settings import OracleSettings

IMAGES = torch.randn(23, 1, 8, 8, generator=torch.Generator().manual_seed(3))
EXAMPLES = Examples(inputs=IMAGES, targets=torch.arange(23) % 4)
SUBSETS = [subset for n in (1, 2, 3) for subset in combinations(NAMES, n)]


class InPlace(nn.Module):
    """Overwrites what it has computed, wherever torch lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.linear = nn.Linear(6, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv1(images))
        y = self.conv2(x)
        y += x
        return self.linear(self.relu(y).amax((2, 3)))


class Overwriting(InPlace):
    """The same with operations that cannot be replaced."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images).relu_()
        y = self.conv2(x)
        y[:, 0] = 0.0
        return self.linear(torch.relu_(y).amax((2, 3)))


class Branching(InPlace):
    """Its way depends on the data: there is no graph."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)
        if float(x.sum()) > 0:
            x = x * 2
        return self.linear(self.conv2(torch.relu(x)).amax((2, 3)))


class Twice(InPlace):
    """Uses a layer twice."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv2(self.relu(self.conv1(images)))
        return self.linear(self.relu(self.conv2(x)).amax((2, 3)))


class Tied(InPlace):
    """Two layers have one weight; the first conv changes what the second of them sees only."""

    def __init__(self) -> None:
        super().__init__()
        self.again = nn.Conv2d(6, 6, 3, padding=1)
        self.again.weight = self.conv2.weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        first = self.conv2(images.expand(-1, 6, -1, -1))
        second = self.again(self.relu(self.conv1(images)))
        return self.linear((first + second).amax((2, 3)))


class Sequences(nn.Module):
    """The rows of an image one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 5, batch_first=True)
        self.linear = nn.Linear(5, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(self.lstm(images.flatten(1, 2))[0].mean(1))


class Tokens(InPlace):
    """A linear layer sees every pixel of an image as an input vector of its own."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv2(self.relu(self.conv1(images))).permute(0, 2, 3, 1)
        return self.linear(x.reshape(-1, 6)).view(len(images), -1, 4).amax(1)


def seeded_network(kind: type[nn.Module]) -> nn.Module:
    """Initial weights of which images get different classes."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = small_network() if kind is small_network else kind()
    with torch.no_grad():
        weight = network.linear.weight
        weight -= weight.mean(1, keepdim=True)
        network.linear.bias.zero_()
    return network


def ask(
    network: nn.Module,
    mappings: list[tuple[str, ...]],
    name: str = "fast",
    examples: Examples = EXAMPLES,
    batch_size: int = 8,
    compensation: Compensation | None = None,
) -> np.ndarray:
    return measure(
        engine(name),
        network.eval(),
        mappings,
        lionheart(),
        examples,
        Conditions(times_s=(1.0, 86400.0), draws=range(2), seed=5, batch_size=batch_size),
        compensation=compensation,
    ).mean((-2, -1))


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
@pytest.mark.parametrize(
    "kind", [small_network, InPlace, Overwriting, Branching, Twice, Tied, Tokens]
)
def test_together_as_alone(kind: type[nn.Module], name: str) -> None:
    network = seeded_network(kind)
    together = ask(network, SUBSETS, name)
    alone = np.concatenate([ask(network, [subset], name) for subset in SUBSETS])
    np.testing.assert_array_equal(together, alone)
    assert together.std() > 0


@pytest.mark.parametrize(
    ("kind", "compensation"),
    [
        *(
            (kind, "columns")
            for kind in (small_network, InPlace, Overwriting, Branching, Twice, Tied)
        ),
        (small_network, "batch_norm"),
    ],
)
def test_calibrated_together_as_alone(kind: type[nn.Module], compensation: str) -> None:
    """The calibration of a layer depends on the matrices before it that are analog, and no others."""
    table = {"compensation": compensation, "calibration": {"examples": 12}}
    chosen = Compensation.of(OracleSettings.model_validate(table), EXAMPLES)
    network = seeded_network(kind)
    together = ask(network, SUBSETS, compensation=chosen)
    alone = np.concatenate([ask(network, [subset], compensation=chosen) for subset in SUBSETS])
    np.testing.assert_array_equal(together, alone)
    assert not np.array_equal(together, ask(network, SUBSETS))


@pytest.mark.parametrize("compensation", ["none", "columns"])
def test_recurrent_layers_together_as_alone(compensation: str) -> None:
    calibration = {} if compensation == "none" else {"calibration": {"examples": 12}}
    table = {"compensation": compensation, **calibration}
    chosen = Compensation.of(OracleSettings.model_validate(table), EXAMPLES)
    network = seeded_network(Sequences)
    mappings = [
        ("lstm.weight_ih_l0",),
        ("linear",),
        ("lstm.weight_hh_l0", "linear"),
        ("lstm.weight_ih_l0", "lstm.weight_hh_l0"),
    ]
    together = ask(network, mappings, compensation=chosen)
    alone = np.concatenate([ask(network, [each], compensation=chosen) for each in mappings])
    np.testing.assert_array_equal(together, alone)


def logits(
    kind: type[nn.Module], paths: list[tuple[str, ...]], numbers: list[int], tool: Engine
) -> list[torch.Tensor]:
    """What the network returns for one batch under mappings, one after the other."""
    network = seeded_network(kind).eval()
    modules = sorted(set(chain(*paths)))
    analog = tool.analog(network, modules, lionheart()).eval()
    analog.program({path: 1 for path in modules})
    analog.drift(60.0, {path: 2 for path in modules})
    with torch.no_grad():
        passes = Passes(analog, paths, IMAGES[:8])
        passes.begin(IMAGES[8:16], 8)
        return [passes(number).clone() for number in numbers]


@pytest.mark.parametrize("kind", [InPlace, Overwriting, Branching, Twice])
def test_any_order_gives_the_same_numbers(kind: type[nn.Module]) -> None:
    subsets = [*SUBSETS, ()]
    forward, backward = list(range(len(subsets))), list(range(len(subsets)))[::-1]
    ascending = logits(kind, subsets, forward, engine("fast"))
    descending = logits(kind, subsets, backward, engine("fast"))[::-1]
    for a, b in zip(ascending, descending, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    digital = seeded_network(kind).eval()(IMAGES[8:16])
    assert torch.equal(ascending[-1], digital)  # all-digital is the float network, bit for bit
    assert len({tuple(x.flatten().tolist()) for x in ascending}) == len(subsets)


@pytest.mark.parametrize("kind", [small_network, Twice, Tokens])
def test_batch_size_changes_nothing(kind: type[nn.Module]) -> None:
    network = seeded_network(kind)
    small, large = (ask(network, [NAMES], batch_size=size) for size in (5, 23))
    np.testing.assert_array_equal(small, large)


def test_residual_network_shares_beginnings() -> None:
    network = models.build("resnet8").eval()
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    paths = [name for name, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    rng = np.random.default_rng(0)
    mappings = [tuple(p for p in paths if rng.random() < 0.5) or ("fc",) for _ in range(6)]
    examples = Examples(inputs=images, targets=torch.arange(4))
    together = ask(network, mappings, examples=examples, batch_size=3)
    alone = np.concatenate([ask(network, [m], examples=examples, batch_size=3) for m in mappings])
    np.testing.assert_array_equal(together, alone)


def calls_of(path: str, mappings: list[tuple[str, ...]]) -> int:
    """How often a digital layer is computed for whole batches: 3 of them, 2 draws, 2 times."""
    network = small_network()
    count = 0

    def counted(_: nn.Module, inputs: tuple[torch.Tensor, ...], __: object) -> None:
        nonlocal count
        count += len(inputs[0]) > 4  # not the few examples on which the graph is tried

    network.get_submodule(path).register_forward_hook(counted)
    ask(network, mappings)
    return count


def test_digital_beginnings_are_computed_once_for_all_draws() -> None:
    assert calls_of("norm", [("conv2",)]) == 3
    assert calls_of("norm", [("conv2",), ("linear",), ("conv2", "linear")]) == 3
    # with an analog layer before it, once for every draw and time
    assert calls_of("norm", [("conv1",)]) == 3 * 2 * 2
    # and once for each of the two beginnings, not for each of the four mappings
    four = [("linear",), ("conv2",), ("conv1",), ("conv1", "linear")]
    assert calls_of("norm", four) == 3 * 2 * 2 * 2


def test_all_digital_scores_as_the_float_network() -> None:
    network = small_network().eval()
    samples = ask(network, [(), ("conv1",)])
    assert np.all(samples[0] == exact_statistics(network, EXAMPLES, 8).mean())


class Unpacking(InPlace):
    """Iterates over what tracing does not know, as many networks of Hugging Face do."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        n, *_ = images.shape
        return self.linear(self.conv2(self.relu(self.conv1(images))).amax((2, 3)).view(n, -1))


@pytest.mark.parametrize("kind", [InPlace, Overwriting, Branching, Unpacking, Twice, Sequences])
@pytest.mark.parametrize("calibrated", [False, True])
def test_nothing_is_left_in_memory(kind, calibrated, monkeypatch) -> None:
    """A copy of a network with its chips is large: it is freed at once, not by a late collection."""
    made = []
    fast = engine("fast")

    class Watched(type(fast)):
        def analog(self, *arguments):
            network = super().analog(*arguments)
            made.append(weakref.ref(network))
            return network

    monkeypatch.setitem(globals(), "engine", lambda name: Watched())
    how = None
    if calibrated:
        settings = {"compensation": "columns", "calibration": {"examples": 16}}
        how = Compensation.of(OracleSettings.model_validate(settings), EXAMPLES)
    gc.collect()
    gc.disable()
    try:
        network = seeded_network(kind)
        paths = ("lstm.weight_ih_l0", "linear") if kind is Sequences else NAMES
        ask(network, [paths[:1], paths], compensation=how)
        assert made and all(reference() is None for reference in made)
    finally:
        gc.enable()
