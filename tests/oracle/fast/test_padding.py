"""Kernels that pad images themselves compute what they compute on images that are padded before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fast_setup import random_linear, tiling, window_of
from torch import nn

from lionheart_opt.oracle.fast.cpu import CpuProducts
from lionheart_opt.oracle.fast.layout import Packing
from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.padding import enter, frame, padded, room
from lionheart_opt.oracle.fast.panel import ROWS

LAYERS: dict[str, nn.Conv1d | nn.Conv2d] = {
    "3 x 3": nn.Conv2d(16, 20, 3, padding=1),
    "wide": nn.Conv2d(5, 7, (1, 5), padding=(0, 2), stride=(1, 2)),
    "dilated": nn.Conv2d(5, 7, 3, padding=3, dilation=2),
    "one output": nn.Conv2d(3, 4, 8, padding=1),
    "one axis": nn.Conv1d(6, 4, 3, padding=2),
    "even": nn.Conv2d(3, 4, 4, padding="same"),
}


def made(
    layer: nn.Conv1d | nn.Conv2d, **changes: float
) -> tuple[CpuProducts, dict[str, torch.Tensor]]:
    n_outputs, n_inputs = layer.weight.flatten(1).shape
    cut = tiling(n_outputs, n_inputs, 0, 100)
    products, numbers = random_linear(n_outputs, n_inputs, cut, dynamic=True, **changes)
    return CpuProducts(Products(cut, products.converters, window_of(layer), None)), numbers


def images(layer: nn.Conv1d | nn.Conv2d, n: int) -> torch.Tensor:
    height = 1 if isinstance(layer, nn.Conv1d) else 6
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, layer.in_channels, height, 6, generator=generator)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("n", [1, 5, 33])
@pytest.mark.parametrize("name", LAYERS)
def test_outputs_are_those_of_padded_images(name: str, n: int, exact: bool) -> None:
    layer = LAYERS[name]
    dac = {"input_step": 2 / 254, "input_bound": 1.0, "output_noise": 0.06}
    kernels, numbers = made(layer, output_bound=0.5, retry_limit=1000.0, **dac)
    packed = kernels.pack(numbers["weight"], numbers["gain"], exact=exact)
    x, window, results = images(layer, n), window_of(layer), []
    for is_bare in (True, False):
        given = x if is_bare else padded(x, window)
        described = kernels.layer(given, packed, numbers["bias"], is_bare)
        assert bool(described.layout.frame.height) == is_bare
        run = kernels.forward(described, given, (3, 0), keep=False)
        results.append(kernels.shaped(described, given, run.outputs))
    assert torch.equal(*results)
    assert results[0].shape[2:] == window.output_size(*window.padded_size(*x.shape[2:]))


def test_only_batches_without_a_gradient_are_padded_by_the_kernels() -> None:
    layer = LAYERS["3 x 3"]
    kernels, _ = made(layer)
    many, one = images(layer, 64), images(layer, 1)
    assert not kernels._stays_bare(many)
    with torch.no_grad():
        assert kernels._stays_bare(many) and not kernels._stays_bare(one)
        assert not made(nn.Conv2d(16, 20, 3))[0]._stays_bare(many)


@pytest.mark.parametrize("name", LAYERS)
def test_images_of_a_block_are_entered_once(name: str) -> None:
    layer = LAYERS[name]
    window, x = window_of(layer), images(layer, 40)
    height, width = window.padded_size(*x.shape[2:])
    packing = Packing.of(tiling(*layer.weight.flatten(1).shape), int(np.prod(window.kernel)))
    layout = packing.layout(window, height, width, frame(window, *x.shape[2:]))
    flat = x.permute(0, 2, 3, 1).contiguous().numpy()
    expected = padded(x, window).permute(0, 2, 3, 1).contiguous().numpy().ravel()
    space, entered = room(layout)
    positions = len(layout.starts)
    rows = np.arange(40 * positions)
    for first in range(0, len(rows), ROWS):
        block = rows[first : first + ROWS]
        absolute = block // positions * layout.image_size + layout.starts[block % positions]
        begins = absolute.copy()
        enter(layout, flat.ravel(), len(block), begins, space, entered)
        for at, whole in zip(begins, absolute, strict=True):
            rest = layout.image_size - whole % layout.image_size
            np.testing.assert_array_equal(space[at : at + rest], expected[whole : whole + rest])
        flat[entered[entered >= 0]] = np.nan  # nothing is read again
