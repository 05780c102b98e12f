"""Logarithms and exponentials for numba kernels, exact to about one unit in the last place.

The reductions and polynomials are those of the Cephes library (S. Moshier, single/logf.c and expf.c).
"""

from __future__ import annotations

from typing import Any

from numba import float32, njit, uint32

from lionheart_opt.oracle.fast.simd import (
    add,
    add_words,
    bits,
    fma,
    from_bits,
    from_signed,
    maximum,
    minimum,
    multiply,
    nearest,
    shift_left,
    shift_right_signed,
    splat,
    splat_word,
    subtract,
    subtract_words,
)


@njit(error_model="numpy")
def logarithm(x: Any) -> Any:
    """Natural logarithm of positive normal numbers."""
    exponent = shift_right_signed(
        subtract_words(bits(x), splat_word(uint32(0x3F3504F3))), uint32(23)
    )
    mantissa = from_bits(subtract_words(bits(x), shift_left(exponent, uint32(23))))
    f = subtract(mantissa, splat(float32(1.0)))  # in [sqrt(1/2) - 1, sqrt(2) - 1)
    p = splat(float32(7.0376836292e-2))
    p = fma(p, f, splat(float32(-1.1514610310e-1)))
    p = fma(p, f, splat(float32(1.1676998740e-1)))
    p = fma(p, f, splat(float32(-1.2420140846e-1)))
    p = fma(p, f, splat(float32(1.4249322787e-1)))
    p = fma(p, f, splat(float32(-1.6668057665e-1)))
    p = fma(p, f, splat(float32(2.0000714765e-1)))
    p = fma(p, f, splat(float32(-2.4999993993e-1)))
    p = fma(p, f, splat(float32(3.3333331174e-1)))
    square, e = multiply(f, f), from_signed(exponent)
    y = multiply(multiply(p, f), square)
    y = fma(e, splat(float32(-2.12194440e-4)), y)
    y = fma(square, splat(float32(-0.5)), y)
    return fma(e, splat(float32(0.693359375)), add(f, y))


@njit(error_model="numpy")
def exponential(x: Any) -> Any:
    """Exponential function of x, which is limited to -87 to 88, where results are normal numbers."""
    x = minimum(splat(float32(88.0)), maximum(splat(float32(-87.0)), x))
    n = nearest(multiply(x, splat(float32(1.44269504088896341))))
    x = fma(n, splat(float32(-0.693359375)), x)
    x = fma(n, splat(float32(2.12194440e-4)), x)
    p = splat(float32(1.9875691500e-4))
    p = fma(p, x, splat(float32(1.3981999507e-3)))
    p = fma(p, x, splat(float32(8.3334519073e-3)))
    p = fma(p, x, splat(float32(4.1665795894e-2)))
    p = fma(p, x, splat(float32(1.6666665459e-1)))
    p = fma(p, x, splat(float32(5.0000001201e-1)))
    y = add(fma(p, multiply(x, x), x), splat(float32(1.0)))
    # beyond 1.5 * 2^23, single precision has whole numbers only: the lowest bits are n
    whole = bits(add(n, splat(float32(12582912.0))))
    power = add_words(shift_left(whole, uint32(23)), splat_word(uint32(0x3F800000)))
    return multiply(y, from_bits(power))
