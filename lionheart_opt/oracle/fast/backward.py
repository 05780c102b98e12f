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

from typing import Any

import numpy as np
from numba import float32, njit

from lionheart_opt.oracle.fast.kernels import (
    PANEL,
    ROWS,
    begin,
    clip,
    dac_levels,
    digitise,
    gather,
    product,
    row_scale,
    whole,
)
from lionheart_opt.oracle.fast.simd import (
    LANES,
    any_set,
    broadcast,
    either,
    equal,
    fma,
    get,
    largest,
    load,
    magnitude,
    multiply,
    put,
    splat,
    store,
    total,
    within,
)


@njit(error_model="numpy")
def outer(a: Any, stride: Any, g: Any, g_stride: Any, n: Any, to: Any, at: Any, depth: Any) -> None:
    """Add `a` (n x depth) transposed times `g` (n x PANEL) to the panel of `to` at `at`."""
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
            left, right = load(g, i * g_stride), load(g, i * g_stride + LANES)
            from_a = i * stride + k
            x = broadcast(a, from_a)
            c00, c01 = fma(x, left, c00), fma(x, right, c01)
            x = broadcast(a, from_a + 1)
            c10, c11 = fma(x, left, c10), fma(x, right, c11)
            x = broadcast(a, from_a + 2)
            c20, c21 = fma(x, left, c20), fma(x, right, c21)
            x = broadcast(a, from_a + 3)
            c30, c31 = fma(x, left, c30), fma(x, right, c31)
            x = broadcast(a, from_a + 4)
            c40, c41 = fma(x, left, c40), fma(x, right, c41)
            x = broadcast(a, from_a + 5)
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
            x = broadcast(a, i * stride + k_left)
            c00 = fma(x, load(g, i * g_stride), c00)
            c01 = fma(x, load(g, i * g_stride + LANES), c01)
        store(to, row, c00)
        store(to, row + LANES, c01)


@njit(error_model="numpy")
def panels_of(n: Any) -> Any:
    """How many panels hold n numbers."""
    return (n + PANEL - 1) // PANEL


@njit(error_model="numpy")
def is_at(a: Any, at: Any, value: Any) -> Any:
    """Where eight numbers have that magnitude."""
    return equal(magnitude(load(a, at)), value)


@njit(error_model="numpy")
def where_largest(a: Any, at: Any, n: Any, most: Any, order: Any, first: Any) -> Any:
    """Number of the input of that magnitude; of several, the first one in the weight matrix."""
    found = -1
    value = splat(most)
    for start in range(0, n, 2 * PANEL):
        here = at + start
        left = either(is_at(a, here, value), is_at(a, here + LANES, value))
        right = either(is_at(a, here + PANEL, value), is_at(a, here + PANEL + LANES, value))
        if not any_set(either(left, right)):
            continue
        for k in range(start, min(start + 2 * PANEL, n)):
            if abs(get(a, at + k)) == most:
                if found < 0 or order[first + k] < order[first + found]:
                    found = k
    return found


@njit(error_model="numpy")
def fetch(source: Any, at: Any, stride: Any, n: Any, count: Any, panel: Any) -> None:
    """Copy n rows of up to PANEL numbers, `stride` apart, to `panel`; the rest of it becomes 0."""
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


@njit(error_model="numpy")
def read_out_gradients(
    dy: Any,
    z: Any,
    gain: Any,
    scales: Any,
    panel: Any,
    bound: Any,
    sums: Any,
    dgain: Any,
    g: Any,
    at: Any,
    stride: Any,
) -> None:
    """From a panel's dL/dy to the gradients behind its ADC.

    Args:
        dy: dL/dy, shape (ROWS, PANEL); becomes gain dL/dy / s where the ADC did not clip.
        z: output of the ADC before clipping, same shape.
        gain: packed like panels.
        scales: 1 / s of each row.
        panel: its number.
        bound: of the ADC.
        sums: of gain dL/dy z, shape (ROWS, LANES); added to.
        dgain: packed like panels; added to.
        g: gain dL/dy where the ADC did not clip, rows `stride` apart.
        at: where the panel starts in `g`.
        stride: of `g`.
    """
    limit = splat(bound)
    for half in range(0, PANEL, LANES):
        factor = load(gain, PANEL * panel + half)
        gained = load(dgain, PANEL * panel + half)
        for i in range(ROWS):
            here = PANEL * i + half
            slope, value = load(dy, here), clip(load(z, here), limit)
            scale = splat(scales[i])
            gained = fma(multiply(slope, scale), value, gained)
            slope = multiply(slope, factor)
            store(sums, LANES * i, fma(slope, value, load(sums, LANES * i)))
            slope = within(load(z, here), limit, slope)
            store(g, at + stride * i + half, slope)
            store(dy, here, multiply(slope, scale))
        store(dgain, PANEL * panel + half, gained)


