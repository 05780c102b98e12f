"""Work is cut into ranges that cover all rows, and sums do not depend on the threads."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from time import sleep

import numpy as np
import pytest
import torch

from lionheart_opt.oracle.fast import threads
from lionheart_opt.oracle.fast.threads import in_threads


@pytest.fixture(params=[1, 3])
def n_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("unit", [1, 7])
@pytest.mark.parametrize("n", [1, 5, 100])
def test_ranges_cover_all_rows_once(n_threads: int, n: int, unit: int) -> None:
    def piece(first: int, last: int) -> list[np.ndarray]:
        assert first % unit == 0
        done = np.zeros(n)
        done[first:last] += 1
        return [done]

    [done] = in_threads(piece, n, unit, macs=10**9)
    assert np.array_equal(done, np.ones(n))


def test_little_work_is_one_piece(n_threads: int) -> None:
    ranges: list[tuple[int, int]] = []

    def piece(first: int, last: int) -> list[np.ndarray]:
        ranges.append((first, last))
        return []

    in_threads(piece, 100, 1, macs=threads.PIECE_MACS // 100)
    assert ranges == [(0, 100)]
    ranges.clear()
    in_threads(piece, 100, 1, macs=threads.PIECE_MACS)
    assert len(ranges) == n_threads * threads.PIECES


def test_without_rows_there_is_one_empty_piece() -> None:
    [sums] = in_threads(lambda first, last: [np.full(2, last - first)], 0, 1, 1)
    assert sums.tolist() == [0, 0]


def test_sums_are_rounded_the_same_whichever_piece_ends_first() -> None:
    numbers = np.random.default_rng(0).standard_normal(12).astype(np.float32) * 1e4

    def sums(delays: list[float]) -> np.ndarray:
        def piece(first: int, _: int) -> list[np.ndarray]:
            sleep(delays[first])
            return [numbers[first : first + 1].copy()]

        [total] = in_threads(piece, 12, 1, macs=10**9)
        return total

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        results = [sums([0.0] * 12), sums([0.02, 0.0, 0.0] * 4), sums([0.0, 0.01, 0.02] * 4)]
    finally:
        torch.set_num_threads(before)
    in_order = np.float32(0)
    for number in numbers:
        in_order += number
    assert [float(total[0]) for total in results] == [float(in_order)] * 3


def test_errors_of_a_thread_are_raised() -> None:
    def piece(first: int, _: int) -> list[np.ndarray]:
        if first > 0:
            raise FloatingPointError("row")
        return [np.zeros(1)]

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(FloatingPointError):
            in_threads(piece, 100, 1, macs=10**9)
    finally:
        torch.set_num_threads(before)


def test_an_error_of_the_calling_thread_leaves_the_others_nothing_to_do() -> None:
    begun: list[int] = []

    def piece(first: int, _: int) -> list[np.ndarray]:
        begun.append(first)
        if threading.current_thread() is threading.main_thread():
            raise KeyboardInterrupt
        sleep(0.05)
        return []

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            in_threads(piece, 100, 1, macs=10**9)
        assert len(begun) < 2 * threads.PIECES
        torch.ones(500, 500) @ torch.ones(500, 500)  # torch can still use its threads
    finally:
        torch.set_num_threads(before)


#: Prints the threads of torch, those of the pieces, and those of the process after that.
_THREADS = """
import os, threading, time
import numpy as np, torch
from lionheart_opt.oracle.fast.threads import in_threads

torch.set_num_threads(2)
torch.ones(1000, 1000) @ torch.ones(1000, 1000)
of_torch = set(os.listdir("/proc/self/task"))
of_pieces = set()

def piece(first, last):
    of_pieces.add(str(threading.get_native_id()))
    time.sleep(0.05)
    return []

in_threads(piece, 100, 1, macs=10**9)
print(len(of_pieces), of_pieces <= of_torch, set(os.listdir("/proc/self/task")) == of_torch)
"""


def test_the_threads_are_those_of_torch() -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", _THREADS],
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.split() == ["2", "True", "True"]


#: Works in a forked process, in which threads of OpenMP do not exist.
_FORKED = """
import os, sys
import numpy as np, torch
from lionheart_opt.oracle.fast.threads import in_threads

torch.set_num_threads(2)

def total():
    [sums] = in_threads(lambda first, last: [np.full(1, last - first)], 100, 1, macs=10**9)
    return int(sums[0])

assert total() == 100
child = os.fork()
if child == 0:
    os._exit(0 if total() == 100 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_works_alone() -> None:
    subprocess.run([sys.executable, "-c", _FORKED], check=True, timeout=60)
