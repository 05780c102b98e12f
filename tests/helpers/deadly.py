"""An oracle whose processes die, on a problem that needs no torch, so that workers start quickly."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lionheart_opt.problem import Problem
from lionheart_opt.study.worker_process import LISTEN_S
from lionheart_opt.synthetic import synthetic_problem

#: Bytes that a pipe holds.
PIPE_SIZE = 65_536


@dataclass(frozen=True)
class Dies:
    """Its process dies when the third unit is analog, always or the first few times.

    Args:
        inner: What answers otherwise.
        folder: Where it counts.
        times: How many processes die for a candidate.
        how: `killed`, or `memory` or `torch`, which run out of memory.
    """

    inner: Any
    folder: str = ""
    times: int = 1000
    how: str = "killed"

    def accuracy(self, candidate, fidelity, seed):
        if list(candidate.mapping.items())[2][1] == "tile" and fidelity.draws[0] == 0:
            count = Path(self.folder) / candidate.digest
            tries = len(count.read_text()) if count.exists() else 0
            if tries < self.times:
                count.write_text("x" * (tries + 1))
                if self.how == "memory":
                    raise MemoryError
                if self.how == "torch":
                    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")
                os.kill(os.getpid(), signal.SIGKILL)
        return self.inner.accuracy(candidate, fidelity, seed)


@dataclass(frozen=True)
class Broken:
    """It raises an error."""

    error: BaseException

    def accuracy(self, candidate, fidelity, seed):
        raise self.error


@dataclass
class Trains:
    """Says in every measurement that it trains, after a while."""

    inner: Any
    report: Any = None

    def watch(self, report):
        self.report = report

    def accuracy(self, candidate, fidelity, seed):
        if fidelity.draws[0] == 0:
            self.report("training: epoch 1/2")
            time.sleep(4 * LISTEN_S)
        return self.inner.accuracy(candidate, fidelity, seed)


@dataclass(frozen=True)
class Slow:
    """Its note says which process answers, after a while."""

    inner: Any
    pause_s: float = 0.1

    def accuracy(self, candidate, fidelity, seed):
        time.sleep(self.pause_s)
        return replace(self.inner.accuracy(candidate, fidelity, seed), note=str(os.getpid()))


@dataclass(frozen=True)
class DiesAnswering:
    """A job whose process dies in the middle of what does not fit into a pipe at once."""

    size: int

    def __call__(self, problem):
        whole = Connection._send

        def send(connection, data, write=os.write):
            if len(data) <= PIPE_SIZE:
                return whole(connection, data)
            write(connection.fileno(), bytes(data)[:PIPE_SIZE])
            os.kill(os.getpid(), signal.SIGKILL)

        Connection._send = send
        return bytes(self.size)


@dataclass(frozen=True)
class Grows:
    """A job that leaves more behind than loky lets its processes keep; it says who did it."""

    def __call__(self, problem):
        Grows.kept = b"x" * 310_000_000
        time.sleep(1.1)  # loky looks once a second
        return os.getpid()


@dataclass(frozen=True)
class OneByOne:
    """Proposes each of the first four units alone, in one batch; `Dies` dies of the third."""

    def search(self, problem, rng):
        units = [unit.name for unit in problem.units]
        yield [problem.pretrained(problem.mapping({unit: "tile"})) for unit in units[:4]]


def toy() -> Problem:
    return synthetic_problem(n_units=5, seed=3)


def deadly(folder: Path, **changes: Any) -> Problem:
    problem = toy()
    return replace(problem, oracle=Dies(problem.oracle, str(folder), **changes))
