"""numba kernel of the fast engine's backward pass: the gradients that aihwkit's tiles give.

With row scale s = 1 / (f m), m the largest magnitude of the row, f the extra divisor, and
a = clip(round(s x)) the DAC's output, z the ADC's, the outputs are y = gain * clip(z) / s (times a
fixed factor). Rounding passes gradients through, clipping stops them, and s depends on x:

    dL/dw    = sum over rows of (gain dL/dy / s) a
    dL/dx    = v + (dL/dm) sign(x) at the largest input,   v = w' (gain dL/dy)
    dL/dm    = (sum(gain dL/dy z) / s - sum(v x)) / m
    dL/dgain = sum over rows of dL/dy z / s

With a static scale, s = 1 / f; where inputs are clipped at a range r and divided by it, dL/dx = v / r,
and the gradient of r needs some sums over rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit

from lionheart_opt.oracle.fast.gradients import (
    Work,
    fetch,
    input_gradients,
    outer,
    range_gradients,
    read_out_gradients,
    scatter,
    where_largest,
)
from lionheart_opt.oracle.fast.kernels import (
    PANEL,
    ROWS,
    begin,
    digitise,
    gather,
    product,
    row_scale,
    whole,
)
from lionheart_opt.oracle.fast.simd import LANES, load, total
from lionheart_opt.oracle.fast.structures import Block, Rows


class Tile(NamedTuple):
    """The tile that is worked on.

    Args:
        t: Number of its range of inputs.
        u: Number of its range of outputs.
        depth: Number of its inputs.
        stride: Distance between rows of inputs.
        column: Number of inputs in the ranges before.
        panels: Its first panel, and the one behind the last.
    """

    t: int
    u: int
    depth: int
    stride: int
    column: int
    panels: tuple[int, int]


@njit(error_model="numpy")
def panels_of(n: Any) -> Any:
    """How many panels hold n numbers."""
    return (n + PANEL - 1) // PANEL


@njit(error_model="numpy")
def workspace(layout: Any) -> Any:
    """Memory for a layer's blocks of rows."""
    widest = deepest = 0
    for t in range(len(layout.tiles)):
        deepest = max(deepest, panels_of(layout.tiles[t, 2]) * PANEL)
        widest = max(widest, (layout.tiles[t, 4] - layout.tiles[t, 3]) * PANEL)
    return Work(
        np.zeros(ROWS * deepest + 2 * PANEL, np.float32),
        np.zeros(ROWS * deepest + LANES, np.float32),
        np.zeros(ROWS * deepest, np.float32),
        np.zeros(ROWS * widest, np.float32),
        np.zeros(ROWS * PANEL, np.float32),
        np.zeros(ROWS * PANEL, np.float32),
        np.zeros(ROWS * LANES, np.float32),
        np.zeros(ROWS, np.int64),
        np.zeros(ROWS, np.float32),
        np.zeros(ROWS, np.float32),
        np.zeros(ROWS, np.float32),
    )


@njit(nogil=True, cache=True, error_model="numpy")
def backward(
    layer: Any, transposed: Any, run: Any, gradients: Any, first_row: Any, last_row: Any
) -> None:
    """Add the gradients from some rows of a layer.

    Args:
        layer: The `Layer`.
        transposed: Its weights, `Transposed`.
        run: The `Pass` as the forward pass left it, with the gradient of the outputs as `outputs`.
        gradients: The `Gradients` to add to.
        first_row: The first row to compute.
        last_row: The row behind the last one; no other call may add to the same images.
    """
    layout = layer.layout
    work = workspace(layout)
    for row in range(first_row, last_row, ROWS):
        rows = Rows(row, min(ROWS, last_row - row))
        begin(layout, row, rows.n, work.begins)
        work.backs[rows.n :] = 0
        column = 0
        for t in range(len(layout.tiles)):
            first_run, last_run, depth, panel, last_panel = layout.tiles[t]
            stride = panels_of(depth) * PANEL
            for i in range(rows.n):
                work.most[i] = gather(
                    run.x, work.begins[i], layout.runs, first_run, last_run, work.raw, i * stride
                )
            factor = limit = float32(0.0)  # of what is in `work.a`
            while panel < last_panel:
                u = layout.panels[panel, 0]
                behind = panel
                while behind < last_panel and layout.panels[behind, 0] == u:
                    behind += 1
                if run.factors[t, u] > 0:
                    tile = Tile(t, u, depth, stride, column, (panel, behind))
                    if run.factors[t, u] != factor or layer.ranges[t, u] != limit:
                        factor, limit = run.factors[t, u], layer.ranges[t, u]
                        read_in_again(layer, work, tile, factor, rows.n)
                    add_weight_gradients(layer, run, gradients, work, tile, rows)
                    if len(gradients.x) > 0:
                        add_input_gradients(layer, transposed, gradients, work, tile, rows.n)
                panel = behind
            column += depth


