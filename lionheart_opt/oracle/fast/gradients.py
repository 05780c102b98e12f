"""The steps of the fast engine's backward pass; `backward` puts them together."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit

from lionheart_opt.oracle.fast.inputs import dac_steps
from lionheart_opt.oracle.fast.kernels import LARGEST_STEP
from lionheart_opt.oracle.fast.panel import PANEL, ROWS
from lionheart_opt.oracle.fast.simd import (
    LANES,
    any_set,
    bits,
    broadcast,
    either,
    equal,
    fma,
    from_bits,
    get,
    largest,
    load,
    load_shorts,
    magnitude,
    multiply,
    put,
    splat,
    store,
    total,
    within,
)


class Work(NamedTuple):
    """Memory for one block of rows of the backward pass.

    Args:
        raw: Inputs of a tile.
        a: Outputs of its DAC, in steps.
        v: Gradients of the inputs.
        g: Gradients behind the ADCs of a range of outputs, without the rows' scales.
        dy: Gradients of a panel's outputs; then those behind its ADC, with the rows' scales.
        z: Outputs of a panel's ADC before clipping.
        sums: Sums of gradients times outputs of the ADC, LANES for each row.
        begins: Index of each row's first input.
        most: Largest magnitude of each row's inputs.
        scales: What each row's inputs are multiplied with.
        backs: What each row's outputs are multiplied with; 0 for rows that do not exist.
    """

    raw: np.ndarray
    a: np.ndarray
    v: np.ndarray
    g: np.ndarray
    dy: np.ndarray
    z: np.ndarray
    sums: np.ndarray
    begins: np.ndarray
    most: np.ndarray
    scales: np.ndarray
    backs: np.ndarray


@njit(error_model="numpy", forceinline=True)
def outer(a: Any, g: Any, n: Any, to: Any, at: Any, depth: Any) -> None:
    """Add the transpose of n rows of `a` times n rows of `g` to the panel of weights at `to[at:]`.

    Args:
        a: Block whose rows are `depth` numbers long.
        g: Array of rows of PANEL numbers.
        n: Number of rows.
        to: Sums for weights, PANEL for each input.
        at: Index of the panel's first weight.
        depth: Number of inputs.
    """
    numbers, start, stride = a.numbers, a.first, a.stride
    k = 0
    while k + 6 <= depth:
        row = at + k * PANEL
        c00, c01 = load(to, row), load(to, row + 8)
        c10, c11 = load(to, row + 16), load(to, row + 24)
        c20, c21 = load(to, row + 32), load(to, row + 40)
        c30, c31 = load(to, row + 48), load(to, row + 56)
        c40, c41 = load(to, row + 64), load(to, row + 72)
        c50, c51 = load(to, row + 80), load(to, row + 88)
        for i in range(n):
            left, right = load(g, i * PANEL), load(g, i * PANEL + LANES)
            from_a = start + i * stride + k
            x = broadcast(numbers, from_a)
            c00, c01 = fma(x, left, c00), fma(x, right, c01)
            x = broadcast(numbers, from_a + 1)
            c10, c11 = fma(x, left, c10), fma(x, right, c11)
            x = broadcast(numbers, from_a + 2)
            c20, c21 = fma(x, left, c20), fma(x, right, c21)
            x = broadcast(numbers, from_a + 3)
            c30, c31 = fma(x, left, c30), fma(x, right, c31)
            x = broadcast(numbers, from_a + 4)
            c40, c41 = fma(x, left, c40), fma(x, right, c41)
            x = broadcast(numbers, from_a + 5)
            c50, c51 = fma(x, left, c50), fma(x, right, c51)
        store(to, row, c00), store(to, row + 8, c01)
        store(to, row + 16, c10), store(to, row + 24, c11)
        store(to, row + 32, c20), store(to, row + 40, c21)
        store(to, row + 48, c30), store(to, row + 56, c31)
        store(to, row + 64, c40), store(to, row + 72, c41)
        store(to, row + 80, c50), store(to, row + 88, c51)
        k += 6
    for k_left in range(k, depth):
        row = at + k_left * PANEL
        c00, c01 = load(to, row), load(to, row + LANES)
        for i in range(n):
            x = broadcast(numbers, start + i * stride + k_left)
            c00 = fma(x, load(g, i * PANEL), c00)
            c01 = fma(x, load(g, i * PANEL + LANES), c01)
        store(to, row, c00)
        store(to, row + LANES, c01)


@njit(error_model="numpy")
def is_at(a: Any, at: Any, value: Any) -> Any:
    """Which of eight numbers have that magnitude."""
    return equal(magnitude(load(a, at)), value)


@njit(error_model="numpy", forceinline=True)
def where_largest(a: Any, at: Any, n: Any, most: Any, order: Any, first: Any) -> Any:
    """Number of the input with that magnitude; if there are several, the first in the weight matrix."""
    number = -1
    value = splat(most)
    for start in range(0, n, 2 * PANEL):
        here = at + start
        left = either(is_at(a, here, value), is_at(a, here + LANES, value))
        right = either(is_at(a, here + PANEL, value), is_at(a, here + PANEL + LANES, value))
        if not any_set(either(left, right)):
            continue
        for k in range(start, min(start + 2 * PANEL, n)):
            if abs(get(a, at + k)) == most:
                if number < 0 or order[first + k] < order[first + number]:
                    number = k
    return number


@njit(error_model="numpy", forceinline=True)
def fetch(source: Any, at: Any, stride: Any, n: Any, count: Any, panel: Any) -> None:
    """Copy n rows of `count` numbers, `stride` apart, to `panel`, and fill the rest of it with 0."""
    zero = splat(float32(0.0))
    for i in range(ROWS):
        to = i * PANEL
        if i < n and count == PANEL:
            store(panel, to, load(source, at))
            store(panel, to + LANES, load(source, at + LANES))
        else:
            store(panel, to, zero)
            store(panel, to + LANES, zero)
            if i < n:
                for o in range(count):
                    put(panel, to + o, get(source, at + o))
        at += stride


@njit(error_model="numpy", forceinline=True)
def recall(run: Any, at: Any, n: Any, levels: Any, panel: Any) -> None:
    """Copy n rows of outputs that `keep` kept to `panel`, and fill the rest of it with 0."""
    kept, steps, step = run.kept, run.steps, splat(levels.output_step)
    if len(steps) > 0:
        nan = splat(float32(-LARGEST_STEP - 1))
        for i in range(0, PANEL * n, LANES):
            number = load_shorts(steps, at + i)
            value = bits(multiply(number, step))
            store(panel, i, from_bits(either(value, equal(number, nan))))  # all bits set are NaN
    else:
        for i in range(0, PANEL * n, LANES):
            store(panel, i, load(kept, at + i))
    for i in range(PANEL * n, PANEL * ROWS, LANES):
        store(panel, i, splat(float32(0.0)))


@njit(error_model="numpy", forceinline=True)
def input_gradients(v: Any, x: Any, first: Any, n: Any, reading: Any, levels: Any) -> Any:
    """Clear gradients of inputs that the DAC clips.

    Args:
        v: Gradients of inputs.
        x: Inputs.
        first: Index of the row's first input in both.
        n: Number of its inputs, whole vectors.
        reading: The `Reading` of the row.
        levels: The `Levels` of the converters.

    Returns:
        The sum of gradients times inputs.
    """
    if largest(dac_steps(splat(reading.most), reading, levels)) > levels.input_bound:
        bound = splat(levels.input_bound)
        for i in range(first, first + n, LANES):
            steps = dac_steps(load(x, i), reading, levels)
            store(v, i, within(steps, bound, load(v, i)))
    products = splat(float32(0.0))
    for i in range(first, first + n, LANES):
        products = fma(load(v, i), load(x, i), products)
    return total(products)


@njit(error_model="numpy", forceinline=True)
def range_gradients(v: Any, x: Any, at: Any, n: Any, limit: Any, sums: Any) -> None:
    """Turn gradients of clipped and divided inputs into those of the inputs, in place.

    Args:
        v: Gradients of a row's inputs.
        x: The row's inputs.
        at: Index of the first one.
        n: Number of inputs.
        limit: Where inputs are clipped.
        sums: Four sums to add to: negative gradients where inputs are at the upper end, positive
            gradients where they are at the lower end, gradients times clipped inputs, and the number
            of inputs between the ends.
    """
    for i in range(at, at + n):
        slope, value = v[i] / limit, min(max(x[i], -limit), limit)
        if value >= limit:
            sums[0] += min(slope, float32(0.0))
        elif value <= -limit:
            sums[1] += max(slope, float32(0.0))
        else:
            sums[3] += 1
        sums[2] += slope * value
        v[i] = slope if abs(x[i]) <= limit else float32(0.0)


@njit(error_model="numpy", forceinline=True)
def scatter(v: Any, at: Any, factor: Any, runs: Any, dx: Any, start: Any) -> None:
    """Add a row's input gradients to those of the feature maps: the reverse of `gather`.

    Args:
        v: Gradients of inputs.
        at: Index of the row's first one.
        factor: What they are multiplied with.
        runs: Runs of neighbouring inputs of the tile.
        dx: Sums for the feature maps.
        start: Index of the row's first input there.
    """
    times = splat(factor)
    for run in range(len(runs)):
        to = start + runs[run, 0]
        n = runs[run, 1]
        vectors = n // LANES * LANES
        for i in range(0, vectors, LANES):
            store(dx, to + i, fma(load(v, at + i), times, load(dx, to + i)))
        for i in range(vectors, n):
            put(dx, to + i, get(dx, to + i) + get(v, at + i) * factor)
        at += n
