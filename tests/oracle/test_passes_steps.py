"""Which operations of a network are run again, how often, and what is kept in between."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import pytest
import torch
from impure_networks import AlwaysDropout, Residual
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle import passes as module
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.rpu import lionheart

IMAGES = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(3))
NAMES = ("conv1", "conv2", "linear")


class Chain(nn.Module):
    """Two analog layers behind digital ones. One activation, which writes in place, serves twice."""

    def __init__(self) -> None:
        super().__init__()
        self.digital = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.linear = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.relu(self.conv1(self.norm(self.digital(images))))
        return self.linear(self.relu(self.conv2(x)).amax((2, 3)))


class Twice(Chain):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(self.relu(self.conv1(self.digital(images))))
        return self.linear(self.conv2(x).amax((2, 3)))


class DigitalTwice(Chain):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images * self.norm(self.digital(images)).mean(1, keepdim=True))


class TwoInputs(Chain):
    def forward(self, images: torch.Tensor, scale: torch.Tensor | None = None) -> torch.Tensor:
        return super().forward(images if scale is None else images * scale)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 5, batch_first=True)
        self.linear = nn.Linear(5, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(self.lstm(images.flatten(1, 2))[0].mean(1))


def analog_of(network: nn.Module, paths: Collection[str] = NAMES) -> Any:
    analog = engine("fast").analog(network.eval(), tuple(paths), lionheart()).eval()
    analog.program({path: 1 for path in paths})
    analog.drift(60.0, {path: 2 for path in paths})
    return analog


@pytest.fixture(autouse=True)
def without_gradients() -> Any:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each operation has been run by itself, by its name."""
    counts: Counter[str] = Counter()
    real = Passes._run

    def counted(passes: Passes, node: Any) -> Any:
        counts[node.name] += 1
        return real(passes, node)

    monkeypatch.setattr(Passes, "_run", counted)
    return counts


def run(passes: Passes, numbers: Sequence[int], firsts: Sequence[int]) -> list[torch.Tensor]:
    outputs = []
    for first in firsts:
        passes.begin(IMAGES[first : first + 4], first)
        outputs += [passes(number).clone() for number in numbers]
    return outputs


def test_an_operation_is_run_again_only_if_what_is_before_it_has_changed(ran: Any) -> None:
    passes = Passes(analog_of(Chain()), [("conv1",), ("conv1", "linear"), ("conv2",)], IMAGES)
    ran.clear()
    run(passes, [0, 1, 2], [0])
    assert ran["digital"] == ran["norm"] == 1
    assert ran["conv1"] == ran["relu"] == 2  # analog and not
    assert ran["conv2"] == ran["relu_1"] == 2
    assert ran["linear"] == 3
    run(passes, [2], [0])  # another draw: the same batch again
    assert ran["digital"] == ran["norm"] == 1 and ran["conv1"] == 3
    run(passes, [2], [4])  # another batch
    assert ran["digital"] == ran["norm"] == 2 and ran["conv1"] == 4
    run(passes, [2], [0, 4])
    assert ran["digital"] == 2 and ran["conv1"] == 6


