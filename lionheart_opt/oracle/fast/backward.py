"""numba kernel of the fast engine's backward pass, with the gradients of aihwkit's tiles.

Let m be the largest magnitude of a row, f the extra divisor, s = 1 / (f m) the scale of the row,
a = clip(round(s x)) the output of the DAC and z that of the ADC before clipping. The outputs are
y = gain * clip(z) / s, times a fixed factor. Rounding passes gradients through, clipping stops them,
and s depends on x:

    dL/dw    = sum over rows of (gain dL/dy / s) a
    dL/dx    = v + (dL/dm) sign(x) at the largest input,   v = w' (gain dL/dy)
    dL/dm    = (sum(gain dL/dy z) / s - sum(v x)) / m
    dL/dgain = sum over rows of dL/dy z / s

With a static scale, s = 1 / f. Where inputs are clipped at a range r and divided by it, dL/dx = v / r,
and the gradient of r needs some sums over rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit

from lionheart_opt.oracle.fast.compiling import kernel
from lionheart_opt.oracle.fast.gradients import (
    Work,
    fetch,
    input_gradients,
    outer,
    range_gradients,
    recall,
    scatter,
    where_largest,
)
from lionheart_opt.oracle.fast.inputs import (
    TINY,
    begin,
    clip,
    digitise,
    gather,
    row_scale,
    whole,
)
from lionheart_opt.oracle.fast.panel import PANEL, ROWS, product
from lionheart_opt.oracle.fast.simd import LANES, fma, load, multiply, splat, store, total, within
from lionheart_opt.oracle.fast.structures import Block, Layout, Reading, Rows


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
    """Number of panels that hold n numbers."""
    return (n + PANEL - 1) // PANEL


def workspace(layout: Layout) -> Work:
    """Memory for one block of rows of a layer."""
    depths, panels = layout.tiles[:, 2], layout.tiles[:, 4] - layout.tiles[:, 3]
    deepest = -(-int(depths.max()) // PANEL) * PANEL
    widest = int(panels.max()) * PANEL
    return Work(
        raw=np.zeros(ROWS * deepest + 2 * PANEL, np.float32),
        a=np.zeros(ROWS * deepest + LANES, np.float32),
        v=np.zeros(ROWS * deepest, np.float32),
        g=np.zeros(ROWS * widest, np.float32),
        dy=np.zeros(ROWS * PANEL, np.float32),
        z=np.zeros(ROWS * PANEL, np.float32),
        sums=np.zeros(ROWS * LANES, np.float32),
        begins=np.zeros(ROWS, np.int64),
        most=np.zeros(ROWS, np.float32),
        scales=np.zeros(ROWS, np.float32),
        backs=np.zeros(ROWS, np.float32),
    )


@kernel
def backward(
    layer: Any,
    transposed: Any,
    run: Any,
    gradients: Any,
    work: Any,
    first_row: Any,
    last_row: Any,
) -> None:
    """Add the gradients from some rows of a layer.

    Args:
        layer: The `Layer`.
        transposed: Its weights, `Transposed`.
        run: The `Pass` as the forward pass left it, with the gradient of the outputs as `outputs`.
        gradients: The `Gradients` to add to.
        work: Memory that `workspace` made.
        first_row: The first row to compute.
        last_row: The row behind the last one; no other call may add to the same images.
    """
    layout, tiles, panels, runs = (
        layer.layout,
        layer.layout.tiles,
        layer.layout.panels,
        layer.layout.runs,
    )
    x, factors, ranges, needs_dx = run.x, run.factors, layer.ranges, len(gradients.x) > 0
    begins, most, backs, raw = work.begins, work.most, work.backs, work.raw
    for row in range(first_row, last_row, ROWS):
        rows = Rows(row, min(ROWS, last_row - row))
        begin(layout, row, rows.n, begins)
        backs[rows.n :] = 0
        column = 0
        for t in range(len(tiles)):
            first_run, last_run, depth, panel, last_panel = tiles[t]
            stride = panels_of(depth) * PANEL
            for i in range(rows.n):
                most[i] = gather(x, begins[i], runs, first_run, last_run, raw, i * stride)
            factor = limit = float32(0.0)  # of what is in `work.a`
            while panel < last_panel:
                u = panels[panel, 0]
                behind = panel
                while behind < last_panel and panels[behind, 0] == u:
                    behind += 1
                if factors[t, u] > 0:
                    tile = Tile(t, u, depth, stride, column, (panel, behind))
                    if factors[t, u] != factor or ranges[t, u] != limit:
                        factor, limit = factors[t, u], ranges[t, u]
                        read_in_again(layer, work, tile, factor, rows.n)
                    add_weight_gradients(layer, run, gradients, work, tile, rows)
                    if needs_dx:
                        add_input_gradients(layer, transposed, gradients, work, tile, rows.n)
                panel = behind
            column += depth


@njit(error_model="numpy")
def read_in_again(layer: Any, work: Any, tile: Any, factor: Any, n: Any) -> None:
    """Fill `work.a` with n rows of DAC outputs of a tile, and `work.scales` and `work.backs`."""
    levels, limit = layer.levels, layer.ranges[tile.t, tile.u]
    raw, a, most, scales, backs = work.raw, work.a, work.most, work.scales, work.backs
    for i in range(n):
        scale = row_scale(most[i], factor, levels)
        scales[i] = scale
        backs[i] = levels.output_scale / scale
        at, reading = i * tile.stride, Reading(limit, scale, most[i])
        digitise(raw, at, whole(tile.depth), reading, levels, a, at)


@njit(error_model="numpy")
def add_weight_gradients(
    layer: Any, run: Any, gradients: Any, work: Any, tile: Any, rows: Any
) -> None:
    """Add the gradients of a tile's weights and digital factors.

    Leaves the gradients behind the ADC in `work.g`, and their products with its outputs in
    `work.sums`.
    """
    n_outputs, panels, gain = layer.layout.n_outputs, layer.layout.panels, layer.gain
    slopes, dweights, dgain = run.outputs, gradients.weights, gradients.gain
    n_rows = len(slopes) // n_outputs
    a, g, dy, z = Block(work.a, 0, tile.stride), work.g, work.dy, work.z
    sums, backs = work.sums, work.backs
    first, behind = tile.panels
    breadth = (behind - first) * PANEL
    bound, unit = splat(layer.levels.output_bound), layer.levels.input_unit
    sums[:] = 0
    for panel in range(first, behind):
        output, count, at = panels[panel, 1], panels[panel, 2], panels[panel, 3]
        here = rows.first * n_outputs + output
        fetch(slopes, here, n_outputs, rows.n, count, dy)
        recall(run, (panel * n_rows + rows.first) * PANEL, rows.n, layer.levels, z)
        for half in range(0, PANEL, LANES):
            factor, gained = load(gain, PANEL * panel + half), load(dgain, PANEL * panel + half)
            for i in range(ROWS):
                place = PANEL * i + half
                slope, value = load(dy, place), clip(load(z, place), bound)
                scale = splat(backs[i])
                gained = fma(multiply(slope, scale), value, gained)
                slope = multiply(slope, factor)
                store(sums, LANES * i, fma(slope, value, load(sums, LANES * i)))
                slope = within(load(z, place), bound, slope)
                store(g, (panel - first) * PANEL + breadth * i + half, slope)
                store(dy, place, multiply(slope, splat(backs[i] * unit)))
            store(dgain, PANEL * panel + half, gained)
        outer(a, dy, rows.n, dweights, at, tile.depth)


@njit(error_model="numpy")
def add_input_gradients(
    layer: Any, transposed: Any, gradients: Any, work: Any, tile: Any, n: Any
) -> None:
    """Add the gradients of a tile's inputs and of its input range, from `work.g` and `work.sums`."""
    levels, v, raw, depth = layer.levels, work.v, work.raw, tile.depth
    limit, range_sums = layer.ranges[tile.t, tile.u], gradients.ranges[tile.t, tile.u]
    sums, scales, largest_inputs, begins = work.sums, work.scales, work.most, work.begins
    weights, columns, dx = transposed.weights, transposed.columns, gradients.x
    first_run, last_run, _, _, _ = layer.layout.tiles[tile.t]
    runs = layer.layout.runs[first_run:last_run]
    breadth = (tile.panels[1] - tile.panels[0]) * PANEL
    at, g = transposed.starts[tile.t, tile.u], Block(work.g, 0, breadth)
    for k in range(0, depth, PANEL):
        product(g, weights, at + k * breadth, breadth, Block(v, k, tile.stride))
    for i in range(n):
        first, most, scale = i * tile.stride, largest_inputs[i], scales[i]
        vx = input_gradients(v, raw, first, whole(depth), Reading(limit, scale, most), levels)
        limited = 0 < levels.scale_limit < most
        if limit > 0:
            range_gradients(v, raw, first, depth, limit, range_sums)
        elif levels.dynamic and most >= TINY and not limited:
            zy = total(load(sums, i * LANES)) / scale
            k = where_largest(raw, first, depth, most, columns, tile.column)
            dm = (zy - vx) / most
            if k >= 0:  # NaN is nowhere
                v[first + k] += dm if raw[first + k] > 0 else -dm
        scatter(v, first, levels.output_scale, runs, dx, begins[i])
