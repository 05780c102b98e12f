"""numba kernel of the fast engine's forward pass, and functions that the backward pass shares.

A layer is a product of a matrix of rows, one for each output position of each image, with its weights.
The matrix of rows is never stored. A block of rows is gathered from the feature maps, scaled, rounded,
multiplied, given noise, rounded and scaled back while it stays in the first-level cache.

Arrays are flat. Feature maps are channels-last, so that a row is gathered in runs of neighbours.

Loops take arrays out of structures before they begin: numba counts a reference each time that it takes
an array out of a tuple, and an atomic counter is slow among so few operations.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, uint32, uint64

from lionheart_opt.oracle.fast.compiling import kernel
from lionheart_opt.oracle.fast.inputs import (
    TINY,
    begin,
    clip,
    copy,
    digitise,
    gather,
    round_to,
    row_scale,
    whole,
)
from lionheart_opt.oracle.fast.noise import mix, normal_pair, stream
from lionheart_opt.oracle.fast.padding import enter, room
from lionheart_opt.oracle.fast.panel import PANEL, ROWS, product, product_of_shorts
from lionheart_opt.oracle.fast.shorts import read_in_shorts
from lionheart_opt.oracle.fast.simd import (
    LANES,
    add_words,
    fma,
    lane_numbers,
    largest,
    load,
    magnitude,
    maximum,
    multiply,
    nearest,
    splat,
    splat_word,
    store,
    store_shorts,
)
from lionheart_opt.oracle.fast.structures import Block, Layout, Reading, Rows

#: Rows that are gathered before their inputs are digitised.
GROUP = 8

#: Outputs of the ADC are kept in 16 bits, as numbers of steps. Larger ones are kept as this number,
#: which must be beyond the bound where the ADC clips; one less than its negative stands for NaN.
LARGEST_STEP = 2**15 - 1


class Work(NamedTuple):
    """Memory for one block of rows of the forward pass.

    Args:
        raw: Inputs of a tile, for GROUP rows.
        a: Outputs of its DAC, in steps.
        shorts: The same in 16 bits.
        c: Outputs of a panel.
        begins: Index of each row's first input.
        most: Largest magnitude of each row's inputs.
        factors: What inputs are multiplied with to become steps.
        scales: What each row's outputs are multiplied with.
        keys: Two keys of each row's noise.
        images: Some images with their padding, where inputs come without.
        entered: Which ones.
    """

    raw: np.ndarray
    a: np.ndarray
    shorts: np.ndarray
    c: np.ndarray
    begins: np.ndarray
    most: np.ndarray
    factors: np.ndarray
    scales: np.ndarray
    keys: np.ndarray
    images: np.ndarray
    entered: np.ndarray


@njit(error_model="numpy", forceinline=True)
def read_out(work: Any, layer: Any, panel: Any, n: Any) -> Any:
    """Scale the first n rows of `work.c`, add noise and round them: the ADC without its clipping.

    Returns:
        The largest magnitude.
    """
    c, levels = work.c, layer.levels
    step, inverse = splat(levels.output_step), splat(levels.output_inverse)
    left_unit = load(layer.units, PANEL * panel)
    right_unit = load(layer.units, PANEL * panel + LANES)
    left_noise = load(layer.noise, PANEL * panel)
    right_noise = load(layer.noise, PANEL * panel + LANES)
    counters = add_words(lane_numbers(), splat_word(uint32(LANES * panel)))
    most = splat(float32(0.0))
    for i in range(n):
        left, right = load(c, PANEL * i), load(c, PANEL * i + LANES)
        left, right = multiply(left, left_unit), multiply(right, right_unit)
        if levels.output_noise > 0:
            first, second = normal_pair(counters, work.keys[i, 0], work.keys[i, 1])
            left, right = fma(first, left_noise, left), fma(second, right_noise, right)
            if levels.output_step > 0:  # the noise decides at the middle of two steps
                left = multiply(nearest(multiply(left, inverse)), step)
                right = multiply(nearest(multiply(right, inverse)), step)
        elif levels.output_step > 0:
            left, right = round_to(left, step, inverse), round_to(right, step, inverse)
        most = maximum(magnitude(left), maximum(magnitude(right), most))
        store(c, PANEL * i, left)
        store(c, PANEL * i + LANES, right)
    return largest(most)


@njit(error_model="numpy", forceinline=True)
def accumulate(work: Any, layer: Any, panel: Any, n: Any, y: Any, at: Any) -> None:
    """Clip the first n rows of `work.c`, scale them back and add them to the outputs at `y[at:]`."""
    c, scales, gain, bound = work.c, work.scales, layer.gain, layer.levels.output_bound
    count, stride = layer.layout.panels[panel, 2], layer.layout.n_outputs
    limit = splat(bound)
    left_gain, right_gain = load(gain, PANEL * panel), load(gain, PANEL * panel + LANES)
    for i in range(n):
        if count == PANEL:
            left, right = clip(load(c, PANEL * i), limit), clip(load(c, PANEL * i + LANES), limit)
            scale = splat(scales[i])
            store(y, at, fma(multiply(left_gain, scale), left, load(y, at)))
            store(y, at + LANES, fma(multiply(right_gain, scale), right, load(y, at + LANES)))
        else:
            for o in range(count):
                z = max(min(c[PANEL * i + o], bound), -bound)
                y[at + o] += z * (gain[PANEL * panel + o] * scales[i])
        at += stride


@njit(error_model="numpy", forceinline=True)
def keep(c: Any, n: Any, run: Any, at: Any, levels: Any) -> None:
    """Copy the first n rows of a block to `kept[at:]` or `steps[at:]`, for the backward pass."""
    kept, steps = run.kept, run.steps
    inverse, most = splat(levels.output_inverse), splat(float32(LARGEST_STEP))
    if len(steps) > 0:
        nan = splat(float32(-LARGEST_STEP - 1))
        for i in range(0, PANEL * n, LANES):
            step = nearest(multiply(load(c, i), inverse))
            store_shorts(steps, at + i, maximum(clip(step, most), nan))
    elif len(kept) > 0:
        for i in range(0, PANEL * n, LANES):
            store(kept, at + i, load(c, i))


def workspace(layout: Layout) -> Work:
    """Memory for one block of rows of a layer."""
    width = -(-int(layout.tiles[:, 2].max()) // LANES) * LANES
    images, entered = room(layout)
    return Work(
        raw=np.zeros(GROUP * width + LANES, np.float32),
        a=np.zeros(ROWS * width, np.float32),
        shorts=np.zeros(ROWS * width, np.int16),
        c=np.zeros(ROWS * PANEL, np.float32),
        begins=np.zeros(ROWS, np.int64),
        most=np.zeros(ROWS, np.float32),
        factors=np.zeros(ROWS, np.float32),
        scales=np.zeros(ROWS, np.float32),
        keys=np.zeros((ROWS, 2), np.uint32),
        images=images,
        entered=entered,
    )


@kernel
def forward(layer: Any, run: Any, noise: Any, work: Any, first_row: Any, last_row: Any) -> None:
    """Compute outputs of some rows of a layer, or find tiles with an output that must not clip.

    Args:
        layer: The `Layer`.
        run: The `Pass`; all of its arrays but `x` and `factors` are written to.
        noise: The `Stream` of output noise.
        work: Memory that `workspace` made.
        first_row: The first row to compute.
        last_row: The row behind the last one.
    """
    layout, n_outputs, bias = layer.layout, layer.layout.n_outputs, layer.bias
    begins, clipped, outputs = work.begins, run.clipped, run.outputs
    x, images, entered = run.x, work.images, work.entered
    n_ranges = len(layout.tiles)
    for row in range(first_row, last_row, ROWS):
        if clipped.all():
            return
        n = min(ROWS, last_row - row)
        begin(layout, row, n, begins)
        if len(entered) > 0:
            enter(layout, x, n, begins, images, entered)
        for i in range(n):
            copy(bias, n_outputs, outputs, (row + i) * n_outputs)
        for t in range(n_ranges):
            add_tiles(layer, run, noise, work, t, Rows(row, n))


@njit(error_model="numpy", forceinline=True)
def add_tiles(layer: Any, run: Any, noise: Any, work: Any, t: Any, rows: Any) -> None:
    """Add what the tiles of a range of inputs contribute to some rows of the outputs.

    Args:
        layer: The `Layer`.
        run: The `Pass`.
        noise: The `Stream` of output noise.
        work: Memory, `begins` set.
        t: Number of the range of inputs.
        rows: The `Rows`, at most ROWS of them.
    """
    levels, panels, n_outputs = layer.levels, layer.layout.panels, layer.layout.n_outputs
    weights, ranges, factors, clipped = layer.weights, layer.ranges, run.factors, run.clipped
    keys, outputs, most, seen = work.keys, run.outputs, work.most, run.seen
    n_rows = len(outputs) // n_outputs
    _, _, depth, first_panel, last_panel = layer.layout.tiles[t]
    a, c = Block(work.a, 0, whole(depth)), Block(work.c, 0, PANEL)
    shorts, short_weights = Block(work.shorts, 0, whole(depth)), layer.shorts
    in_shorts = len(short_weights) > 0
    factor = limit = float32(0.0)  # of what has been read in
    tile = -1
    for panel in range(first_panel, last_panel):
        u, output, at = panels[panel, 0], panels[panel, 1], panels[panel, 3]
        if factors[t, u] == 0 or clipped[t, u]:  # perhaps in another thread
            continue
        if factors[t, u] != factor or ranges[t, u] != limit:
            factor, limit = factors[t, u], ranges[t, u]
            if in_shorts:
                read_in_shorts(layer, run, work, t, u, rows.n)
            else:
                read_in(layer, run, work, t, u, rows.n)
            for i in range(rows.n):
                if not most[i] < TINY or not levels.dynamic:
                    seen[t] = 1
        if u != tile:
            tile = u
            # a retry must not meet the noise that made it necessary
            tile_key = mix(mix(noise.key, t * factors.shape[1] + u), factor)
            for i in range(rows.n):
                number = noise.offset + uint64(rows.first + i)
                keys[i, 0], keys[i, 1] = stream(tile_key, number)
        if in_shorts:
            product_of_shorts(shorts, short_weights, at, depth, c)
        else:
            product(a, weights, at, depth, c)
        largest_output = read_out(work, layer, panel, rows.n)
        if largest_output > levels.output_bound and factor <= levels.retry_limit:
            clipped[t, u] = 1
            continue
        keep(work.c, rows.n, run, (panel * n_rows + rows.first) * PANEL, levels)
        accumulate(work, layer, panel, rows.n, outputs, rows.first * n_outputs + output)


@njit(error_model="numpy", forceinline=True)
def read_in(layer: Any, run: Any, work: Any, t: Any, u: Any, n: Any) -> None:
    """Fill `work.a` with n rows of DAC outputs of tile (t, u), and `work.scales` with their scales."""
    runs, levels = layer.layout.runs, layer.levels
    x = work.images if len(work.images) > 0 else run.x
    raw, a, begins, most, back = work.raw, work.a, work.begins, work.most, work.scales
    first_run, last_run, depth, _, _ = layer.layout.tiles[t]
    stride, limit, factor = whole(depth), layer.ranges[t, u], run.factors[t, u]
    # a few rows at a time: with one, all would wait for its scale; with all, the cache is too small
    for first in range(0, n, GROUP):
        last = min(first + GROUP, n)
        for i in range(first, last):
            at = (i - first) * stride
            most[i] = gather(x, begins[i], runs, first_run, last_run, raw, at)
        for i in range(first, last):
            back[i] = row_scale(most[i], factor, levels)
        for i in range(first, last):
            reading = Reading(limit, back[i], most[i])
            digitise(raw, (i - first) * stride, stride, reading, levels, a, i * stride)
    for i in range(n):
        back[i] = levels.output_scale / back[i]
