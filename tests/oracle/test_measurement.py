"""From networks to accuracies: what is refused, what is counted, what draws depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from oracle_setup import NAMES, ideal, made_up_examples, small_network, small_oracle, small_splits
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import (
    Conditions,
    _alike,
    check_network,
    exact_statistics,
    measure,
)
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.tasks import OwnTask

EXAMPLES = made_up_examples(30, 5)


class Pair(nn.Linear):
    """Returns its scores twice."""

    def __init__(self) -> None:
        super().__init__(64, 4)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        scores = super().forward(images.flatten(1))
        return scores, scores


class Overwrites(nn.Module):
    """Works in the memory of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.mul_(0.5).flatten(1))


def test_a_network_may_overwrite_its_input() -> None:
    """The examples stay as they are, so that asking again gives the same."""
    examples = made_up_examples(30, 5)
    before = examples.inputs.clone()
    first = exact_statistics(Overwrites().eval(), examples, 7).mean()
    assert torch.equal(examples.inputs, before) and 0.0 <= first <= 1.0


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(63, 4)), r"inputs of shape \(1, 8, 8\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(64, 3)), r"returns \(1, 3\).* 4 classes"),
        (nn.Conv2d(1, 4, 3), r"returns \(1, 4, 6, 6\)"),
        (Pair(), r"returns a tuple; the task needs a tensor; say .* output = 0"),
    ],
)
def test_a_network_must_fit_the_data(tmp_path: Path, network: nn.Module, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(small_oracle(tmp_path), model=network)


def test_a_network_that_fits_is_left_as_it_is() -> None:
    network = small_network().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    check_network(network, small_splits())
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])


