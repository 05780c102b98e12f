"""Outputs of the DAC in 16 bits, for products of whole numbers (see `rounded`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, njit, uint32

from lionheart_opt.oracle.fast.inputs import TINY, clip, gather, whole
from lionheart_opt.oracle.fast.simd import (
    LANES,
    bits,
    both,
    divided,
    fma,
    index_at,
    larger_words,
    largest,
    largest_word,
    load,
    maximum,
    minimum,
    multiply,
    nearest,
    number_of,
    splat,
    splat_word,
    store,
    store_low,
    subtract,
    where_at_most,
)
from lionheart_opt.oracle.fast.structures import Reading

#: Next to it, single precision has whole numbers only.
WHOLE = np.float32(1.5 * 2**23)

#: The largest number below `TINY`.
BELOW_TINY = np.nextafter(TINY, np.float32(0))

LARGEST_FLOAT, NAN = np.finfo(np.float32).max, np.float32(np.nan)


@njit(error_model="numpy", forceinline=True)
def largest_of_four(x: Any, begins: Any, first: Any, vectors: Any, ends: Any, most: Any) -> None:
    """Write the largest magnitudes of the inputs of four rows to `most[first:]`; NaN if an input is.

    Args:
        x: Inputs of all rows.
        begins: Index of each row's first input.
        first: Number of the first of the rows.
        vectors: Where vectors of inputs are; see `Layout`.
        ends: Where those of the tile begin and end.
        most: The largest magnitude of each row.
    """
    mask = splat_word(uint32(0x7FFFFFFF))
    m0 = m1 = m2 = m3 = splat_word(uint32(0))
    x0, x1, x2, x3 = begins[first], begins[first + 1], begins[first + 2], begins[first + 3]
    for v in range(ends[0], ends[1], 2):
        to = index_at(vectors, v)
        m0 = larger_words(both(bits(load(x, x0 + to)), mask), m0)
        m1 = larger_words(both(bits(load(x, x1 + to)), mask), m1)
        m2 = larger_words(both(bits(load(x, x2 + to)), mask), m2)
        m3 = larger_words(both(bits(load(x, x3 + to)), mask), m3)
    most[first], most[first + 1] = number_of(largest_word(m0)), number_of(largest_word(m1))
    most[first + 2], most[first + 3] = number_of(largest_word(m2)), number_of(largest_word(m3))


@njit(error_model="numpy", forceinline=True)
def scale_eight(most: Any, first: Any, reading: Any, levels: Any, factors: Any, scales: Any) -> Any:
    """What inputs of eight rows are multiplied with to become steps of the DAC, and outputs after it.

    An input halfway between two steps may go to either: rounding errors of the scale decide anyway.

    Args:
        most: Largest magnitude of each row.
        first: Number of the first of the rows.
        reading: The `Reading` of the tile, `scale` being the inverse of its extra divisor.
        levels: The `Levels` of the converters.
        factors: Factors of inputs, which are overwritten.
        scales: Factors of outputs, which are overwritten; NaN where an input is NaN or infinite,
            since whole numbers are neither.

    Returns:
        Whether an input is clipped.
    """
    largest_input, scale = load(most, first), splat(reading.scale)
    one = splat(float32(1.0))
    if levels.dynamic:
        divisor = largest_input
        if levels.scale_limit > 0:
            divisor = minimum(divisor, splat(levels.scale_limit))
        divisor = where_at_most(divisor, splat(BELOW_TINY), one, divisor)
        scale = multiply(divided(one, divisor), scale)
    factor = multiply(scale, splat(levels.input_inverse))
    excess = splat(float32(0.0))
    if reading.limit > 0:
        factor = divided(factor, splat(reading.limit))
        excess = subtract(largest_input, splat(reading.limit))
    largest_steps = multiply(largest_input, factor)
    excess = maximum(subtract(nearest(largest_steps), splat(levels.input_bound)), excess)
    store(factors, first, factor)
    back = divided(splat(levels.output_scale), scale)
    store(scales, first, where_at_most(largest_input, splat(LARGEST_FLOAT), back, splat(NAN)))
    return largest(excess) > 0


@njit(error_model="numpy")
def steps(x: Any, factor: Any) -> Any:
    """The whole numbers nearest to products, plus `WHOLE`; they are the lower 16 bits."""
    return fma(x, factor, splat(WHOLE))


@njit(error_model="numpy", forceinline=True)
def clipped_steps(x: Any, factor: Any, limit: Any, levels: Any) -> Any:
    """The same for inputs that are clipped at a limit (0 is none), and by the DAC.

    What is not clipped is rounded as in `steps`: a row must not depend on the rows beside it.
    """
    if limit > 0:
        x = clip(x, splat(limit))
    least, most = splat(WHOLE - levels.input_bound), splat(WHOLE + levels.input_bound)
    return minimum(most, maximum(least, steps(x, factor)))


@njit(error_model="numpy", forceinline=True)
def digitise_four(
    x: Any, at: Any, vectors: Any, ends: Any, work: Any, first: Any, stride: Any
) -> None:
    """Write outputs of the DAC for four rows of a tile to `work.shorts`; where an input is NaN, anything.

    Args:
        x: Inputs.
        at: Where the rows begin in them.
        vectors: Where vectors of inputs are; see `Layout`.
        ends: Where those of the tile begin and end.
        work: Memory, `factors` set.
        first: Number of the first of the rows.
        stride: Distance of two rows in `work.shorts`.
    """
    shorts, factors = work.shorts, work.factors
    x0, x1, x2, x3 = at[first], at[first + 1], at[first + 2], at[first + 3]
    f0, f1 = splat(factors[first]), splat(factors[first + 1])
    f2, f3 = splat(factors[first + 2]), splat(factors[first + 3])
    y0 = first * stride
    y1, y2, y3 = y0 + stride, y0 + 2 * stride, y0 + 3 * stride
    for v in range(ends[0], ends[1], 2):
        source, place = index_at(vectors, v), index_at(vectors, v + 1)
        store_low(shorts, y0 + place, bits(steps(load(x, x0 + source), f0)))
        store_low(shorts, y1 + place, bits(steps(load(x, x1 + source), f1)))
        store_low(shorts, y2 + place, bits(steps(load(x, x2 + source), f2)))
        store_low(shorts, y3 + place, bits(steps(load(x, x3 + source), f3)))


@njit(error_model="numpy", forceinline=True)
def read_in_shorts(layer: Any, run: Any, work: Any, t: Any, u: Any, n: Any) -> None:
    """Fill `work.shorts` with n rows of DAC outputs of tile (t, u), and `work.scales`."""
    levels, layout = layer.levels, layer.layout
    x = work.images if len(work.images) > 0 else run.x
    begins, raw, most, shorts = work.begins, work.raw, work.most, work.shorts
    factors, limit = work.factors, layer.ranges[t, u]
    runs, vectors, ends = layout.runs, layout.vectors, layout.vectors_at[t]
    first_run, last_run, depth, _, _ = layout.tiles[t]
    stride = whole(depth)
    reading = Reading(limit, float32(1.0) / run.factors[t, u], 0.0)
    for i in range(n, whole(n)):
        begins[i] = begins[n - 1]
    if ends[0] == ends[1]:
        for first in range(0, n, LANES):
            for i in range(LANES):
                at = begins[first + i]
                most[first + i] = gather(x, at, runs, first_run, last_run, raw, i * stride)
            scale_eight(most, first, reading, levels, factors, work.scales)
            for i in range(LANES):
                factor, to = splat(factors[first + i]), (first + i) * stride
                for k in range(0, stride, LANES):
                    value = load(raw, i * stride + k)
                    store_low(shorts, to + k, bits(clipped_steps(value, factor, limit, levels)))
        return
    # all rows, then all rows: with a few at a time, those would wait for their scales
    for first in range(0, n, 4):
        largest_of_four(x, begins, first, vectors, ends, most)
    clips = False
    for first in range(0, n, LANES):
        clips |= scale_eight(most, first, reading, levels, factors, work.scales)
    if clips:
        for i in range(n):
            factor = splat(factors[i])
            for v in range(ends[0], ends[1], 2):
                value = load(x, begins[i] + vectors[v])
                to = i * stride + vectors[v + 1]
                store_low(shorts, to, bits(clipped_steps(value, factor, limit, levels)))
    else:
        for first in range(0, n, 4):
            digitise_four(x, begins, vectors, ends, work, first, stride)