@pytest.mark.parametrize(("n_kept", "n_runs"), [(0, 6), (1, 5), (2, 4), (3, 3)])
def test_what_is_kept_is_limited_for_all_batches_together(
    n_kept: int, n_runs: int, ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the result of the norm is kept, 4 images of 4 x 8 x 8 numbers; others are not needed."""
    monkeypatch.setattr(module, "KEPT_BYTES", n_kept * 4 * 4 * 8 * 8 * 4)
    passes = Passes(analog_of(Chain(), ("conv1",)), [("conv1",)], IMAGES)
    ran.clear()
    first = run(passes, [0], [0, 4, 8])
    again = run(passes, [0], [0, 4, 8])
    assert ran["norm"] == n_runs
    for a, b in zip(first, again, strict=True):
        assert torch.equal(a, b)


def test_a_single_mapping_keeps_no_result_that_its_chip_changes() -> None:
    """Results that nothing needs any more make room for the next; a second call gives the same again."""
    paths = ("conv1", "linear")
    network = Chain()
    passes = Passes(analog_of(network, paths), [paths], IMAGES)
    [first, again] = run(passes, [0, 0], [0])
    held = {node.name for node in passes._results}
    assert held == {"images", "digital", "norm", "output"}
    assert torch.equal(first, again)
    [other] = run(Passes(analog_of(network, paths), [("conv1",), paths], IMAGES), [1], [0])
    assert torch.equal(first, other)


def test_neighbours_share_the_longest_beginnings() -> None:
    """Mappings that are the same up to a layer follow each other, in the order of execution."""
    mappings = [("linear", "conv1"), ("conv2",), ("conv1",), (), ("linear",), ("conv1", "conv2")]
    passes = Passes(analog_of(Chain()), mappings, IMAGES)
    assert [mappings[number] for number in passes.ordered] == [
        (),
        ("linear",),
        ("conv2",),
        ("conv1",),
        ("linear", "conv1"),
        ("conv1", "conv2"),
    ]


@pytest.mark.parametrize(
    ("kind", "one_by_one"),
    [(Chain, True), (DigitalTwice, True), (Twice, False), (TwoInputs, False), (Residual, False)],
)
def test_a_network_is_run_as_a_whole_where_reuse_could_be_wrong(
    kind: type[nn.Module], one_by_one: bool, ran: Any
) -> None:
    paths = ("conv1", "linear")
    analog = analog_of(kind(), paths)
    passes = Passes(analog, [paths], IMAGES)
    overwriting = [part for part in analog.network.modules() if isinstance(part, nn.ReLU)]
    assert all(part.inplace is not one_by_one for part in overwriting), "as it was, if whole"
    ran.clear()
    [output] = run(passes, [0], [0])
    assert bool(ran) is one_by_one
    alone = analog_of(kind(), paths)
    alone.network.load_state_dict(analog.network.state_dict(), strict=False)
    analog.rewind(0, 4)
    assert torch.equal(analog(IMAGES[:4].clone()), output)


def test_a_recurrent_layer_is_one_operation(ran: Any) -> None:
    paths = ("lstm.weight_ih_l0", "linear")  # one product for all steps
    passes = Passes(analog_of(Recurrent(), paths), [("linear",), paths], IMAGES)
    ran.clear()
    run(passes, [0, 1], [0])
    assert ran["lstm"] == ran["linear"] == 2


def test_batches_are_left_unchanged_and_may_be_changed_later() -> None:
    images = IMAGES.clone()
    passes = Passes(analog_of(AlwaysDropout(), ("conv2",)), [("conv2",)], images)
    passes.begin(images, 0)
    passes(0)
    assert torch.equal(images, IMAGES)


@pytest.mark.parametrize("uses", [{"conv1": 0, "linear": 1}, {"conv1": 2, "linear": 1}])
@pytest.mark.parametrize("kind", [Chain, Residual])
def test_a_matrix_that_is_used_more_or_less_often_than_traced_is_refused(
    kind: type[nn.Module], uses: dict[str, int]
) -> None:
    def ask(expected: dict[str, int] | None) -> None:
        paths = "conv1", "linear"
        run(Passes(analog_of(kind(), paths), [paths], IMAGES, expected), [0], [0])

    ask(None)
    ask({"conv1": 1, "linear": 1})
    with pytest.raises(InputError, match="the weights of 'conv1' are in 1 products"):
        ask(uses)


def test_a_matrix_that_serves_twice_has_noise_of_its_own_each_time() -> None:
    passes = Passes(analog_of(Twice(), ("conv1",)), [("conv1",)], IMAGES, {"conv1": 2})
    [output] = run(passes, [0], [0])
    assert output.shape == (4, 3)
    with pytest.raises(InputError, match=r"'conv1' are in 2 products of a pass .* but in 1 when"):
        run(Passes(analog_of(Twice(), ("conv1",)), [("conv1",)], IMAGES, {"conv1": 1}), [0], [0])
