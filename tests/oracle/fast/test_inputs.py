"""How rows of inputs are read in, each step against numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fast_setup import random_linear

from lionheart_opt.oracle.fast import inputs
from lionheart_opt.oracle.fast.cpu import CpuProducts
from lionheart_opt.oracle.fast.layout import PADDED
from lionheart_opt.oracle.fast.simd import LANES
from lionheart_opt.oracle.fast.structures import Layout, Levels, Reading

RNG = np.random.default_rng(0)


def levels(**changes: Any) -> Levels:
    """Levels of ideal converters, with changes."""
    products, _ = random_linear(1, 1, **changes)
    return CpuProducts(products).levels


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def test_rows_begin_where_their_image_does() -> None:
    layout = Layout(
        image_size=100,
        frame=PADDED,
        starts=np.array([0, 7, 30]),
        runs=np.zeros((1, 2), np.int64),
        vectors=np.zeros(0, np.int64),
        vectors_at=np.zeros((1, 2), np.int64),
        tiles=np.zeros((1, 5), np.int64),
        panels=np.zeros((1, 4), np.int64),
        n_outputs=1,
    )
    begins = np.zeros(6, np.int64)
    inputs.begin(layout, 2, 6, begins)
    assert begins.tolist() == [30, 100, 107, 130, 200, 207]


def test_gathering_runs_pads_with_zeros_and_finds_the_largest_magnitude() -> None:
    x = normal(200)
    x[57] = -9.0
    runs = np.array([[0, 3], [10, 17], [40, 9]], np.int64)
    a = np.full(60, np.nan, np.float32)
    most = inputs.gather(x, 10, runs, 0, 3, a, 4)
    expected = np.concatenate([x[10:13], x[20:37], x[50:59]])
    np.testing.assert_array_equal(a[4 : 4 + 29], expected)
    assert not a[33 : 33 + LANES].any() and np.isnan(a[:4]).all()
    assert most == 9.0
    assert inputs.gather(x, 10, runs, 1, 2, a, 0) == np.abs(x[20:37]).max()


@pytest.mark.parametrize("place", [2, 12, 30])
def test_the_largest_magnitude_is_not_a_number_if_an_input_is_not(place: int) -> None:
    x, a = normal(64), np.zeros(64, np.float32)
    x[place], x[40] = np.nan, np.inf
    runs = np.array([[0, 33]], np.int64)
    assert np.isnan(inputs.gather(x, 0, runs, 0, 1, a, 0))
    assert inputs.gather(x, 35, np.array([[0, 20]], np.int64), 0, 1, a, 0) == np.inf


def test_scales_are_the_inverse_of_the_largest_magnitude() -> None:
    one = np.float32(1)
    dynamic = levels(dynamic=True)
    assert inputs.row_scale(np.float32(4), one, dynamic) == 0.25
    assert inputs.row_scale(np.float32(4), np.float32(2), dynamic) == 0.125
    assert inputs.row_scale(np.float32(0), one, dynamic) == 1.0
    assert inputs.row_scale(np.float32(4), one, levels(dynamic=True, scale_limit=2.0)) == 0.5
    assert inputs.row_scale(np.float32(4), np.float32(2), levels()) == 0.5


@pytest.mark.parametrize("limit", [0.0, 0.5])
@pytest.mark.parametrize("step", [0.0, 2 / 254, 0.1])
def test_the_dac_scales_rounds_and_clips(step: float, limit: float) -> None:
    x, a = normal(64), np.zeros(64, np.float32)
    chosen = levels(input_step=step, input_bound=1.0)
    reading = Reading(np.float32(limit), np.float32(0.8), np.abs(x[8:56]).max())
    inputs.digitise(x, 8, 48, reading, chosen, a, 8)
    expected = x[8:56].astype(np.float64)
    if limit > 0:
        expected = expected.clip(-limit, limit) / limit
    expected = expected * np.float32(0.8)
    if step > 0:
        expected = np.rint(expected / np.float32(step)) * np.float32(step)
    np.testing.assert_allclose(a[8:56] * chosen.input_unit, expected.clip(-1, 1), atol=1e-6)
    assert not a[:8].any() and not a[56:].any()


def test_quotients_are_rounded_like_divisions() -> None:
    step = 2 / 254
    x, a = (
        np.arange(-4000, 4000, dtype=np.float32) * np.float32(step / 2),
        np.zeros(8000, np.float32),
    )
    chosen = levels(input_step=step)
    reading = Reading(np.float32(0), np.float32(1), np.abs(x).max())
    inputs.digitise(x, 0, 8000, reading, chosen, a, 0)
    np.testing.assert_array_equal(a, np.rint(x / np.float32(step)))


@pytest.mark.parametrize("bits", range(2, 17))
def test_the_bound_in_steps_is_the_bound(bits: int) -> None:
    one = np.float32(1)
    chosen = levels(input_step=2 / (2**bits - 2), input_bound=1.0)
    steps = np.arange(2**bits, dtype=np.float32)
    within = steps * chosen.input_step <= one
    np.testing.assert_array_equal(steps <= chosen.input_bound, within)
    assert chosen.input_bound * chosen.input_step == pytest.approx(1)


@pytest.mark.parametrize(("n", "expected"), [(1, 8), (8, 8), (9, 16), (0, 0)])
def test_whole_vectors(n: int, expected: int) -> None:
    assert inputs.whole(n) == expected
