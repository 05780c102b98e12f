"""How layers are cut into tiles, what converters do, how convolutions walk over their input."""

from __future__ import annotations

import pytest
import torch
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from aihwkit.simulator.parameters.io import IOParameters
from fast_setup import REFERENCE, tiling
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.fast.tiles import Converters, Window
from lionheart_opt.oracle.rpu import lionheart


@given(st.integers(1, 600), st.integers(1, 600), st.integers(0, 300), st.integers(0, 300))
def test_tiles_cover_the_matrix_once_and_are_nearly_equal(
    n_outputs: int, n_inputs: int, most_outputs: int, most_inputs: int
) -> None:
    tiles = tiling(n_outputs, n_inputs, most_outputs, most_inputs)
    for ranges, size, most in (
        (tiles.inputs, n_inputs, most_inputs),
        (tiles.outputs, n_outputs, most_outputs),
    ):
        assert [number for start, end in ranges for number in range(start, end)] == list(
            range(size)
        )
        lengths = [end - start for start, end in ranges]
        assert max(lengths) - min(lengths) <= 1
        assert most == 0 or max(lengths) <= most


def test_tiles_are_those_of_aihwkit() -> None:
    config = lionheart()
    config.mapping.max_input_size, config.mapping.max_output_size = 30, 20
    layer = nn.Linear(100, 50)
    tiles = REFERENCE.layer(layer, config).tiles
    blocks = tiling(50, 100, 20, 30).blocks()
    assert len(tiles) == len(blocks) == 4 * 3
    for tile, (_, _, rows, columns) in zip(tiles, blocks, strict=True):
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        assert (tile.out_size, tile.in_size) == shape


def test_resolutions_are_steps_or_numbers_of_levels() -> None:
    by_step = Converters.of(IOParameters(inp_res=1 / 254, inp_bound=1.0))
    by_number = Converters.of(IOParameters(inp_res=254, inp_bound=1.0))
    assert by_step.input_step == by_number.input_step == pytest.approx(2 / 254)
    assert Converters.of(IOParameters(out_res=-1.0)).output_step == 0.0


def test_what_is_switched_off_has_no_limit() -> None:
    io = IOParameters(inp_bound=-1.0, out_bound=-1.0, nm_thres=-1.0, out_noise=-1.0)
    io.noise_management = NoiseManagementType.NONE
    io.bound_management = BoundManagementType.NONE
    converters = Converters.of(io)
    assert converters.input_bound == converters.output_bound == float("inf")
    assert converters.scale_limit == converters.output_noise == converters.retry_limit == 0.0
    assert not converters.dynamic


def test_retries_end_where_aihwkit_ends_them() -> None:
    io = IOParameters(inp_res=1 / 10, max_bm_factor=1000, max_bm_res=0.25)
    io.bound_management = BoundManagementType.ITERATIVE
    converters = Converters.of(io)
    assert converters.retry_limit == pytest.approx(0.25 / converters.input_step)
    io.max_bm_factor = 1
    assert Converters.of(io).retry_limit == 1.0


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        nn.Conv2d(4, 6, 3, padding=2, padding_mode="reflect"),
        nn.Conv1d(4, 6, 3, stride=2, padding=1),
    ],
)
def test_slices_are_the_inputs_of_columns(layer: nn.Conv1d | nn.Conv2d) -> None:
    window = Window.of(layer)
    x = torch.randn(2, 4, 1 if isinstance(layer, nn.Conv1d) else 9, 8)
    padded = window.pad(x)
    rows = F.unfold(padded, window.kernel, dilation=window.dilation, stride=window.stride)
    n_columns = rows.shape[1]
    assert n_columns == layer.weight[0].numel()
    for columns in ((0, n_columns), (0, 5), (3, n_columns - 1)):
        views = window.slices(padded, columns)
        numbers = torch.cat([view.flatten() for view in views]).sort().values
        expected = rows[:, slice(*columns)].flatten().sort().values
        assert torch.equal(numbers, expected)


def test_output_sizes_are_torchs() -> None:
    layer = nn.Conv2d(2, 3, (3, 5), stride=(2, 3), padding=(1, 2), dilation=(2, 1))
    window, x = Window.of(layer), torch.randn(1, 2, 17, 19)
    padded = window.pad(x)
    assert window.output_size(*padded.shape[2:]) == tuple(layer(x).shape[2:])
