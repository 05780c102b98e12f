"""One worker process of this machine, and what it says while it works."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, TypeVar

from loky import ProcessPoolExecutor
from loky.backend import resource_tracker as loky_tracker

from lionheart_opt.study import worker
from lionheart_opt.study.worker import Job, SentProblem

#: Every worker computes with one thread: that is what several workers are for.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
#: Seconds between two looks at what a worker says.
LISTEN_S = 0.5

T = TypeVar("T")


class Parcel:
    """A problem in a file in memory, which worker processes read. It goes with this process.

    Little goes through pipes, to a process and from it: if it died before it has read or written all of
    that, who started it would wait for ever.

    Args:
        sent: The problem.
    """

    def __init__(self, sent: SentProblem) -> None:
        self._file = os.fdopen(os.memfd_create("problem"), "wb")
        pickle.dump(sent, self._file)
        self._file.flush()
        #: Where workers read it.
        self.path = _path_of(self._file)

    def close(self) -> None:
        """Remove it."""
        self._file.close()


class WorkerProcess:
    """One worker process. A pool of several would not say whose candidate made a process die.

    How far its training is, it writes to a file, so that it never waits for who reads that; its answers,
    too, see `Parcel`. The files are in no folder, so that processes that are killed leave nothing behind.

    Args:
        parcel: The problem.
    """

    def __init__(self, parcel: Parcel) -> None:
        self._said = TemporaryFile()
        self._answered = os.fdopen(os.memfd_create("answer"), "r+b")
        with _deaf():
            self._start(parcel)

    def _start(self, parcel: Parcel) -> None:
        files = _path_of(self._said), _path_of(self._answered)
        self._pool = ProcessPoolExecutor(
            1, env=ONE_THREAD, initializer=worker.start, initargs=(parcel.path, os.getpid(), *files)
        )
        #: Done when the problem is built.
        self.ready: Future[None] = self._pool.submit(worker.get_ready)

    def work(self, job: Job[T], hear: Callable[[str], None]) -> T:
        """Do a job.

        Args:
            job: The job.
            hear: Called with what the oracle says of a training, now and then.

        Raises:
            BrokenProcessPool: The process died meanwhile.
        """
        work: Future[None] = self._pool.submit(worker.work, job)
        said = self._heard()
        while wait([work], LISTEN_S).not_done:
            before, said = said, self._heard()
            if said and said != before:
                hear(said)
        work.result()
        self._answered.seek(0)
        answer: T = pickle.load(self._answered)
        self._answered.truncate(0)
        return answer

    def _heard(self) -> str:
        with suppress(ValueError):  # it has been killed
            self._said.seek(0)
            return self._said.read().decode(errors="replace")
        return ""

    def kill(self) -> None:
        """Stop the process, busy or not."""
        self._pool.shutdown(kill_workers=True)
        self._said.close()
        self._answered.close()


def _path_of(file: IO[bytes]) -> Path:
    """Where other processes find an open file."""
    return Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")


@contextmanager
def _deaf() -> Iterator[None]:
    """Let processes that are started in the block hear no signals until they say otherwise.

    A terminal sends Ctrl-C to all processes of a run, a cluster maybe SIGTERM. Those that have just been
    started would end with a traceback.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, worker.SIGNALS)
    try:
        for tracker in (resource_tracker, loky_tracker):
            tracker.ensure_running()  # afterwards, it hears some of them again
            signal.pthread_sigmask(signal.SIG_BLOCK, worker.SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