class Counting(nn.Module):
    """Its scores depend on how often it has been called."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 4)
        self.calls = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.linear(images.flatten(1)) * self.calls


def test_a_network_with_a_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must not remember anything"):
        replace(small_oracle(tmp_path), model=Counting())


class AmongOthers(nn.Module):
    """Scores of an example depend on the others in its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(64, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scores = self.linear(images.flatten(1))
        return scores - 0.5 * scores.mean(0)


def test_a_network_that_mixes_examples_is_refused(tmp_path: Path) -> None:
    """One inference is one example; accuracy depended on the batch size of the oracle."""
    with pytest.raises(InputError, match="example 0 differently alone than among 3 examples"):
        replace(small_oracle(tmp_path), model=AmongOthers())


class Dropout(AmongOthers):
    """Random in evaluation, too, but for every example by itself."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(self.linear(images.flatten(1)))


def test_random_answers_are_refused_and_not_taken_for_mixed_ones(tmp_path: Path) -> None:
    line = Dropout.forward.__code__.co_firstlineno + 1
    with pytest.raises(InputError, match=rf"random numbers .*test_measurement\.py, line {line}\)"):
        replace(small_oracle(tmp_path), model=Dropout())


class Fails(AmongOthers):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.linear(images.flatten(1)) + {}["bias"]


def test_a_network_that_fails_says_where(tmp_path: Path) -> None:
    line = Fails.forward.__code__.co_firstlineno + 1
    place = rf"KeyError: 'bias' \(.*test_measurement\.py, line {line}\)"
    with pytest.raises(InputError, match=rf"cannot take inputs of .*: {place}"):
        check_network(Fails(), small_splits())


class Always(nn.Module):
    """Every example is in one class."""

    def __init__(self, label: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.eye(4)[label])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(images), 4)


@pytest.mark.parametrize("batch_size", [7, 30, 100])
def test_scores_are_shares_of_all_examples(batch_size: int) -> None:
    counts = torch.bincount(EXAMPLES.targets, minlength=4)
    assert (counts > 0).all()
    for label in range(4):
        assert (
            exact_statistics(Always(label), EXAMPLES, batch_size).mean() == int(counts[label]) / 30
        )


def samples(draws: range, times_s: tuple[float, ...], seed: int = 1) -> np.ndarray:
    conditions = Conditions(times_s=times_s, draws=draws, seed=seed, batch_size=8)
    network = small_network().eval()
    with torch.no_grad():  # initial weights of which images get different classes
        network.linear.weight -= network.linear.weight.mean(1, keepdim=True)
        network.linear.bias.zero_()
    mappings = [NAMES, ("conv2",)]
    return measure(engine("fast"), network, mappings, lionheart(), EXAMPLES, conditions).mean(
        (-2, -1)
    )


def test_draws_are_the_same_whichever_are_measured() -> None:
    whole = samples(range(4), (1.0, 86400.0))
    assert whole.shape == (2, 4, 2)
    assert ((whole >= 0) & (whole <= 1)).all() and whole.std() > 0
    np.testing.assert_array_equal(samples(range(2, 4), (1.0, 86400.0)), whole[:, 2:])
    np.testing.assert_array_equal(samples(range(4), (86400.0,)), whole[:, :, 1:])
    assert not np.array_equal(samples(range(4), (1.0, 86400.0), seed=2), whole)


@pytest.mark.parametrize("batch_size", [1, 7, 29, 30, 100])
def test_ideal_hardware_is_right_as_often_as_the_network(batch_size: int) -> None:
    """Over all examples, those of a last batch that is smaller included, and in every draw."""
    network = trained_a_little()
    expected = exact_statistics(network, EXAMPLES, 30).mean()
    assert 0.3 < expected < 1.0
    conditions = Conditions(times_s=(1.0,), draws=range(2), seed=1, batch_size=batch_size)
    config = ideal()
    measured = measure(engine("fast"), network, [("conv2",)], config, EXAMPLES, conditions)
    assert measured.mean((-2, -1)).tolist() == [[[expected], [expected]]]
    assert exact_statistics(network, EXAMPLES, batch_size).mean() == expected


def trained_a_little() -> nn.Module:
    network = small_network()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    examples = made_up_examples(200, 1)
    for _ in range(30):
        loss = nn.functional.cross_entropy(network(examples.inputs), examples.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_ranges_of_examples_give_what_all_of_them_give(name: str) -> None:
    """The last batch of a range is filled; the next range goes on there."""
    network = trained_a_little()
    conditions = Conditions(times_s=(1.0, 86400.0), draws=range(2), seed=1, batch_size=8)

    def right(*examples: int | None) -> np.ndarray:
        chosen = replace(conditions, examples=examples)
        return measure(engine(name), network, [NAMES], lionheart(), EXAMPLES, chosen)

    whole = right(0, None)
    assert whole.dtype == bool and whole.shape == (1, 2, 2, 30, 1) and 0 < whole.mean() < 1
    np.testing.assert_array_equal(right(0, 10), whole[..., :16, :])
    np.testing.assert_array_equal(right(16, 30), whole[..., 16:, :])
    np.testing.assert_array_equal(right(8, 1000), whole[..., 8:, :])
    with pytest.raises(ValueError, match="does not begin a batch"):
        right(10, None)


def test_random_networks_are_measured_with_the_same_chance() -> None:
    """The floating-point network's answers depended on what had been drawn before."""
    network, results = Dropout().eval(), []
    for seed in (1, 2):
        torch.manual_seed(seed)
        results.append(exact_statistics(network, EXAMPLES, 7).tolist())
        assert torch.initial_seed() == seed
    assert results[0] == results[1]


def test_statistics_that_are_not_finite_are_named() -> None:
    class Sometimes(OwnTask):
        def statistics(self, outputs: Any, batch: Any) -> torch.Tensor:
            return torch.where(batch.targets[:, None] == 3, torch.nan, 1.0)

    task = Sometimes(loss="cross_entropy", metric=lambda outputs, targets: targets)
    examples = Examples(inputs=EXAMPLES.inputs, targets=EXAMPLES.targets, task=task)
    first = int((EXAMPLES.targets == 3).nonzero()[0])
    with pytest.raises(InputError, match=f"got NaN or infinity for example {first}"):
        exact_statistics(small_network().eval(), examples, 7)


def test_answers_are_alike_but_for_the_rounding_of_their_type() -> None:
    one = torch.ones(3)
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        rounded = one.to(dtype) * (1 + 2 * torch.finfo(dtype).eps)
        assert _alike([one.to(dtype)], [rounded]) and not _alike([one.to(dtype)], [2 * rounded])
    assert _alike([torch.zeros(0, 3)], [torch.zeros(0, 3)])
