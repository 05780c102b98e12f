"""Products of a block of rows with a panel of weights: in single precision, and in 16 bits."""

from __future__ import annotations

from typing import Any

from numba import float32, njit, uint32

from lionheart_opt.oracle.fast.simd import (
    LANES,
    add_products,
    broadcast,
    broadcast_pair,
    fma,
    from_signed,
    load,
    load_pairs,
    splat,
    splat_word,
    store,
)

#: Rows of a block: a multiple of the six that `product` computes at once.
ROWS = 24

#: Outputs that `product` computes at once: two vectors.
PANEL = 2 * LANES


@njit(error_model="numpy", forceinline=True)
def product(a: Any, b: Any, at: Any, depth: Any, c: Any) -> None:
    """Multiply ROWS rows of a block by the panel of weights at `b[at:]`.

    Args:
        a: Block whose rows are `depth` numbers long.
        b: Weights, PANEL for each input.
        at: Index of the panel's first weight.
        depth: Number of inputs.
        c: Block of rows of PANEL numbers, which are overwritten.
    """
    numbers, stride = a.numbers, a.stride
    to = c.first
    zero = splat(float32(0.0))
    for i in range(0, ROWS, 6):
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = zero
        a0 = a.first + i * stride
        a1, a2 = a0 + stride, a0 + 2 * stride
        a3, a4, a5 = a0 + 3 * stride, a0 + 4 * stride, a0 + 5 * stride
        row_of_b = at
        for k in range(depth):
            left, right = load(b, row_of_b), load(b, row_of_b + LANES)
            row_of_b += PANEL
            x = broadcast(numbers, a0 + k)
            c00, c01 = fma(x, left, c00), fma(x, right, c01)
            x = broadcast(numbers, a1 + k)
            c10, c11 = fma(x, left, c10), fma(x, right, c11)
            x = broadcast(numbers, a2 + k)
            c20, c21 = fma(x, left, c20), fma(x, right, c21)
            x = broadcast(numbers, a3 + k)
            c30, c31 = fma(x, left, c30), fma(x, right, c31)
            x = broadcast(numbers, a4 + k)
            c40, c41 = fma(x, left, c40), fma(x, right, c41)
            x = broadcast(numbers, a5 + k)
            c50, c51 = fma(x, left, c50), fma(x, right, c51)
        store_two(c, to, c00, c01)
        store_two(c, to + c.stride, c10, c11)
        store_two(c, to + 2 * c.stride, c20, c21)
        store_two(c, to + 3 * c.stride, c30, c31)
        store_two(c, to + 4 * c.stride, c40, c41)
        store_two(c, to + 5 * c.stride, c50, c51)
        to += 6 * c.stride


@njit(error_model="numpy", forceinline=True)
def product_of_shorts(a: Any, b: Any, at: Any, depth: Any, c: Any) -> None:
    """`product` of 16-bit numbers, with exact sums in 32 bits: two products in an operation.

    Args:
        a: Block whose rows are at least `depth` numbers long, and one more where that is odd.
        b: Weights in pairs of inputs, PANEL pairs for each.
        at: Index of the panel's first weight.
        depth: Number of inputs.
        c: Block of rows of PANEL numbers, which are overwritten.
    """
    numbers, stride = a.numbers, a.stride
    to = c.first
    zero = splat_word(uint32(0))
    for i in range(0, ROWS, 6):
        c00 = c01 = c10 = c11 = c20 = c21 = c30 = c31 = c40 = c41 = c50 = c51 = zero
        a0 = a.first + i * stride
        a1, a2 = a0 + stride, a0 + 2 * stride
        a3, a4, a5 = a0 + 3 * stride, a0 + 4 * stride, a0 + 5 * stride
        row_of_b = at
        for k in range(0, depth, 2):
            left, right = load_pairs(b, row_of_b), load_pairs(b, row_of_b + PANEL)
            row_of_b += 2 * PANEL
            x = broadcast_pair(numbers, a0 + k)
            c00, c01 = add_products(x, left, c00), add_products(x, right, c01)
            x = broadcast_pair(numbers, a1 + k)
            c10, c11 = add_products(x, left, c10), add_products(x, right, c11)
            x = broadcast_pair(numbers, a2 + k)
            c20, c21 = add_products(x, left, c20), add_products(x, right, c21)
            x = broadcast_pair(numbers, a3 + k)
            c30, c31 = add_products(x, left, c30), add_products(x, right, c31)
            x = broadcast_pair(numbers, a4 + k)
            c40, c41 = add_products(x, left, c40), add_products(x, right, c41)
            x = broadcast_pair(numbers, a5 + k)
            c50, c51 = add_products(x, left, c50), add_products(x, right, c51)
        store_two(c, to, from_signed(c00), from_signed(c01))
        store_two(c, to + c.stride, from_signed(c10), from_signed(c11))
        store_two(c, to + 2 * c.stride, from_signed(c20), from_signed(c21))
        store_two(c, to + 3 * c.stride, from_signed(c30), from_signed(c31))
        store_two(c, to + 4 * c.stride, from_signed(c40), from_signed(c41))
        store_two(c, to + 5 * c.stride, from_signed(c50), from_signed(c51))
        to += 6 * c.stride


@njit(error_model="numpy")
def store_two(c: Any, to: Any, left: Any, right: Any) -> None:
    """Write PANEL numbers to a block's array from index `to` on."""
    store(c.numbers, to, left)
    store(c.numbers, to + LANES, right)