@njit(error_model="numpy")
def input_gradients(
    v: Any, x: Any, at: Any, n: Any, limit: Any, scale: Any, most: Any, levels: Any
) -> Any:
    """Clear `v[at:at + n]` where the DAC clipped; returns the sum of v x.

    Args:
        v: gradients of a row's inputs.
        x: its inputs.
        at: first of them.
        n: how many, whole vectors.
        limit: where inputs are clipped, or 0.
        scale: of the row.
        most: largest magnitude of its inputs.
        levels: of the converters.
    """
    if largest(dac_levels(splat(most), limit, scale, levels)) > levels.input_bound:
        bound = splat(levels.input_bound)
        for i in range(at, at + n, LANES):
            level = dac_levels(load(x, i), limit, scale, levels)
            store(v, i, within(level, bound, load(v, i)))
    products = splat(float32(0.0))
    for i in range(at, at + n, LANES):
        products = fma(load(v, i), load(x, i), products)
    return total(products)


@njit(error_model="numpy")
def range_gradients(v: Any, x: Any, at: Any, n: Any, limit: Any, sums: Any) -> None:
    """From gradients of clipped and divided inputs to those of the inputs, in place.

    Args:
        v: gradients of a row's inputs.
        x: its inputs.
        at: first of them.
        n: how many.
        limit: where inputs are clipped.
        sums: added to: negative gradients where inputs are at the upper end, positive ones at the
            lower end, gradients times clipped inputs, and the number of inputs between the ends.
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


@njit(error_model="numpy")
def scatter(
    v: Any, at: Any, factor: Any, runs: Any, first: Any, last: Any, dx: Any, start: Any
) -> None:
    """Add a row's input gradients to the feature maps': the reverse of `gather`."""
    times = splat(factor)
    for run in range(first, last):
        to = start + runs[run, 0]
        n = runs[run, 1]
        vectors = n // LANES * LANES
        for i in range(0, vectors, LANES):
            store(dx, to + i, fma(load(v, at + i), times, load(dx, to + i)))
        for i in range(vectors, n):
            put(dx, to + i, get(dx, to + i) + get(v, at + i) * factor)
        at += n


@njit(nogil=True, cache=True, error_model="numpy")
def backward(
    x: Any,
    layout: Any,
    levels: Any,
    order: Any,
    transposed: Any,
    transposed_at: Any,
    gain: Any,
    ranges: Any,
    factors: Any,
    kept: Any,
    dy: Any,
    first_row: Any,
    last_row: Any,
    needs_dx: Any,
    dweights: Any,
    dgain: Any,
    dx: Any,
    range_sums: Any,
) -> None:
    """Gradients from some rows of a layer, added to the last four arguments.

    Args:
        x: input feature maps with their padding.
        layout: of the layer.
        levels: of its converters.
        order: column of the weight matrix of each input, tile after tile.
        transposed: weights packed for the product with output gradients.
        transposed_at: index in `transposed` of each tile's weights, shape of `factors`.
        gain: digital factor of each output, packed like panels.
        ranges: where each tile clips its inputs, same shape; 0 is nowhere.
        factors: as the forward pass left them.
        kept: as the forward pass left it.
        dy: gradient of the outputs, shape (n_rows, n_outputs).
        first_row: to compute.
        last_row: behind the last one; no other call may add to the same images.
        needs_dx: whether `dx` is needed.
        dweights: packed.
        dgain: packed like panels.
        dx: gradient of `x`.
        range_sums: of `range_gradients` for each tile, shape (n_input_ranges, n_output_ranges, 4).
    """
    widest = deepest = 0
    for t in range(len(layout.tiles)):
        deepest = max(deepest, panels_of(layout.tiles[t, 2]) * PANEL)
        widest = max(widest, (layout.tiles[t, 4] - layout.tiles[t, 3]) * PANEL)
    n_outputs = layout.n_outputs
    raw = np.zeros(ROWS * deepest + 2 * PANEL, np.float32)
    a = np.zeros(ROWS * deepest + LANES, np.float32)
    v = np.zeros(ROWS * deepest, np.float32)
    g = np.zeros(ROWS * widest, np.float32)
    panel_dy = np.zeros(ROWS * PANEL, np.float32)
    panel_z = np.zeros(ROWS * PANEL, np.float32)
    sums = np.zeros(ROWS * LANES, np.float32)
    begins = np.zeros(ROWS, np.int64)
    most = np.zeros(ROWS, np.float32)
    scales = np.zeros(ROWS, np.float32)
    backs = np.zeros(ROWS, np.float32)
    for row in range(first_row, last_row, ROWS):
        n = min(ROWS, last_row - row)
        begin(layout, row, n, begins)
        backs[n:] = 0
        first_column = 0
        for t in range(len(layout.tiles)):
            first_run, last_run, depth, first_panel, last_panel = layout.tiles[t]
            stride = panels_of(depth) * PANEL
            for i in range(n):
                most[i] = gather(x, begins[i], layout.runs, first_run, last_run, raw, i * stride)
            factor = limit = float32(0.0)  # of what is in `a`
            panel = first_panel
            while panel < last_panel:
                u = layout.panels[panel, 0]
                behind = panel
                while behind < last_panel and layout.panels[behind, 0] == u:
                    behind += 1
                if factors[t, u] > 0 and (factors[t, u] != factor or ranges[t, u] != limit):
                    factor, limit = factors[t, u], ranges[t, u]
                    for i in range(n):
                        scales[i] = row_scale(most[i], factor, levels)
                        backs[i] = levels.output_scale / scales[i]
                        digitise(raw, i * stride, whole(depth), limit, scales[i], levels, a)
                if factors[t, u] > 0:
                    sums[:] = 0
                    breadth = (behind - panel) * PANEL
                    for p in range(panel, behind):
                        _, output, count, at = layout.panels[p]
                        here = row * n_outputs + output
                        fetch(dy, here, n_outputs, n, count, panel_dy)
                        fetch(kept, t * len(dy) + here, n_outputs, n, count, panel_z)
                        column = (p - panel) * PANEL
                        read_out_gradients(
                            panel_dy,
                            panel_z,
                            gain,
                            backs,
                            p,
                            levels.output_bound,
                            sums,
                            dgain,
                            g,
                            column,
                            breadth,
                        )
                        outer(a, stride, panel_dy, PANEL, n, dweights, at, depth)
                    if needs_dx:
                        at = transposed_at[t, u]
                        for k in range(0, depth, PANEL):
                            product(g, breadth, transposed, at + k * breadth, breadth, v, k, stride)
                        for i in range(n):
                            first = i * stride
                            vx = input_gradients(
                                v, raw, first, whole(depth), limit, scales[i], most[i], levels
                            )
                            limited = 0 < levels.scale_limit < most[i]
                            if limit > 0:
                                range_gradients(v, raw, first, depth, limit, range_sums[t, u])
                            elif levels.dynamic and most[i] > 0 and not limited:
                                zy = total(load(sums, i * LANES)) / scales[i]
                                k = where_largest(raw, first, depth, most[i], order, first_column)
                                dm = (zy - vx) / most[i]
                                if k >= 0:  # not among numbers that are none
                                    v[first + k] += dm if raw[first + k] > 0 else -dm
                            scatter(
                                v,
                                first,
                                levels.output_scale,
                                layout.runs,
                                first_run,
                                last_run,
                                dx,
                                begins[i],
                            )
                panel = behind
            first_column += depth
