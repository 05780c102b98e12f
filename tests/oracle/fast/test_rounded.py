"""Weights are rounded to 16 bits only where output noise hides it, and sums never overflow."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import pytest
import torch
from fast_setup import random_linear, tiling
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.oracle.fast.rounded import HIDDEN, LARGEST_SUM, largest_input, rounded

CONVERTERS = random_linear(
    1, 1, input_step=2 / 254, input_bound=1.0, output_noise=0.06, output_bound=12.0
)[0].converters


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    depth=st.integers(1, 1500),
    most=st.integers(1, 20),
    scale=st.sampled_from([1e-30, 1e-3, 1.0, 30.0]),
    noise=st.sampled_from([1e-4, 0.01, 0.06, 1.0]),
)
def test_the_rounding_error_is_small_and_no_sum_overflows(
    seed: int, depth: int, most: int, scale: float, noise: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    tiles = tiling(3, depth, 0, max(depth // most, 1))
    weight = scale * torch.randn(3, depth, generator=generator).clamp(-1, 1)
    weight[0] = scale  # the largest sum
    converters = replace(CONVERTERS, output_noise=noise)
    found = rounded(weight, tiles, converters)
    if found is None:
        assert scale >= 1 and noise <= 0.06 * scale
        return
    assert found.weights.dtype == torch.int16
    for t, (first, last) in enumerate(tiles.inputs):
        whole = found.weights[:, first:last]
        assert int(whole.long().abs().sum(1).max()) * largest_input(converters) <= LARGEST_SUM
        error = whole * found.units[t][:, None] - weight[:, first:last]
        assert float(error.square().sum(1).max().sqrt()) <= 2 * noise / HIDDEN


def test_a_column_of_zeros_and_tiny_weights_stay_finite() -> None:
    weight = torch.zeros(2, 8)
    weight[1, 0] = 1e-42
    found = rounded(weight, tiling(2, 8), CONVERTERS)
    assert found is not None and not found.weights.any() and found.units.isfinite().all()


@pytest.mark.parametrize(
    "changes",
    [
        {"output_noise": 0.0},
        {"output_noise": 1e-5},
        {"input_step": 0.0},
        {"input_step": 2 / 253},  # the DAC clips between two steps
        {"input_step": 2 / 2**18},
        {"input_bound": inf},
    ],
)
def test_it_refuses_what_noise_does_not_hide(changes: dict[str, float]) -> None:
    weight = torch.ones(2, 100)
    assert rounded(weight, tiling(2, 100), CONVERTERS) is not None
    assert rounded(weight, tiling(2, 100), replace(CONVERTERS, **changes)) is None


@pytest.mark.parametrize("value", [nan, inf])
def test_weights_that_are_no_numbers_are_left_alone(value: float) -> None:
    weight = torch.ones(2, 100)
    weight[1, 7] = value
    assert rounded(weight, tiling(2, 100), CONVERTERS) is None
