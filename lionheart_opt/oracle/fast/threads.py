"""The rows of a layer in several threads, always summed up in the same order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Lock

import numpy as np
import torch

#: Pieces of a layer's work for each thread: enough to even out what else the machine does.
PIECES = 4

#: Least work of a piece, in multiply-accumulate operations: about ten times what a thread costs.
PIECE_MACS = 4_000_000


def in_threads(
    piece: Callable[[int, int], list[np.ndarray]], n: int, unit: int, macs: int
) -> list[np.ndarray]:
    """Sums of the arrays of `piece(first, last)` over ranges that cover `range(n)`.

    Args:
        piece: releases the interpreter lock; its arrays are its caller's.
        n: rows.
        unit: ranges begin at multiples of it.
        macs: of one row; a range has at least `PIECE_MACS`.
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
    """Sums of arrays, added in the order of their numbers: rounded alike whichever comes first.

    Few are kept: only those that come before their turn.
    """

    def __init__(self) -> None:
        self.arrays: list[np.ndarray] = []
        self._next = 0
        self._early: dict[int, list[np.ndarray]] = {}
        self._lock = Lock()

    def add(self, number: int, arrays: list[np.ndarray]) -> None:
        """The arrays with that number, counted from 0."""
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
def _pool(n_threads: int, process: int) -> ThreadPoolExecutor:  # noqa: ARG001  a fork has no threads
    return ThreadPoolExecutor(n_threads)
