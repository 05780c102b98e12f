"""The backward kernel: sums over any split of the rows, and what it leaves out."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from fast_setup import random_linear, tiling

from lionheart_opt.oracle.fast.backward import backward, workspace
from lionheart_opt.oracle.fast.cpu import CpuProducts
from lionheart_opt.oracle.fast.layout import pack
from lionheart_opt.oracle.fast.structures import Gradients, Layer, Pass, Transposed

N_ROWS, N_INPUTS, N_OUTPUTS = 61, 50, 35


def case(**changes: Any) -> tuple[Layer, Transposed, Pass]:
    """A layer of several tiles after a forward pass, with gradients of its outputs."""
    tiles = tiling(N_OUTPUTS, N_INPUTS, 20, 30)
    products, numbers = random_linear(N_OUTPUTS, N_INPUTS, tiles, **changes)
    kernels = CpuProducts(products)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N_ROWS, N_INPUTS, generator=generator)
    packed = kernels.pack(numbers["weight"], numbers["gain"])
    layer = kernels.layer(x, packed, numbers["bias"])
    run = kernels.forward(layer, x, (1, 0), keep=True)
    slopes = torch.randn(N_ROWS * N_OUTPUTS, generator=generator).numpy()
    packing = kernels.packing
    transposed = Transposed(
        pack(numbers["weight"], packing.transposed), packing.transposed_at, packing.columns
    )
    return layer, transposed, run._replace(outputs=slopes)


def gradients(layer: Layer, run: Pass, needs_dx: bool = True) -> Gradients:
    return Gradients(
        weights=np.zeros_like(layer.weights),
        gain=np.zeros_like(layer.gain),
        x=np.zeros(len(run.x) if needs_dx else 0, np.float32),
        ranges=np.zeros((*layer.ranges.shape, 4)),
    )


def test_rows_add_up_however_they_are_split() -> None:
    layer, transposed, run = case(dynamic=True, input_step=2 / 254, input_bound=1.0)
    whole, parts = gradients(layer, run), gradients(layer, run)
    backward(layer, transposed, run, whole, workspace(layer.layout), 0, N_ROWS)
    for first, last in ((0, 7), (7, 40), (40, N_ROWS)):
        backward(layer, transposed, run, parts, workspace(layer.layout), first, last)
    for ours, theirs in zip(parts, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    assert whole.weights.any() and whole.gain.any() and whole.x.any()


def test_input_gradients_are_left_out_where_they_are_not_needed() -> None:
    layer, transposed, run = case(dynamic=True)
    all_of_them, without = gradients(layer, run), gradients(layer, run, needs_dx=False)
    backward(layer, transposed, run, all_of_them, workspace(layer.layout), 0, N_ROWS)
    backward(layer, transposed, run, without, workspace(layer.layout), 0, N_ROWS)
    np.testing.assert_array_equal(without.weights, all_of_them.weights)
    np.testing.assert_array_equal(without.gain, all_of_them.gain)
    assert len(without.x) == 0


def test_tiles_that_the_forward_pass_left_out_have_no_gradients() -> None:
    layer, transposed, run = case(dynamic=True)
    run.factors[:] = 0
    sums = gradients(layer, run)
    backward(layer, transposed, run, sums, workspace(layer.layout), 0, N_ROWS)
    assert not any(array.any() for array in sums)


def test_outputs_that_clip_pass_no_gradient_to_weights_and_inputs() -> None:
    layer, transposed, run = case(output_bound=1e-6)
    sums = gradients(layer, run)
    backward(layer, transposed, run, sums, workspace(layer.layout), 0, N_ROWS)
    assert not sums.weights.any() and not sums.x.any()
    assert sums.gain.any()  # but the factor behind the ADC still matters
