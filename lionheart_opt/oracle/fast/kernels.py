"""numba kernel of the fast engine's forward pass, and the pieces that the backward pass shares.

A layer is a matrix product of rows (one for each output position of each image) with its weights.
The matrix of rows never exists: a block of them is gathered from the feature maps, scaled, rounded,
multiplied, given noise, rounded and scaled back while it stays in the first-level cache.

Arrays are flat. Feature maps are channels-last, so that a row is gathered in runs of neighbours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, uint32, uint64

from lionheart_opt.oracle.fast.noise import mix, normal_pair, stream
from lionheart_opt.oracle.fast.simd import (
    LANES,
    add_words,
    broadcast,
    fma,
    get,
    lane_numbers,
    largest,
    load,
    magnitude,
    maximum,
    minimum,
    multiply,
    nearest,
    negative,
    put,
    splat,
    splat_word,
    store,
)

#: Rows of a block: a multiple of the six that `product` does at once.
ROWS = 24

#: Outputs that `product` does at once: two vectors.
PANEL = 2 * LANES


class Layout(NamedTuple):
    """Where the numbers of a layer are.

    Args:
        image_size: numbers of one input image, padding included.
        starts: index of each output position's first input in an image.
        runs: (index relative to the start, length) of runs of neighbouring inputs.
        tiles: (first run, behind the last run, inputs, first panel, behind the last panel) of each
            range of inputs.
        panels: (range of outputs, first output, outputs, index of the first weight) of up to `PANEL`
            outputs; weights are packed input by input.
        n_outputs: of the layer.
    """

    image_size: int
    starts: np.ndarray
    runs: np.ndarray
    tiles: np.ndarray
    panels: np.ndarray
    n_outputs: int


class Levels(NamedTuple):
    """`Converters` for kernels: single precision, with inverses; a step of 0 does not round."""

    dynamic: bool
    scale_limit: np.float32
    input_step: np.float32
    input_inverse: np.float32
    input_bound: np.float32
    output_noise: np.float32
    output_step: np.float32
    output_inverse: np.float32
    output_bound: np.float32
    output_scale: np.float32
    retry_limit: np.float32


@njit(error_model="numpy")
def divide(x: Any, divisor: Any, inverse: Any) -> Any:
    """Quotient, as exact as by a division (Markstein, 1990)."""
    quotient = multiply(x, inverse)
    return fma(fma(negative(quotient), divisor, x), inverse, quotient)


@njit(error_model="numpy")
def round_to(x: Any, step: Any, inverse: Any) -> Any:
    """Nearest multiple of a step."""
    return multiply(nearest(divide(x, step, inverse)), step)


@njit(error_model="numpy")
def clip(x: Any, bound: Any) -> Any:
    """Limit to a bound and its negative; what is not a number stays so."""
    return minimum(bound, maximum(negative(bound), x))


@njit(error_model="numpy")
def whole(n: Any) -> Any:
    """The least whole number of vectors that holds n numbers, in numbers."""
    return (n + LANES - 1) // LANES * LANES


@njit(error_model="numpy")
def begin(layout: Any, row: Any, n: Any, begins: Any) -> None:
    """Indices of the first inputs of n rows."""
    image, position = divmod(row, len(layout.starts))
    for i in range(n):
        begins[i] = image * layout.image_size + layout.starts[position]
        position += 1
        if position == len(layout.starts):
            image, position = image + 1, 0


@njit(error_model="numpy")
def gather(x: Any, start: Any, runs: Any, first: Any, last: Any, a: Any, at: Any) -> Any:
    """Copy one row's inputs of a tile to `a[at:]`, padded with zeros to whole vectors.

    Returns:
        The largest magnitude.
    """
    most = splat(float32(0.0))
    most_of_rest = float32(0.0)
    for run in range(first, last):
        source = start + runs[run, 0]
        n = runs[run, 1]
        vectors = n // LANES * LANES
        for i in range(0, vectors, LANES):
            value = load(x, source + i)
            store(a, at + i, value)
            most = maximum(magnitude(value), most)
        for i in range(vectors, n):
            rest = get(x, source + i)
            put(a, at + i, rest)
            most_of_rest = max(most_of_rest, abs(rest))
        at += n
    store(a, at, splat(float32(0.0)))
    return max(largest(most), most_of_rest)


@njit(error_model="numpy")
def row_scale(most: Any, factor: Any, levels: Any) -> Any:
    """What a row is multiplied with, from its largest magnitude."""
    if not levels.dynamic:
        return float32(1.0) / factor
    if levels.scale_limit > 0 and most > levels.scale_limit:
        most = levels.scale_limit
    if most <= 0:
        most = float32(1.0)
    return float32(float32(1.0) / most) / factor


@njit(error_model="numpy")
def dac_levels(x: Any, limit: Any, scale: Any, levels: Any) -> Any:
    """What the DAC makes of inputs, before it clips.

    Args:
        x: inputs.
        limit: they are clipped there and divided by it; 0 does neither.
        scale: of the row.
        levels: of the converters.
    """
    if limit > 0:
        x = divide(clip(x, splat(limit)), splat(limit), splat(float32(1.0) / limit))
    x = multiply(x, splat(scale))
    if levels.input_step > 0:
        x = round_to(x, splat(levels.input_step), splat(levels.input_inverse))
    return x


@njit(error_model="numpy")
def digitise(x: Any, first: Any, n: Any, limit: Any, scale: Any, levels: Any, a: Any) -> None:
    """Put what the DAC makes of `x[first:first + n]` to the same place in `a`; n is whole vectors."""
    bound = splat(levels.input_bound)
    for i in range(first, first + n, LANES):
        store(a, i, clip(dac_levels(load(x, i), limit, scale, levels), bound))


@njit(error_model="numpy")
def product(a: Any, stride: Any, b: Any, at: Any, depth: Any, c: Any, to: Any, step: Any) -> None:
    """ROWS rows of `a`, `stride` apart and `depth` long, times the panel of `b` at `at`.

    Goes to PANEL columns of `c` from index `to` on; its rows are `step` apart.
    """
    zero = splat(float32(0.0))
    for i in range(0, ROWS, 6):
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = zero
        a0 = i * stride
        a1, a2 = a0 + stride, a0 + 2 * stride
        a3, a4, a5 = a0 + 3 * stride, a0 + 4 * stride, a0 + 5 * stride
        row_of_b = at
        for k in range(depth):
            left, right = load(b, row_of_b), load(b, row_of_b + LANES)
            row_of_b += PANEL
            x = broadcast(a, a0 + k)
            c00, c01 = fma(x, left, c00), fma(x, right, c01)
            x = broadcast(a, a1 + k)
            c10, c11 = fma(x, left, c10), fma(x, right, c11)
            x = broadcast(a, a2 + k)
            c20, c21 = fma(x, left, c20), fma(x, right, c21)
            x = broadcast(a, a3 + k)
            c30, c31 = fma(x, left, c30), fma(x, right, c31)
            x = broadcast(a, a4 + k)
            c40, c41 = fma(x, left, c40), fma(x, right, c41)
            x = broadcast(a, a5 + k)
            c50, c51 = fma(x, left, c50), fma(x, right, c51)
        store(c, to, c00), store(c, to + LANES, c01)
        to += step
        store(c, to, c10), store(c, to + LANES, c11)
        to += step
        store(c, to, c20), store(c, to + LANES, c21)
        to += step
        store(c, to, c30), store(c, to + LANES, c31)
        to += step
        store(c, to, c40), store(c, to + LANES, c41)
        to += step
        store(c, to, c50), store(c, to + LANES, c51)
        to += step


@njit(error_model="numpy")
def read_out(c: Any, n: Any, keys: Any, panel: Any, noise: Any, levels: Any) -> Any:
    """Add noise to a panel of n rows and round it, in place.

    Returns:
        The largest magnitude.
    """
    step, inverse = splat(levels.output_step), splat(levels.output_inverse)
    left_noise, right_noise = load(noise, PANEL * panel), load(noise, PANEL * panel + LANES)
    counters = add_words(lane_numbers(), splat_word(uint32(LANES * panel)))
    most = splat(float32(0.0))
    for i in range(n):
        left, right = load(c, PANEL * i), load(c, PANEL * i + LANES)
        if levels.output_noise > 0:
            first, second = normal_pair(counters, keys[i, 0], keys[i, 1])
            left, right = fma(first, left_noise, left), fma(second, right_noise, right)
        if levels.output_step > 0:
            left, right = round_to(left, step, inverse), round_to(right, step, inverse)
        most = maximum(magnitude(left), maximum(magnitude(right), most))
        store(c, PANEL * i, left)
        store(c, PANEL * i + LANES, right)
    return largest(most)


@njit(error_model="numpy")
def accumulate(
    c: Any,
    n: Any,
    scales: Any,
    gain: Any,
    panel: Any,
    count: Any,
    bound: Any,
    y: Any,
    at: Any,
    stride: Any,
) -> None:
    """Add a panel of n rows, clipped and scaled back, to `y[at:]`, whose rows are `stride` apart."""
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


@njit(error_model="numpy")
def keep(c: Any, n: Any, count: Any, kept: Any, at: Any, stride: Any) -> None:
    """Copy a panel of n rows to `kept[at:]`."""
    for i in range(n):
        for o in range(count):
            put(kept, at + i * stride + o, get(c, PANEL * i + o))


@njit(nogil=True, cache=True, error_model="numpy")
def forward(
    x: Any,
    layout: Any,
    levels: Any,
    weights: Any,
    noise: Any,
    gain: Any,
    bias: Any,
    ranges: Any,
    factors: Any,
    key: Any,
    offset: Any,
    first_row: Any,
    last_row: Any,
    clipped: Any,
    seen: Any,
    kept: Any,
    y: Any,
) -> None:
    """Outputs of some rows of a layer, or which tiles have an output that clips and must not.

    Args:
        x: input feature maps with their padding.
        layout: of the layer.
        levels: of its converters.
        weights: packed.
        noise: standard deviation of each output's noise, packed like panels; 0 where there is no
            output.
        gain: digital factor of each output, packed like panels.
        bias: shape (n_outputs,).
        ranges: where each tile clips its inputs, shape (n_input_ranges, n_output_ranges); 0 is
            nowhere.
        factors: extra divisor of each tile's inputs, same shape; 0 leaves the tiles out.
        key: of the layer's noise, uint64.
        offset: number of the first row in the noise's streams.
        first_row: to compute.
        last_row: behind the last one.
        clipped: same shape as `factors`; set to 1 where an output clips and a retry is due. Such tiles
            are left out from then on.
        seen: shape (n_input_ranges,); set to 1 where an input is not zero.
        kept: outputs of the ADC before clipping, shape (n_input_ranges, n_rows, n_outputs); empty
            if they are not needed.
        y: outputs, shape (n_rows, n_outputs).
    """
    width = 0
    for t in range(len(layout.tiles)):
        width = max(width, whole(layout.tiles[t, 2]))
    a = np.zeros(ROWS * width + LANES, np.float32)
    c = np.zeros(ROWS * PANEL, np.float32)
    scales = np.zeros(ROWS, np.float32)
    begins = np.zeros(ROWS, np.int64)
    row_keys = np.zeros((ROWS, 2), np.uint32)
    n_outputs = layout.n_outputs
    for row in range(first_row, last_row, ROWS):
        if clipped.all():
            return
        n = min(ROWS, last_row - row)
        begin(layout, row, n, begins)
        for i in range(n):
            for o in range(n_outputs):
                put(y, (row + i) * n_outputs + o, get(bias, o))
        for t in range(len(layout.tiles)):
            first_run, last_run, depth, first_panel, last_panel = layout.tiles[t]
            stride = whole(depth)
            factor = limit = float32(0.0)  # of what is in `a`
            tile = -1
            for panel in range(first_panel, last_panel):
                u, output, count, at = layout.panels[panel]
                if factors[t, u] == 0 or clipped[t, u]:  # perhaps in another thread
                    continue
                if factors[t, u] != factor or ranges[t, u] != limit:
                    factor, limit = factors[t, u], ranges[t, u]
                    for i in range(n):
                        most = gather(x, begins[i], layout.runs, first_run, last_run, a, i * stride)
                        if most > 0 or not levels.dynamic:
                            seen[t] = 1
                        scale = row_scale(most, factor, levels)
                        digitise(a, i * stride, stride, limit, scale, levels, a)
                        scales[i] = levels.output_scale / scale
                if u != tile:
                    tile = u
                    # a retry must not meet the noise that made it necessary
                    tile_key = mix(mix(key, t * factors.shape[1] + u), factor)
                    for i in range(n):
                        number = offset + uint64(row + i)
                        row_keys[i, 0], row_keys[i, 1] = stream(tile_key, number)
                product(a, stride, weights, at, depth, c, 0, PANEL)
                most = read_out(c, n, row_keys, panel, noise, levels)
                if most > levels.output_bound and factor <= levels.retry_limit:
                    clipped[t, u] = 1
                    continue
                to = row * n_outputs + output
                if len(kept) > 0:
                    keep(c, n, count, kept, t * len(y) + to, n_outputs)
                accumulate(c, n, scales, gain, panel, count, levels.output_bound, y, to, n_outputs)
