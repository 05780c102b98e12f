"""Computes rows of a layer in several threads and adds results always in the same order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Lock

import numpy as np
import torch

#: Pieces of work for each thread: enough to balance the threads on a machine that is busy otherwise.
PIECES = 4

#: Smallest piece, in multiply-accumulate operations: about ten times the cost of handing it over.
PIECE_MACS = 4_000_000


def in_threads(
    piece: Callable[[int, int], list[np.ndarray]], n: int, unit: int, macs: int
) -> list[np.ndarray]:
    """Sums of the arrays that `piece(first, last)` returns, over ranges that cover `range(n)`.

    Args:
        piece: Computes rows. It must release the interpreter lock and return arrays that may be
            overwritten.
        n: Number of rows.
        unit: Ranges begin at multiples of it.
        macs: Multiply-accumulate operations of one row; a range has at least `PIECE_MACS` of them.
    """
    n_threads = torch.get_num_threads()
    rows = max(-(-n // (n_threads * PIECES)), PIECE_MACS // macs, 1)
    size = -(-rows // unit) * unit
    ranges = [(first, min(first + size, n)) for first in range(0, n, size)] or [(0, 0)]
    left = deque(enumerate(ranges))
    sums = _Sums()

    def work() -> None:
        while left:
            try:
                number, (first, last) = left.popleft()
            except IndexError:  # another thread was faster
                return
            sums.add(number, piece(first, last))

    others = min(n_threads, len(ranges)) - 1
    helpers = [_pool(n_threads, os.getpid()).submit(work) for _ in range(others)]
    work()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    return sums.arrays


class _Sums:
    """Sums of arrays that are added in the order of their numbers, so that rounding is always the same.

    Only arrays that arrive before their turn are kept.
    """

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self._next = 0
        self._early: dict[int, list[np.ndarray]] = {}
        self._lock = Lock()

    def add(self, number: int, arrays: list[np.ndarray]) -> None:
        """Add the arrays with a number, counted from 0."""
        with self._lock:
            self._early[number] = arrays
            while self._next in self._early:
                ready = self._early.pop(self._next)
                if self._next == 0:
                    self.arrays = ready
                else:
                    for whole, part in zip(self.arrays, ready, strict=True):
                        whole += part
                self._next += 1


@lru_cache(maxsize=1)
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001  a forked process needs its own
    return ThreadPoolExecutor(n_threads)
