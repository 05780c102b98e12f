"""The product of the forward kernel, against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from lionheart_opt.oracle.fast import kernels
from lionheart_opt.oracle.fast.kernels import PANEL, ROWS
from lionheart_opt.oracle.fast.structures import Block

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("depth", [1, 7, 40])
def test_products_of_blocks(depth: int) -> None:
    a, b = normal(ROWS, depth + 3), normal(2, depth, PANEL)
    c = np.zeros(5 + ROWS * (PANEL + 2), np.float32)
    first = Block(a.ravel(), 2, depth + 3)  # columns 2 to depth + 1, and one column over the edge
    kernels.product(first, b.ravel(), depth * PANEL, depth, Block(c, 5, PANEL + 2))
    result = c[5:].reshape(ROWS, PANEL + 2)
    np.testing.assert_allclose(result[:, :PANEL], a[:, 2 : depth + 2] @ b[1], rtol=1e-4, atol=1e-5)
    assert not c[:5].any() and not result[:, PANEL:].any()
