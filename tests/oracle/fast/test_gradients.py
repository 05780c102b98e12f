"""The steps of the backward kernel, each against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from fast_setup import random_linear

from lionheart_opt.oracle.fast import gradients, kernels
from lionheart_opt.oracle.fast.cpu import CpuProducts
from lionheart_opt.oracle.fast.panel import PANEL, ROWS
from lionheart_opt.oracle.fast.structures import Block, Pass, Reading

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("depth", [1, 6, 20])
@pytest.mark.parametrize("n", [1, ROWS])
def test_outer_products_are_added(depth: int, n: int) -> None:
    a, g = normal(ROWS, depth + 2), normal(ROWS, PANEL)
    to = np.ones(3 * PANEL + depth * PANEL, np.float32)
    gradients.outer(Block(a.ravel(), 1, depth + 2), g.ravel(), n, to, 3 * PANEL, depth)
    expected = 1 + a[:n, 1 : depth + 1].T @ g[:n]
    np.testing.assert_allclose(
        to[3 * PANEL :].reshape(depth, PANEL), expected, rtol=1e-4, atol=1e-5
    )
    assert (to[: 3 * PANEL] == 1).all()


def test_the_largest_input_is_the_first_one_in_the_weight_matrix() -> None:
    inputs = np.zeros(96, np.float32)
    inputs[[40, 50, 60]] = -3.0, 3.0, 2.0
    order = np.arange(200)
    assert gradients.where_largest(inputs, 32, 64, np.float32(3), order, 5) == 8
    order[5 + 18] = -1  # input 18 of the row has an earlier column
    assert gradients.where_largest(inputs, 32, 64, np.float32(3), order, 5) == 18
    assert gradients.where_largest(inputs, 32, 64, np.float32(7), order, 5) == -1


def test_fetching_fills_up_with_zeros() -> None:
    source, panel = np.arange(1000, dtype=np.float32), np.full(ROWS * PANEL, np.nan, np.float32)
    gradients.fetch(source, 10, 40, 3, 5, panel)
    rows = panel.reshape(ROWS, PANEL)
    for i in range(3):
        assert rows[i, :5].tolist() == [10 + 40 * i + o for o in range(5)]
    assert not rows[:3, 5:].any() and not rows[3:].any()
    gradients.fetch(source, 10, 40, 3, PANEL, panel)
    assert rows[2].tolist() == list(range(90, 90 + PANEL)) and not rows[3:].any()


@pytest.mark.parametrize("in_steps", [True, False])
def test_outputs_that_are_kept_come_back_bit_by_bit(in_steps: bool) -> None:
    """The bound is 40 steps; what is beyond only has to stay there."""
    products, _ = random_linear(1, 1, output_step=0.05, output_bound=2.0)
    levels, n = CpuProducts(products).levels, 5
    steps = RNG.integers(-45, 45, ROWS * PANEL).astype(np.float32)
    steps[:6] = 32766, -32767, 1e6, np.inf, -np.inf, np.nan
    c, panel = steps * levels.output_step, np.full(ROWS * PANEL, np.nan, np.float32)
    kept = np.full(0 if in_steps else 200, 7, np.float32)
    whole = np.full(200 if in_steps else 0, 7, np.int16)
    nothing = np.zeros(0, np.float32)
    run = Pass(nothing, nothing, nothing, nothing, kept, whole, nothing)
    kernels.keep(c, n, run, 32, levels)
    for array in (kept, whole):
        assert (array[:32] == 7).all() and (array[32 + n * PANEL :] == 7).all()
    gradients.recall(run, 32, n, levels, panel)
    expected = c[: n * PANEL]
    inside = np.abs(expected) <= levels.output_bound
    np.testing.assert_array_equal(panel[: n * PANEL][inside], expected[inside])
    clipped = [np.clip(z, -levels.output_bound, levels.output_bound) for z in (panel, c)]
    np.testing.assert_array_equal(clipped[0][: n * PANEL], clipped[1][: n * PANEL])
    assert 0 < inside.sum() < inside.size and not panel[n * PANEL :].any()


def test_gradients_of_clipped_inputs_are_cleared() -> None:
    products, _ = random_linear(1, 1, input_step=0.01, input_bound=1.0)
    levels = CpuProducts(products).levels
    v, x = normal(32), normal(32)
    x[9] = 5.0
    before = v.copy()
    reading = Reading(np.float32(0), np.float32(0.5), np.abs(x[8:24]).max())
    products_sum = gradients.input_gradients(v, x, 8, 16, reading, levels)
    clipped = np.abs(x * 0.5) > 1.005
    clipped[:8] = clipped[24:] = False
    assert clipped[9]
    np.testing.assert_array_equal(v, np.where(clipped, 0, before))
    assert products_sum == pytest.approx(float(v[8:24] @ x[8:24]), rel=1e-4)


def test_sums_for_input_ranges() -> None:
    x = np.array([-3.0, -1.0, 0.5, 1.0, 4.0], np.float32)
    v = np.array([-2.0, 4.0, 6.0, -8.0, 10.0], np.float32)
    sums = np.zeros(4)
    gradients.range_gradients(v, x, 0, 5, np.float32(1), sums)
    assert sums.tolist() == [-8.0, 4.0, 2.0 - 4.0 + 3.0 - 8.0 + 10.0, 1.0]
    assert v.tolist() == [0.0, 4.0, 6.0, -8.0, 0.0]


def test_scattering_is_the_transpose_of_gathering() -> None:
    runs = np.array([[0, 3], [2, 9], [30, 20]], np.int64)  # inputs 2 is read twice
    n = int(runs[:, 1].sum())
    v, dx = normal(4 + n), np.zeros(80, np.float32)
    gradients.scatter(v, 4, np.float32(0.5), runs, dx, 10)
    indices = np.concatenate([10 + np.arange(start, start + count) for start, count in runs])
    expected = np.zeros(80)
    np.add.at(expected, indices, 0.5 * v[4:])
    np.testing.assert_allclose(dx, expected, rtol=1e-6)
