"""How kernels of the fast engine read in rows of inputs: gather, scale, DAC."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, njit, uint32

from lionheart_opt.oracle.fast.simd import (
    LANES,
    bits,
    both,
    fma,
    get,
    get_bits,
    larger_words,
    largest,
    largest_word,
    load,
    maximum,
    minimum,
    multiply,
    nearest,
    negative,
    number_of,
    put,
    splat,
    splat_word,
    store,
)
from lionheart_opt.oracle.tiny import SMALLEST

#: Rows whose inputs are all smaller are rows of zeros.
TINY = np.float32(SMALLEST)


@njit(error_model="numpy")
def divide(x: Any, divisor: Any, inverse: Any) -> Any:
    """Quotient from a rounded inverse, as exact as a division (Markstein, 1990)."""
    quotient = multiply(x, inverse)
    return fma(fma(negative(quotient), divisor, x), inverse, quotient)


@njit(error_model="numpy")
def round_to(x: Any, step: Any, inverse: Any) -> Any:
    """Nearest multiple of a step."""
    return multiply(nearest(divide(x, step, inverse)), step)


@njit(error_model="numpy")
def clip(x: Any, bound: Any) -> Any:
    """Limit to a bound and its negative; NaN stays NaN."""
    return minimum(bound, maximum(negative(bound), x))


@njit(error_model="numpy")
def whole(n: Any) -> Any:
    """Round n up to whole vectors."""
    return (n + LANES - 1) // LANES * LANES


@njit(error_model="numpy")
def begin(layout: Any, row: Any, n: Any, begins: Any) -> None:
    """Fill `begins` with the indices of the first inputs of n rows."""
    image, position = divmod(row, len(layout.starts))
    for i in range(n):
        begins[i] = image * layout.image_size + layout.starts[position]
        position += 1
        if position == len(layout.starts):
            image, position = image + 1, 0


@njit(error_model="numpy", forceinline=True)
def copy(source: Any, n: Any, to: Any, at: Any) -> None:
    """Copy the first n numbers of an array to `to[at:]`."""
    copy_from(source, 0, n, to, at)


@njit(error_model="numpy", forceinline=True)
def copy_from(source: Any, first: Any, n: Any, to: Any, at: Any) -> None:
    """Copy `source[first:first + n]` to `to[at:]`."""
    vectors = n // LANES * LANES
    for o in range(0, vectors, LANES):
        store(to, at + o, load(source, first + o))
    for o in range(vectors, n):
        put(to, at + o, get(source, first + o))


@njit(error_model="numpy", forceinline=True)
def gather(x: Any, start: Any, runs: Any, first: Any, last: Any, a: Any, at: Any) -> Any:
    """Copy a row's inputs of a tile to `a[at:]`, padded with zeros to whole vectors.

    Returns:
        The largest magnitude; NaN if an input is. The bits of magnitudes are in order as whole numbers,
        with NaN behind infinity.
    """
    unsigned = uint32(0x7FFFFFFF)
    mask = splat_word(unsigned)
    most = most_of_others = splat_word(uint32(0))
    most_of_rest = uint32(0)
    for run in range(first, last):
        source = start + runs[run, 0]
        n = runs[run, 1]
        pairs, vectors = n // (2 * LANES) * (2 * LANES), n // LANES * LANES
        for i in range(0, pairs, 2 * LANES):
            value, other = load(x, source + i), load(x, source + i + LANES)
            store(a, at + i, value)
            store(a, at + i + LANES, other)
            most = larger_words(both(bits(value), mask), most)
            most_of_others = larger_words(both(bits(other), mask), most_of_others)
        if pairs < vectors:
            value = load(x, source + pairs)
            store(a, at + pairs, value)
            most = larger_words(both(bits(value), mask), most)
        for i in range(vectors, n):
            put(a, at + i, get(x, source + i))
            most_of_rest = max(most_of_rest, get_bits(x, source + i) & unsigned)
        at += n
    store(a, at, splat(float32(0.0)))
    return number_of(max(largest_word(larger_words(most, most_of_others)), most_of_rest))


@njit(error_model="numpy")
def row_scale(most: Any, factor: Any, levels: Any) -> Any:
    """The scale that a row is multiplied with, from its largest magnitude."""
    if not levels.dynamic:
        return float32(1.0) / factor
    if levels.scale_limit > 0 and most > levels.scale_limit:
        most = levels.scale_limit
    if most < TINY:
        most = float32(1.0)
    return float32(float32(1.0) / most) / factor


@njit(error_model="numpy")
def dac_steps(x: Any, reading: Any, levels: Any) -> Any:
    """Outputs of the DAC before it clips, in its steps.

    Args:
        x: Inputs of a row.
        reading: The row's `Reading`.
        levels: The `Levels` of the converters.
    """
    limit = reading.limit
    if limit > 0:
        x = divide(clip(x, splat(limit)), splat(limit), splat(float32(1.0) / limit))
    x = multiply(x, splat(reading.scale))
    if levels.input_step > 0:
        x = nearest(divide(x, splat(levels.input_step), splat(levels.input_inverse)))
    return x


@njit(error_model="numpy", forceinline=True)
def digitise(x: Any, first: Any, n: Any, reading: Any, levels: Any, a: Any, to: Any) -> None:
    """Write outputs of the DAC, in steps, for `x[first:first + n]` to `a[to:]`; n is whole vectors."""
    bound = splat(levels.input_bound)
    if largest(dac_steps(splat(reading.most), reading, levels)) <= levels.input_bound:
        for i in range(0, n, LANES):
            store(a, to + i, dac_steps(load(x, first + i), reading, levels))
    else:
        for i in range(0, n, LANES):
            store(a, to + i, clip(dac_steps(load(x, first + i), reading, levels), bound))