@njit(error_model="numpy")
def read_in_again(layer: Any, work: Any, tile: Any, factor: Any, n: Any) -> None:
    """Fill `work.a` with what a tile's DAC makes of n rows, and `work.scales` and `work.backs`."""
    levels, limit = layer.levels, layer.ranges[tile.t, tile.u]
    for i in range(n):
        scale = row_scale(work.most[i], factor, levels)
        work.scales[i] = scale
        work.backs[i] = levels.output_scale / scale
        digitise(work.raw, i * tile.stride, whole(tile.depth), limit, scale, levels, work.a)


@njit(error_model="numpy")
def add_weight_gradients(
    layer: Any, run: Any, gradients: Any, work: Any, tile: Any, rows: Any
) -> None:
    """Add the gradients of a tile's weights and digital factors; leave its outputs' in `work.g`."""
    n_outputs = layer.layout.n_outputs
    first, behind = tile.panels
    breadth = (behind - first) * PANEL
    work.sums[:] = 0
    for panel in range(first, behind):
        _, output, count, at = layer.layout.panels[panel]
        here = rows.first * n_outputs + output
        fetch(run.outputs, here, n_outputs, rows.n, count, work.dy)
        there = tile.t * len(run.outputs) + here
        fetch(run.kept, there, n_outputs, rows.n, count, work.z)
        read_out_gradients(work, layer, gradients.gain, panel, (panel - first) * PANEL, breadth)
        a = Block(work.a, 0, tile.stride)
        outer(a, work.dy, rows.n, gradients.weights, at, tile.depth)


@njit(error_model="numpy")
def add_input_gradients(
    layer: Any, transposed: Any, gradients: Any, work: Any, tile: Any, n: Any
) -> None:
    """Add the gradients of a tile's inputs and of its input range, from `work.g`."""
    levels, v, raw, depth = layer.levels, work.v, work.raw, tile.depth
    limit = layer.ranges[tile.t, tile.u]
    breadth = (tile.panels[1] - tile.panels[0]) * PANEL
    at = transposed.starts[tile.t, tile.u]
    for k in range(0, depth, PANEL):
        c = Block(v, k, tile.stride)
        product(Block(work.g, 0, breadth), transposed.weights, at + k * breadth, breadth, c)
    for i in range(n):
        first, most = i * tile.stride, work.most[i]
        vx = input_gradients(work, i, first, whole(depth), limit, levels)
        limited = 0 < levels.scale_limit < most
        if limit > 0:
            range_gradients(v, raw, first, depth, limit, gradients.ranges[tile.t, tile.u])
        elif levels.dynamic and most > 0 and not limited:
            zy = total(load(work.sums, i * LANES)) / work.scales[i]
            k = where_largest(raw, first, depth, most, transposed.columns, tile.column)
            dm = (zy - vx) / most
            if k >= 0:  # NaN is nowhere
                v[first + k] += dm if raw[first + k] > 0 else -dm
        scatter(v, first, layer, tile.t, gradients.x, work.begins[i])
