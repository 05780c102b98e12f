"""Evaluates candidates on a Dask cluster, which runs on several machines."""

from __future__ import annotations

import asyncio
import concurrent.futures
import warnings
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.study.executors import Executor, WorkerDied, Workers
from lionheart_opt.study.worker import SentProblem, evaluate_for
from lionheart_opt.text import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lionheart_opt.study.executors import Answers

#: Seconds after which a scheduler that does not answer is taken for missing.
CONNECTION_S = 20


class Cluster(Executor):
    """Workers of a Dask cluster, each of which evaluates one candidate at a time.

    The problem is sent to the cluster once, and each worker builds it once. A worker computes with as
    many threads as it was started with (`dask worker --nthreads`). Workers may come and go. On leaving
    the context, candidates that have not been started are cancelled.

    Args:
        problem: The problem whose candidates are evaluated.
        scheduler: Address of the scheduler, such as `tcp://host:8786`.

    Raises:
        InputError: Dask is not installed, the scheduler does not answer, or the problem cannot be sent to
            another process.
    """

    def __init__(self, problem: Problem, scheduler: str) -> None:
        if not isinstance(scheduler, str) or not scheduler:
            raise InputError(
                f"scheduler: got {shown(scheduler)}; must be an address such as tcp://host:8786"
            )
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError(
                "scheduler: Dask is missing (pip install 'lionheart_opt[cluster]'): " + str(error)
            ) from error
        super().__init__(problem)
        self.scheduler = scheduler
        try:
            self._client = cast(Any, Client)(scheduler, timeout=CONNECTION_S, set_as_default=False)
        except Exception as error:  # Dask has no class of error for it
            raise InputError(
                f"scheduler: no Dask scheduler answers at {shown(scheduler)}: {error}"
            ) from error
        with warnings.catch_warnings():  # a large network is sent, once
            warnings.filterwarnings("ignore", "Sending large graph")
            self._problem_there = self._client.submit(
                _same, self._sent, key=f"p-{self._sent.token}"
            )
        self._pending: set[_Task] = set()
        if not self._client.nthreads():
            warnings.warn(f"{scheduler} has no workers yet: waiting for them", stacklevel=2)

    def __repr__(self) -> str:
        return f"Cluster({self.scheduler!r} for {self._problem!r})"

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()

    def evaluate(self, candidates: Sequence[Candidate]) -> Answers:
        """As `Executor.evaluate`."""
        try:
            yield from super().evaluate(candidates)
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            raise InputError(
                f"scheduler: the connection to {self.scheduler} is lost; finished trials are recorded: "
                "run again to resume"
            ) from error

    def _submit(self, candidate: Candidate) -> _Task:
        task = _Task(self, candidate)
        self._pending.add(task)
        return task

    def submitted(self, candidate: Candidate) -> Any:
        """The Dask future of an evaluation."""
        return self._client.submit(_evaluate, self._problem_there, candidate, pure=False)

    def is_alone(self, task: _Task) -> bool:
        """Whether no other candidate is being evaluated."""
        return self._pending <= {task}

    def wait_for_others(self, task: _Task) -> None:
        """Wait until no other candidate is being evaluated."""
        for other in [each for each in self._pending if each is not task]:
            other.future.exception()  # returns when it has ended, whatever came of it

    def forget(self, task: _Task) -> None:
        """The evaluation has ended."""
        self._pending.discard(task)


class _Task:
    """One evaluation on the cluster; see `Pending`."""

    def __init__(self, cluster: Cluster, candidate: Candidate) -> None:
        self._cluster, self._candidate = cluster, candidate
        self._was_alone = cluster.is_alone(self)
        self.future = cluster.submitted(candidate)

    def result(self) -> Evaluation:
        """As `Pending.result`.

        Dask tries again where a worker died, and gives up after `MOST_RETRIES` more. It blames all the
        candidates that the worker had been given, so one that was not alone has another try without
        the others.
        """
        try:
            return self._result()
        finally:
            self._cluster.forget(self)

    def _result(self) -> Evaluation:
        from distributed import KilledWorker

        evaluation: Evaluation
        try:
            evaluation = self.future.result()
            return evaluation
        except KilledWorker as error:
            if self._was_alone and self._cluster.is_alone(self):
                raise WorkerDied from error
        self._cluster.wait_for_others(self)
        self.future = self._cluster.submitted(self._candidate)
        try:
            evaluation = self.future.result()
        except KilledWorker as error:
            raise WorkerDied from error
        return evaluation

    def cancel(self) -> None:
        """As `Pending.cancel`."""
        self._cluster.forget(self)
        self.future.cancel()


def executor(problem: Problem, workers: int, scheduler: str | None) -> Executor | None:
    """What evaluates the candidates of a run; None is this process.

    Args:
        problem: The problem whose candidates are evaluated.
        workers: Number of processes of this machine.
        scheduler: Address of a Dask scheduler; None does without a cluster.

    Raises:
        InputError: Both several workers and a scheduler are given, or as for `Workers` and `Cluster`.
    """
    if scheduler is not None:
        if workers != 1:
            raise InputError(
                f"workers: got {workers} beside scheduler, whose workers are used; leave one of them out"
            )
        return Cluster(problem, scheduler)
    return Workers(problem, workers) if workers > 1 else None


def _same(sent: SentProblem) -> SentProblem:
    return sent


def _evaluate(sent: SentProblem, candidate: Candidate) -> Evaluation:
    """Evaluate a candidate in a worker of the cluster."""
    from distributed import get_worker

    return evaluate_for(sent, candidate, threads=get_worker().state.nthreads)
