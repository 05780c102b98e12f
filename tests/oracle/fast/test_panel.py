"""Products of the forward kernel, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from lionheart_opt.oracle.fast import panel
from lionheart_opt.oracle.fast.panel import PANEL, ROWS
from lionheart_opt.oracle.fast.structures import Block

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("depth", [1, 7, 40])
def test_products_of_blocks(depth: int) -> None:
    a, b = normal(ROWS, depth + 3), normal(2, depth, PANEL)
    c = np.zeros(5 + ROWS * (PANEL + 2), np.float32)
    first = Block(a.ravel(), 2, depth + 3)  # columns 2 to depth + 1, and one column over the edge
    panel.product(first, b.ravel(), depth * PANEL, depth, Block(c, 5, PANEL + 2))
    result = c[5:].reshape(ROWS, PANEL + 2)
    np.testing.assert_allclose(result[:, :PANEL], a[:, 2 : depth + 2] @ b[1], rtol=1e-4, atol=1e-5)
    assert not c[:5].any() and not result[:, PANEL:].any()


@pytest.mark.parametrize("depth", [1, 7, 40, 511])
def test_products_of_whole_numbers_are_exact(depth: int) -> None:
    """As large as sums of 32 bits allow."""
    even = depth + depth % 2
    most = (2**31 - 1) // (depth * 127)
    a = RNG.integers(-127, 128, (ROWS, even + 2))
    b = RNG.integers(-min(most, 32767), min(most, 32767) + 1, (2, even, PANEL))
    a[0], b[1, :, 0] = 127, min(most, 32767)
    b[1, depth:] = 0  # the input that makes the number even
    pairs = b.reshape(2, even // 2, 2, PANEL).transpose(0, 1, 3, 2).astype(np.int16)
    c = np.zeros(5 + ROWS * (PANEL + 2), np.float32)
    first = Block(a.astype(np.int16).ravel(), 1, even + 2)
    panel.product_of_shorts(first, pairs.ravel(), even * PANEL, depth, Block(c, 5, PANEL + 2))
    result = c[5:].reshape(ROWS, PANEL + 2)
    expected = a[:, 1 : depth + 1] @ b[1, :depth]
    np.testing.assert_array_equal(result[:, :PANEL], expected.astype(np.float32))
    assert not c[:5].any() and not result[:, PANEL:].any()
