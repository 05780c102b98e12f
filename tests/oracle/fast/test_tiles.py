"""How matrices are cut into tiles, and what converters do."""

from __future__ import annotations

import pytest
import torch
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from aihwkit.simulator.parameters.io import IOParameters
from fast_setup import tiling
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt.oracle.aihwkit_engine import AihwkitMatrix
from lionheart_opt.oracle.fast.tiles import Converters
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
    tiles = AihwkitMatrix(torch.randn(50, 100), None, config).tiles
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
