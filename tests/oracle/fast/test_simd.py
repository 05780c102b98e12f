"""Each vector operation does to eight numbers what its name says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pytest

from lionheart_opt.oracle.fast import simd

X = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.0, -4.0], np.float32)
Y = np.array([1.0, -1.5, 7.0, 0.25, -3.0, 2.5, 1.0, 4.0], np.float32)


def applied(operation: Any, *arrays: np.ndarray) -> np.ndarray:
    """The result of an operation on vectors."""
    load, store, to = simd.load, simd.store, np.zeros(8, np.float32)
    if len(arrays) == 1:

        @numba.njit  # type: ignore[untyped-decorator]
        def one(a: Any, to: Any) -> None:
            store(to, 0, operation(load(a, 0)))

        one(*arrays, to)
    else:

        @numba.njit  # type: ignore[untyped-decorator]
        def two(a: Any, b: Any, to: Any) -> None:
            store(to, 0, operation(load(a, 0), load(b, 0)))

        two(*arrays, to)
    return to


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("negative", lambda x: -x),
        ("magnitude", np.abs),
        ("nearest", np.rint),  # halves to even numbers
    ],
)
def test_operations_on_one_vector(name: str, expected: Callable[[Any], Any]) -> None:
    np.testing.assert_array_equal(applied(getattr(simd, name), X), expected(X))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", np.add),
        ("subtract", np.subtract),
        ("multiply", np.multiply),
        ("maximum", np.maximum),
        ("minimum", np.minimum),
    ],
)
def test_operations_on_two_vectors(name: str, expected: Callable[..., Any]) -> None:
    np.testing.assert_array_equal(applied(getattr(simd, name), X, Y), expected(X, Y))


def test_fma_rounds_once() -> None:
    fma, load, store = simd.fma, simd.load, simd.store

    @numba.njit  # type: ignore[untyped-decorator]
    def compute(x: Any, y: Any, z: Any, to: Any) -> None:
        store(to, 0, fma(load(x, 0), load(y, 0), load(z, 0)))

    x = np.full(8, 1 + 2.0**-12, np.float32)
    to = np.zeros(8, np.float32)
    compute(x, x, -np.ones(8, np.float32), to)
    assert to[0] == np.float32(2.0**-11 + 2.0**-24)  # the product alone would lose the last bit


def test_reductions_and_comparisons() -> None:
    load, splat = simd.load, simd.splat
    largest, total, equal, any_set, within = (
        simd.largest,
        simd.total,
        simd.equal,
        simd.any_set,
        simd.within,
    )

    @numba.njit  # type: ignore[untyped-decorator]
    def compute(x: Any, bound: Any) -> Any:
        inside = total(within(load(x, 0), splat(bound), load(x, 0)))
        is_there = any_set(equal(load(x, 0), splat(bound)))
        return largest(load(x, 0)), total(load(x, 0)), inside, is_there

    assert compute(X, np.float32(2.5)) == (3.0, X.sum(), 0.0, True)
    assert compute(X, np.float32(1.75)) == (3.0, X.sum(), X[1:5].sum(), False)


def test_words_wrap_around_and_shift() -> None:
    lane_numbers, splat_word, multiply_words = (
        simd.lane_numbers,
        simd.splat_word,
        simd.multiply_words,
    )
    shift_right, shift_left, xor, from_bits, store = (
        simd.shift_right,
        simd.shift_left,
        simd.xor,
        simd.from_bits,
        simd.store,
    )

    @numba.njit  # type: ignore[untyped-decorator]
    def compute(word: Any, to: Any) -> None:
        x = multiply_words(lane_numbers(), splat_word(word))
        store(to, 0, from_bits(xor(shift_right(x, numba.uint32(9)), splat_word(numba.uint32(5)))))
        store(to, 8, from_bits(shift_left(x, numba.uint32(3))))

    to = np.zeros(16, np.float32)
    compute(np.uint32(0x9E3779B1), to)
    products = np.arange(8, dtype=np.uint64) * 0x9E3779B1 % 2**32
    bits = to.view(np.uint32)
    np.testing.assert_array_equal(bits[:8], (products >> 9) ^ 5)
    np.testing.assert_array_equal(bits[8:], products * 8 % 2**32)


def test_whole_numbers_fit_into_16_bits() -> None:
    load, store = simd.load, simd.store
    load_shorts, store_shorts = simd.load_shorts, simd.store_shorts

    @numba.njit  # type: ignore[untyped-decorator]
    def there_and_back(x: Any, shorts: Any, to: Any) -> None:
        store_shorts(shorts, 3, load(x, 0))
        store(to, 0, load_shorts(shorts, 3))

    x = np.array([0, 1, -1, 127, -128, 300, 32767, -32768], np.float32)
    shorts, to = np.zeros(12, np.int16), np.zeros(8, np.float32)
    there_and_back(x, shorts, to)
    assert shorts.tolist() == [0, 0, 0, *x.astype(int), 0]
    np.testing.assert_array_equal(to, x)


def test_loads_need_no_alignment() -> None:
    load, store = simd.load, simd.store

    @numba.njit  # type: ignore[untyped-decorator]
    def shift(x: Any, by: Any) -> None:
        store(x, 0, load(x, by))

    for by in range(1, 9):
        numbers = np.arange(20, dtype=np.float32)
        shift(numbers, by)
        np.testing.assert_array_equal(numbers[:8], np.arange(by, by + 8))
