"""Evaluates candidates on an executor of the user's own, such as a pool of MPI processes."""

from __future__ import annotations

import concurrent.futures
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import cloudpickle

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.study.executors import Executor
from lionheart_opt.study.same_code import Code, carried, code_here, differences, packed
from lionheart_opt.study.worker import Job
from lionheart_opt.text import shown

T = TypeVar("T")

#: Searches that share an executor, since it does not say how many workers it has.
SEARCHES = 4
#: Seconds between two looks of those who wait for a job, whether the run has been stopped.
LOOK_S = 0.5


class OwnExecutor(Executor):
    """Worker processes of any `concurrent.futures.Executor`.

    The problem travels with each job, and each worker builds it once. Workers compute with one thread.
    The executor stays open. On leaving the context, candidates that have not been started are cancelled.

    Args:
        problem: The problem whose candidates are evaluated.
        executor: The executor, whose workers are processes.

    Raises:
        InputError: It is no such executor, or the problem cannot be sent to another process.
    """

    def __init__(self, problem: Problem, executor: concurrent.futures.Executor) -> None:
        if not isinstance(executor, concurrent.futures.Executor):
            raise InputError(
                f"executor: got {shown(executor)}; must be a concurrent.futures.Executor, such as "
                "ProcessPoolExecutor or MPIPoolExecutor"
            )
        if isinstance(executor, ThreadPoolExecutor):
            raise InputError(
                "executor: got a ThreadPoolExecutor, whose threads share torch's random numbers; give an "
                "executor of processes, or workers=N"
            )
        super().__init__(problem)
        self._executor = executor
        self._tasks: set[_Task[Any]] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"OwnExecutor({self._executor!r} for {self._problem!r})"

    @property
    def at_once(self) -> int:
        """As `Executor.at_once`."""
        return SEARCHES

    def stop(self) -> None:
        """As `Executor.stop`. What workers have begun, they compute to its end."""
        with self._lock:
            super().stop()
            for task in self._tasks:
                task.cancel()

    def submit(self, job: Job[T], place: int = 0) -> _Task[T]:  # noqa: ARG002
        """As `Executor.submit`; an executor knows no order but that in which it is asked."""
        with self._lock:
            self.check_running()
            try:
                future = self._executor.submit(
                    _do, self._sent.pickled, packed(self._sent, job), code_here()
                )
            except RuntimeError as error:  # it is broken, or was shut down
                raise _unusable(error) from error
            task = _Task[T](self, future)
            self._tasks.add(task)
            return task

    def forget(self, task: _Task[Any]) -> None:
        """The job has ended."""
        with self._lock:
            self._tasks.discard(task)


class _Task(Generic[T]):
    """One job; see `Pending`."""

    def __init__(self, owner: OwnExecutor, future: concurrent.futures.Future[Any]) -> None:
        self._owner, self._future = owner, future

    def result(self) -> T:
        """As `Pending.result`."""
        while True:
            self._owner.check_running()
            try:
                refusal, given = self._future.result(LOOK_S)
                break
            except (BrokenExecutor, concurrent.futures.CancelledError) as error:
                self._owner.check_running()  # it may be us who cancelled it
                raise _unusable(error) from error
            except TimeoutError:
                if self._future.done():  # the job's own
                    raise
        self._owner.forget(self)
        if refusal:
            raise InputError(f"executor: {refusal}; install there what is installed here")
        answer: T = cloudpickle.loads(given)
        return answer

    def done(self) -> bool:
        """As `Pending.done`."""
        return self._future.done() and not self._future.cancelled()

    def cancel(self) -> bool:
        """As `Pending.cancel`."""
        return self._future.cancel()


def _do(problem: bytes, job: bytes, code: Code) -> tuple[str, bytes]:
    """What a worker does: what is wrong with it, or its answer.

    Args:
        problem: `SentProblem.pickled`.
        job: What `packed` gave.
        code: The code of the driver.
    """
    if other := differences(code, code_here()):
        return f"a worker has {other}", b""
    return "", cloudpickle.dumps(carried(problem, job, 1))


def _unusable(error: BaseException) -> InputError:
    said = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"executor: it takes no more work ({said}); finished trials are recorded: run again with a new "
        "one to resume"
    )
