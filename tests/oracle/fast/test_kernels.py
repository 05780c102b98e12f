"""The forward kernel computes each row alone, and says what the next attempt must know."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fast_setup import random_linear, tiling

from lionheart_opt.oracle.fast.cpu import CpuProducts
from lionheart_opt.oracle.fast.kernels import forward, workspace
from lionheart_opt.oracle.fast.structures import Layer, Pass, Stream

N_ROWS, N_INPUTS = 50, 40
DAC = {"dynamic": True, "input_step": 2 / 254, "input_bound": 1.0, "output_noise": 0.06}
STREAM = Stream(np.uint64(3), np.uint64(0))


def layer(exact: bool) -> Layer:
    products, numbers = random_linear(25, N_INPUTS, tiling(25, N_INPUTS, 12, 18), **DAC)
    kernels = CpuProducts(products)
    packed = kernels.pack(numbers["weight"], numbers["gain"], exact=exact)
    return kernels.layer(torch.empty(N_ROWS, N_INPUTS), packed, numbers["bias"])


def begun(layer: Layer, x: np.ndarray) -> Pass:
    """A pass before its first attempt."""
    shape = layer.ranges.shape
    return Pass(
        x=x.ravel(),
        factors=np.ones(shape, np.float32),
        clipped=np.zeros(shape, np.int64),
        seen=np.zeros(shape[0], np.int64),
        kept=np.empty(0, np.float32),
        steps=np.empty(0, np.int16),
        outputs=np.empty(N_ROWS * layer.layout.n_outputs, np.float32),
    )


@pytest.mark.parametrize("exact", [True, False])
def test_parts_of_the_rows_are_the_whole(exact: bool) -> None:
    made = layer(exact)
    x = np.random.default_rng(0).standard_normal((N_ROWS, N_INPUTS)).astype(np.float32)
    whole, parts = begun(made, x), begun(made, x)
    forward(made, whole, STREAM, workspace(made.layout), 0, N_ROWS)
    for first, last in ((0, 7), (7, 8), (8, N_ROWS)):
        forward(made, parts, STREAM, workspace(made.layout), first, last)
    np.testing.assert_array_equal(parts.outputs, whole.outputs)
    assert whole.seen.all() and not whole.clipped.any()


@pytest.mark.parametrize("exact", [True, False])
def test_ranges_of_inputs_without_any_are_not_seen(exact: bool) -> None:
    made = layer(exact)
    x = np.zeros((N_ROWS, N_INPUTS), np.float32)
    x[30, -1] = 1e-3
    run = begun(made, x)
    forward(made, run, STREAM, workspace(made.layout), 0, N_ROWS)
    assert run.seen.tolist() == [0] * (len(run.seen) - 1) + [1]
