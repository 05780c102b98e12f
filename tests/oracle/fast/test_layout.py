"""Packing brings weights into the kernels' order and back; layouts find every input."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from fast_setup import tiling, window_of
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.fast.layout import Packing, pack, unpack
from lionheart_opt.oracle.fast.panel import PANEL
from lionheart_opt.oracle.fast.simd import LANES

SHAPES = [(1, 1, 1, 0, 0), (20, 36, 9, 0, 10), (40, 30, 1, 17, 7), (33, 18, 9, 16, 5)]


@pytest.mark.parametrize(("n_outputs", "n_inputs", "area", "most_outputs", "most_inputs"), SHAPES)
def test_unpacking_reverses_packing(
    n_outputs: int, n_inputs: int, area: int, most_outputs: int, most_inputs: int
) -> None:
    packing = Packing.of(tiling(n_outputs, n_inputs, most_outputs, most_inputs), area)
    weight = torch.randn(n_outputs, n_inputs)
    for index in (packing.weights, packing.transposed):
        packed = pack(weight, index)
        assert torch.equal(unpack(packed, index, weight), weight)
        assert packed.astype(np.float64).sum() == pytest.approx(float(weight.double().sum()))
    gain = torch.randn(len(packing.tiles), n_outputs)
    assert torch.equal(unpack(pack(gain, packing.outputs), packing.outputs, gain), gain)


@pytest.mark.parametrize(("n_outputs", "n_inputs", "area", "most_outputs", "most_inputs"), SHAPES)
def test_panels_hold_each_weight_where_they_say(
    n_outputs: int, n_inputs: int, area: int, most_outputs: int, most_inputs: int
) -> None:
    packing = Packing.of(tiling(n_outputs, n_inputs, most_outputs, most_inputs), area)
    weight = torch.randn(n_outputs, n_inputs)
    packed = pack(weight, packing.weights)
    column = seen = 0
    for n_tile_inputs, first_panel, behind in packing.tiles:
        columns = packing.columns[column : column + n_tile_inputs]
        for _, output, count, at in packing.panels[first_panel:behind]:
            panel = packed[at : at + n_tile_inputs * PANEL].reshape(n_tile_inputs, PANEL)
            rows = weight[output : output + count].numpy()
            np.testing.assert_array_equal(panel[:, :count], rows[:, columns].T)
            assert not panel[:, count:].any()
            seen += count * n_tile_inputs
        column += n_tile_inputs
    assert seen == weight.numel()


def test_pairs_are_weights_of_neighbouring_inputs() -> None:
    packing = Packing.of(tiling(20, 21, 0, 10), 1)
    weight = torch.randn(20, 21)
    single, pairs = pack(weight, packing.weights), pack(weight, packing.pairs)
    np.testing.assert_array_equal(
        pairs.reshape(-1, PANEL, 2), single.reshape(-1, 2, PANEL).transpose(0, 2, 1)
    )
    odd = packing.panels[packing.tiles[1][1]]  # the second tile has eleven inputs
    assert packing.tiles[1][0] % 2 == 1
    last = single[odd[3] + packing.tiles[1][0] * PANEL :][:PANEL]
    assert not last.any()


@pytest.mark.parametrize("channels", [8, 11, 16, 22])
def test_vectors_cover_each_input_of_a_tile(channels: int) -> None:
    convolution = nn.Conv2d(channels, 3, 3)
    cut = tiling(3, 9 * channels, 0, 5 * channels)
    layout = Packing.of(cut, 9).layout(window_of(convolution), 6, 7)
    x, column = np.arange(42 * channels, dtype=np.float32), 0
    for t, (first, last, depth, *_) in enumerate(layout.tiles):
        start, end = layout.vectors_at[t]
        expected = np.concatenate([x[at : at + n] for at, n in layout.runs[first:last]])
        found = np.full(depth, np.nan, np.float32)
        for source, place in layout.vectors[start:end].reshape(-1, 2):
            assert place + LANES <= depth and source + LANES <= len(x)
            found[place : place + LANES] = x[source : source + LANES]
        if start < end:
            np.testing.assert_array_equal(found, expected)
        else:
            assert layout.runs[first:last, 1].min() < LANES
        column += depth
    assert column == 9 * channels


@pytest.mark.parametrize(
    "convolution",
    [
        nn.Conv2d(5, 7, 3, padding=1),
        nn.Conv2d(5, 7, (2, 3), stride=(1, 2), dilation=(2, 1)),
        nn.Conv1d(5, 7, 3, stride=2),
    ],
)
@pytest.mark.parametrize("most_inputs", [0, 11])
def test_runs_gather_the_inputs_of_every_output(
    convolution: nn.Conv1d | nn.Conv2d, most_inputs: int
) -> None:
    window = window_of(convolution)
    n_inputs = convolution.weight[0].numel()
    packing = Packing.of(tiling(7, n_inputs, 0, most_inputs), window.kernel[0] * window.kernel[1])
    x = torch.randn(1, 5, 1 if isinstance(convolution, nn.Conv1d) else 6, 9)
    padded = window.pad(x)
    layout = packing.layout(window, *padded.shape[2:])
    flat = padded.permute(0, 2, 3, 1).flatten().numpy()
    assert layout.image_size == len(flat) and layout.n_outputs == 7
    rows = F.unfold(padded, window.kernel, dilation=window.dilation, stride=window.stride)
    assert len(layout.starts) == rows.shape[2]
    for number, start in enumerate(layout.starts):
        inputs = [flat[start + offset : start + offset + length] for offset, length in layout.runs]
        expected = rows[0, packing.columns, number].numpy()
        np.testing.assert_array_equal(np.concatenate(inputs), expected)


def test_neighbouring_inputs_are_one_run() -> None:
    linear = Packing.of(tiling(3, 50), 1).layout(None, 1, 1)
    assert linear.runs.tolist() == [[0, 50]]
    window = window_of(nn.Conv2d(4, 3, 3))
    convolution = Packing.of(tiling(3, 36), 9).layout(window, 8, 8)
    assert convolution.runs.tolist() == [[0, 12], [32, 12], [64, 12]]  # one for each kernel row


def test_layers_that_are_cut_alike_share_a_packing_as_long_as_one_of_them_is_there() -> None:
    packing = Packing.of(tiling(5, 7, 0, 0), 1)
    assert Packing.of(tiling(5, 7, 0, 0), 1) is packing
    assert Packing.of(tiling(5, 7, 0, 0), 7) is not packing
    gone = weakref.ref(packing)
    del packing
    assert gone() is None
