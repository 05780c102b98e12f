"""Computes rows of a layer in several threads and adds results always in the same order.

The threads are torch's own. Others would have to share the cores with them: OpenMP's threads go on
spinning for a while after each operation of torch.
"""

from __future__ import annotations

import ctypes
import os
from collections import deque
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

#: Pieces of work for each thread: enough to balance the threads on a machine that is busy otherwise.
PIECES = 4

#: Smallest piece, in multiply-accumulate operations: about ten times the cost of handing it over.
PIECE_MACS = 4_000_000

#: What a thread of OpenMP runs: a function of one pointer.
_Work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


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

    if n_threads > 1 and len(ranges) > 1:
        _together(work, left.clear, n_threads)
    else:
        work()
    return sums.arrays


def _together(work: Callable[[], None], stop: Callable[[], None], n_threads: int) -> None:
    """Run `work` in the calling thread and in torch's others, and raise the first error.

    Args:
        work: What every thread runs.
        stop: Leaves the other threads nothing to do.
        n_threads: torch's number of threads; another one would make OpenMP start threads anew.
    """
    errors: list[BaseException] = []

    def help_(_: int | None) -> None:
        try:
            work()
        except BaseException as error:
            stop()
            errors.append(error)

    openmp = _openmp(os.getpid())
    if openmp is None:
        work()
        return
    helper = _Work(help_)
    try:
        openmp.GOMP_parallel_start(helper, None, n_threads)
        work()
    except BaseException:
        stop()
        raise
    finally:
        openmp.GOMP_parallel_end()
    if errors:
        raise errors[0]


#: Process that imported this module.
_FIRST = os.getpid()


@lru_cache(maxsize=1)
def _openmp(process: int) -> Any:
    """The OpenMP library that torch is linked to; None if it cannot be used.

    Its threads do not survive a fork. GNU's library, and those of Intel and LLVM, run a region of several
    threads by two functions: `GOMP_parallel_start` lets the other threads begin, and
    `GOMP_parallel_end` waits for them.
    """
    if process != _FIRST:
        return None
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    try:
        openmp = ctypes.CDLL(str(library))
        start, end = openmp.GOMP_parallel_start, openmp.GOMP_parallel_end
    except (OSError, AttributeError):  # a torch without OpenMP
        return None
    start.argtypes, start.restype = (_Work, ctypes.c_void_p, ctypes.c_uint), None
    end.argtypes, end.restype = (), None
    return openmp


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
