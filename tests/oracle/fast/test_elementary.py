"""Logarithms and exponentials of kernels, compared with those in double precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lionheart_opt.oracle.fast.elementary import exponential, logarithm
from lionheart_opt.oracle.fast.simd import LANES, load, store

numba = pytest.importorskip("numba")


@numba.njit  # type: ignore[untyped-decorator]
def _logarithms(x: Any, y: Any) -> None:
    for i in range(0, len(x), LANES):
        store(y, i, logarithm(load(x, i)))


@numba.njit  # type: ignore[untyped-decorator]
def _exponentials(x: Any, y: Any) -> None:
    for i in range(0, len(x), LANES):
        store(y, i, exponential(load(x, i)))


def test_logarithms_of_all_magnitudes() -> None:
    random = np.random.default_rng(0)
    smallest = np.finfo(np.float32).tiny
    x = np.concatenate(
        [
            np.exp(random.uniform(-87, 88, 80000)),
            random.uniform(0.5, 2, 40000),  # where cancellation would show
            [1.0, smallest, np.finfo(np.float32).max, 2.0, 0.5, 2**0.5, 0.5**0.5, 1e-7],
        ]
    ).astype(np.float32)
    y = np.empty_like(x)
    _logarithms(x, y)
    exact = np.log(x.astype(np.float64))
    assert y[x == 1] == 0
    assert (abs(y - exact) <= 1.5 * np.spacing(abs(exact).astype(np.float32))).all()


def test_exponentials_in_the_range_of_single_precision() -> None:
    x = np.linspace(-87, 88, 80000).astype(np.float32)
    x[:3] = [0.0, -1e-7, 1e-7]
    y = np.empty_like(x)
    _exponentials(x, y)
    exact = np.exp(x.astype(np.float64))
    assert y[0] == 1
    assert (abs(y - exact) <= 1.5 * np.spacing(exact.astype(np.float32))).all()


def test_exponentials_beyond_it_are_those_of_its_ends() -> None:
    x = np.array([-1e9, -100, -87, 88, 100, 1e9, -np.inf, np.inf], np.float32)
    y = np.empty_like(x)
    _exponentials(x, y)
    assert set(y[[0, 1, 6]]) == {y[2]} and set(y[[4, 5, 7]]) == {y[3]}
