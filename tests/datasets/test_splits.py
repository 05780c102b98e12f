"""The data: disjoint parts, the same at every call, stratified, never augmented."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.datasets.splits import Examples, split
from lionheart_opt.errors import InputError


def numbered(labels: list[int]) -> Examples:
    """Examples whose only pixel is their number."""
    images = torch.arange(len(labels), dtype=torch.float32).reshape(-1, 1, 1, 1)
    return Examples(inputs=images, targets=torch.tensor(labels))


def numbers(examples: Examples) -> list[int]:
    return examples.inputs.flatten().int().tolist()


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(2, 40), min_size=1, max_size=4),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_parts_are_disjoint_complete_and_stratified(
    counts: list[int], fraction: float, seed: int
) -> None:
    labels = [label for label, count in enumerate(counts) for _ in range(count)]
    train, test = numbered(labels), numbered([0, 1])
    splits = split(train, test, fraction, seed)
    assert sorted(numbers(splits.train) + numbers(splits.validation)) == list(range(len(labels)))
    for examples in (splits.train, splits.validation):  # labels go with their images
        assert examples.targets.tolist() == [labels[number] for number in numbers(examples)]
    for label, count in enumerate(counts):
        held_out = int((splits.validation.targets == label).sum())
        assert abs(held_out - fraction * count) <= 1
        assert 1 <= held_out < count
    assert splits.test is test


def test_validation_is_the_same_at_every_call_and_another_for_another_seed() -> None:
    train = numbered([0, 1] * 100)
    first, again, other = (split(train, train, 0.1, seed).validation for seed in (7, 7, 8))
    assert numbers(first) == numbers(again)
    assert set(numbers(first)) != set(numbers(other))
    assert len(first) == 20


def test_digest_tells_parts_apart() -> None:
    train = numbered([0, 1] * 50)
    splits = [split(train, train, 0.1, seed) for seed in (0, 0, 1)]
    assert splits[0].digest == splits[1].digest != splits[2].digest
    changed = Examples(inputs=train.inputs + 1.0, targets=train.targets)
    assert changed.digest != train.digest


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_fraction_must_leave_both_parts(fraction: float) -> None:
    with pytest.raises(InputError, match="validation_fraction"):
        split(numbered([0, 0, 1, 1]), numbered([0]), fraction)


def test_bad_examples() -> None:
    with pytest.raises(InputError, match="class 1 has one training example"):
        split(numbered([0, 0, 1]), numbered([0]), 0.5)
    with pytest.raises(InputError, match="3 inputs, 2 targets"):
        Examples(inputs=torch.zeros(3, 1), targets=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(InputError, match="without examples"):
        Examples(inputs=torch.zeros(0, 1), targets=torch.zeros(0, dtype=torch.int64))


def test_a_prefix_of_the_validation_set_is_a_fair_sample() -> None:
    splits = split(numbered([0] * 500 + [1] * 500), numbered([0]), 0.5)
    assert abs(float(np.mean(splits.validation[:100].targets.numpy())) - 0.5) < 0.2
