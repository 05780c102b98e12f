"""Where candidates are evaluated: in this process, or in several worker processes of this machine."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from queue import LifoQueue
from types import TracebackType
from typing import Protocol, Self

from loky import ProcessPoolExecutor

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.study import worker
from lionheart_opt.study.recorded_oracle import NotRecorded, RecordedOracle
from lionheart_opt.study.worker import SentProblem, evaluated

#: Every worker computes with one thread: that is what several workers are for.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
#: A candidate whose worker died, or that ran out of memory, is tried again this often.
MOST_RETRIES = 3
#: Why such a candidate has failed.
DIED = f"its worker process died {MOST_RETRIES + 1} times (killed, or out of memory)"
NO_MEMORY = f"it ran out of memory {MOST_RETRIES + 1} times"

Answers = Generator[Evaluation, None, None]


class WorkerDied(Exception):
    """Every worker process that evaluated a candidate has died."""


class Pending(Protocol):
    """An evaluation that a worker process is asked for."""

    def result(self) -> Evaluation:
        """Wait for it.

        Raises:
            WorkerDied: Every worker process that evaluated it has died.
            MemoryError: A worker ran out of memory.
        """
        ...

    def cancel(self) -> object:
        """Do not start it, if it has not been started."""
        ...


class Executor(ABC):
    """Worker processes that evaluate candidates of one problem.

    Use it as a context manager. What records hold is copied, and not sent to a worker.

    Args:
        problem: The problem whose candidates are evaluated.

    Raises:
        InputError: The problem cannot be sent to another process.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._records = problem.oracle if isinstance(problem.oracle, RecordedOracle) else None
        self._sent = SentProblem.of(
            replace(problem, oracle=self._records.oracle) if self._records else problem
        )

    def __enter__(self) -> Self:
        return self

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    @abstractmethod
    def _submit(self, candidate: Candidate) -> Pending:
        """Ask for an evaluation."""

    def evaluate(self, candidates: Sequence[Candidate]) -> Answers:
        """Evaluate candidates side by side; the answers come in the order of the candidates.

        A candidate whose worker dies is tried again, `MOST_RETRIES` times at most; then its evaluation
        says that it has failed. What has not been started when the generator is closed is not evaluated.

        Raises:
            InputError: The problem cannot be rebuilt in a worker process, or worker processes cannot be
                started.
        """
        answers = [self._recorded(candidate) or self._submit(candidate) for candidate in candidates]
        try:
            for number, candidate in enumerate(candidates):
                answer = answers[number]
                retries = 0
                while not isinstance(answer, Evaluation):
                    try:
                        answer = self._remembered(candidate, answer.result())
                    except WorkerDied:
                        answer = self._problem.evaluation(candidate, None, DIED)
                    except MemoryError:
                        if retries == MOST_RETRIES:
                            answer = self._problem.evaluation(candidate, None, NO_MEMORY)
                        else:
                            retries += 1
                            answers[number] = answer = self._submit(candidate)
                yield answer
        finally:
            for answer in answers:
                if not isinstance(answer, Evaluation):
                    answer.cancel()

    def _remembered(self, candidate: Candidate, evaluation: Evaluation) -> Evaluation:
        if self._records is not None and evaluation.accuracy is not None:
            self._records.remember(self._problem.resolved(candidate), evaluation.accuracy)
        return evaluation

    def _recorded(self, candidate: Candidate) -> Evaluation | None:
        """The evaluation, if records hold all of it."""
        if self._records is None:
            return None
        try:
            return replace(self._problem, oracle=self._records.records_only()).evaluate(candidate)
        except NotRecorded:
            return None


class Workers(Executor):
    """Worker processes of this machine, one thread each.

    Each worker receives a copy of the problem when it starts. Networks and plug-ins that are defined in
    a notebook, in the main script or beside a study travel with it. On leaving the context, workers that
    are still busy are stopped.

    Args:
        problem: The problem whose candidates are evaluated.
        count: Number of processes, at least 1.

    Raises:
        InputError: The problem cannot be sent to another process.
    """

    def __init__(self, problem: Problem, count: int) -> None:
        super().__init__(problem)
        self.count = count
        self._threads = ThreadPoolExecutor(count)  # each waits for one process
        self._idle: LifoQueue[_Process] = LifoQueue()
        self._lock = threading.Lock()
        self._is_closed = False
        self._processes = {_Process(self._sent) for _ in range(count)}
        for process in self._processes:
            self._idle.put(process)

    def __repr__(self) -> str:
        return f"Workers({self.count} processes for {self._problem!r})"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._is_closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()
        self._threads.shutdown()

    def _submit(self, candidate: Candidate) -> Future[Evaluation]:
        return self._threads.submit(self._try, candidate)

    def _try(self, candidate: Candidate) -> Evaluation:
        """Evaluate a candidate in the next idle process, and in others if that dies."""
        deaths = failed_starts = 0
        while deaths <= MOST_RETRIES:
            process = self._idle.get()
            is_ready = False
            try:
                process.ready.result()
                is_ready = True
                return process.evaluate(candidate)
            except BrokenProcessPool as error:
                deaths += is_ready
                failed_starts += not is_ready
                process = self._replaced(process)
                if failed_starts > MOST_RETRIES:
                    raise InputError(
                        "workers: processes end as soon as they start (killed, or out of memory); "
                        "finished trials are recorded: run again to resume, with fewer workers"
                    ) from error
            finally:
                self._idle.put(process)
        raise WorkerDied

    def _replaced(self, dead: _Process) -> _Process:
        """A new process instead of one that has died."""
        with self._lock:
            if self._is_closed:
                return dead
            self._processes.remove(dead)
            dead.kill()
            process = _Process(self._sent)
            self._processes.add(process)
            return process


class _Process:
    """One worker process. A pool of several would not say whose candidate made a process die."""

    def __init__(self, sent: SentProblem) -> None:
        self._pool = ProcessPoolExecutor(
            1, env=ONE_THREAD, initializer=worker.start, initargs=(sent, os.getpid())
        )
        #: Done when the problem is built.
        self.ready: Future[None] = self._pool.submit(worker.get_ready)

    def evaluate(self, candidate: Candidate) -> Evaluation:
        """Evaluate a candidate.

        Raises:
            BrokenProcessPool: The process died meanwhile.
        """
        answer: Future[Evaluation] = self._pool.submit(worker.evaluate, candidate)
        return answer.result()

    def kill(self) -> None:
        """Stop the process, busy or not."""
        self._pool.shutdown(kill_workers=True)


def in_process(problem: Problem, candidates: Sequence[Candidate]) -> Answers:
    """Evaluate candidates one after the other in this process."""
    problem.expect(candidates)
    for candidate in candidates:
        for _ in range(MOST_RETRIES + 1):
            try:
                answer = evaluated(problem, candidate)
                break
            except MemoryError:
                continue
        else:
            answer = problem.evaluation(candidate, None, NO_MEMORY)
        yield answer
