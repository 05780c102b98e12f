"""Normal numbers for numba kernels, computed from counters and so independent of batches and threads."""

from __future__ import annotations

from typing import Any

from numba import float32, njit, uint32, uint64

from lionheart_opt.oracle.fast.simd import (
    add,
    add_words,
    bits,
    fma,
    from_bits,
    from_signed,
    maximum,
    multiply,
    multiply_words,
    root,
    shift_left,
    shift_right,
    shift_right_signed,
    splat,
    splat_word,
    subtract,
    subtract_words,
    xor,
)


@njit(error_model="numpy")
def mix(key: Any, number: Any) -> Any:
    """Derive a 64-bit key from a key and a number (finaliser of SplitMix64, Steele et al. 2014)."""
    x = key + (uint64(number) + uint64(1)) * uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> uint64(30))) * uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> uint64(27))) * uint64(0x94D049BB133111EB)
    return x ^ (x >> uint64(31))


@njit(error_model="numpy")
def stream(key: Any, number: Any) -> Any:
    """Two 32-bit keys of a numbered stream."""
    x = mix(key, number)
    return uint32(x & uint64(0xFFFFFFFF)), uint32(x >> uint64(32))


@njit(error_model="numpy")
def normal_pair(counter: Any, key0: Any, key1: Any) -> Any:
    """Two vectors of standard normal numbers for a vector of counters (Box and Muller, 1958).

    The polynomials are least-error fits of ln(1 + x) / x, sin(2 pi x) / x and cos(2 pi x) with errors
    below 3e-6. The uniform numbers have 24 and 32 bits, so no normal number is larger than 5.8.
    """
    x = add_words(multiply_words(counter, splat_word(uint32(0x9E3779B1))), splat_word(key0))
    x = xor(x, shift_right(x, uint32(16)))
    x = multiply_words(x, splat_word(uint32(0x85EBCA6B)))
    x = xor(x, shift_right(x, uint32(13)))
    x = add_words(multiply_words(x, splat_word(uint32(0xC2B2AE35))), splat_word(key1))
    x = xor(x, shift_right(x, uint32(16)))
    y = multiply_words(x, splat_word(uint32(0x2C1B3C6D)))
    y = xor(y, shift_right(y, uint32(12)))
    y = multiply_words(y, splat_word(uint32(0x297A2D39)))
    y = xor(y, shift_right(y, uint32(15)))

    # radius: sqrt(-2 ln u), u = (integer in [1, 2^24]) / 2^24
    u = add(from_signed(shift_right(x, uint32(8))), splat(float32(1.0)))
    exponent = shift_right_signed(
        subtract_words(bits(u), splat_word(uint32(0x3F3504F3))), uint32(23)
    )
    mantissa = from_bits(subtract_words(bits(u), shift_left(exponent, uint32(23))))
    f = subtract(mantissa, splat(float32(1.0)))  # in [sqrt(1/2) - 1, sqrt(2) - 1)
    p = splat(float32(-0.14021623))
    p = fma(p, f, splat(float32(0.21965708)))
    p = fma(p, f, splat(float32(-0.25433356)))
    p = fma(p, f, splat(float32(0.33265906)))
    p = fma(p, f, splat(float32(-0.4998948)))
    p = fma(p, f, splat(float32(1.00000374)))
    exponent_of_u = subtract(from_signed(exponent), splat(float32(24.0)))
    logarithm = fma(exponent_of_u, splat(float32(0.69314718)), multiply(p, f))
    square = multiply(logarithm, splat(float32(-2.0)))
    radius = root(maximum(square, splat(float32(0.0))))

    # angle: t turns, t in [-1/2, 1/2)
    t = multiply(from_signed(y), splat(float32(2.0**-32)))
    s = multiply(t, t)
    sine = splat(float32(-12.46881862))
    sine = fma(sine, s, splat(float32(41.34136539)))
    sine = fma(sine, s, splat(float32(-76.6141403)))
    sine = fma(sine, s, splat(float32(81.59991362)))
    sine = fma(sine, s, splat(float32(-41.3415883)))
    sine = fma(sine, s, splat(float32(6.28318491)))
    cosine = splat(float32(-21.06542941))
    cosine = fma(cosine, s, splat(float32(58.78694076)))
    cosine = fma(cosine, s, splat(float32(-85.27084363)))
    cosine = fma(cosine, s, splat(float32(64.92858784)))
    cosine = fma(cosine, s, splat(float32(-19.73897818)))
    cosine = fma(cosine, s, splat(float32(0.9999992)))
    return multiply(radius, cosine), multiply(multiply(radius, t), sine)
