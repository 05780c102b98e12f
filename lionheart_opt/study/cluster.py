"""Evaluates candidates on a Dask cluster, which runs on several machines."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar, cast

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.study.executors import Executor
from lionheart_opt.study.pending import WorkerDied, WorkStopped
from lionheart_opt.study.same_code import carrier, code_here, packed
from lionheart_opt.study.worker import Job
from lionheart_opt.text import shown

T = TypeVar("T")

#: Searches that share a cluster at least, which may have no workers yet.
FEWEST_SEARCHES = 4
#: Seconds after which a scheduler that does not answer is taken for missing.
CONNECTION_S = 20
#: Seconds between two looks of those who wait for a job, whether the cluster has been stopped. A question
#: that comes to Dask's client while that is being closed is never answered.
LOOK_S = 2.0
#: Seconds between two looks whether a job of another candidate has ended.
PAUSE_S = 0.1
#: What Dask logs of a connection, tracebacks included, is said in one line when a search ends of it.
_DASK_LOG = logging.getLogger("distributed.client")


class Cluster(Executor):
    """Workers of a Dask cluster, each of which does one job at a time.

    The problem is sent to the cluster once, and each worker builds it once. A worker computes with as
    many threads as it was started with (`dask worker --nthreads`). Workers may come and go. On leaving
    the context, candidates that have not been started are cancelled.

    Args:
        problem: The problem whose candidates are evaluated.
        scheduler: Address of the scheduler, such as `tcp://host:8786`.

    A worker whose code is another one (see `same_code`) does nothing, and ends the search.

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
        self._log_level = _DASK_LOG.level
        _DASK_LOG.setLevel(logging.CRITICAL)
        try:
            self._client = cast(Any, Client)(scheduler, timeout=CONNECTION_S, set_as_default=False)
        except Exception as error:  # Dask has no class of error for it
            _DASK_LOG.setLevel(self._log_level)
            raise InputError(
                f"scheduler: no Dask scheduler answers at {shown(scheduler)}: {error}"
            ) from error
        with warnings.catch_warnings():  # a large network is sent, once
            warnings.filterwarnings("ignore", "Sending large graph")
            self._problem_there = self._client.submit(
                bytes, self._sent.pickled, key=f"p-{self._sent.token}"
            )
        self._pending: set[_Task[Any]] = set()
        self._gate = threading.Lock()
        if not self._client.nthreads():
            warnings.warn(f"{scheduler} has no workers yet: waiting for them", stacklevel=2)

    def __repr__(self) -> str:
        return f"Cluster({self.scheduler!r} for {self._problem!r})"

    @property
    def at_once(self) -> int:
        """As `Executor.at_once`: one for each worker that there is now, `FEWEST_SEARCHES` at least."""
        try:
            ask = self._client.scheduler.ncores
            workers = len(self._client.sync(ask, callback_timeout=CONNECTION_S))
        except Exception:  # the connection is lost, which the next job says
            workers = 0
        return max(workers, FEWEST_SEARCHES)

    def stop(self) -> None:
        """As `Executor.stop`. What workers have begun, they compute to its end."""
        super().stop()
        self._client.close()
        _DASK_LOG.setLevel(self._log_level)

    def submit(self, job: Job[T], place: int = 0) -> _Task[T]:
        """As `Executor.submit`."""
        with self._gate:
            self.check_running()
            task = _Task(self, job, place)
            self._pending.add(task)
            return task

    def submitted(self, job: Job[T], place: int) -> Any:
        """The Dask future of a job."""
        try:
            return self._client.submit(
                carrier(),
                self._problem_there,
                packed(self._sent, job),
                code_here(),
                pure=False,
                priority=-place,
            )
        except Exception as error:  # Dask has several classes of error for it
            if self._client.status == "running":
                raise
            raise self.lost() from error

    def is_alone(self, task: _Task[Any]) -> bool:
        """Whether no other job is being done."""
        return self._pending <= {task}

    @contextmanager
    def alone(self, task: _Task[Any]) -> Iterator[None]:
        """Let no other job be done while the block runs; those that have begun are waited for."""
        with self._gate:
            for other in [each for each in list(self._pending) if each is not task]:
                other.wait()
            yield

    def forget(self, task: _Task[Any]) -> None:
        """The job has ended."""
        self._pending.discard(task)

    def lost(self) -> Exception:
        """What is to be raised where Dask says that a job was cancelled."""
        if self._is_stopped:
            return WorkStopped()
        return InputError(
            f"scheduler: the connection to {self.scheduler} is lost; finished trials are recorded: "
            "run again to resume"
        )


class _Task(Generic[T]):
    """One job on the cluster; see `Pending`."""

    def __init__(self, cluster: Cluster, job: Job[T], place: int) -> None:
        self._cluster, self._job, self._place = cluster, job, place
        self._was_alone = cluster.is_alone(self)
        self.future = cluster.submitted(job, place)

    def result(self) -> T:
        """As `Pending.result`.

        Dask tries again where a worker died, and gives up after `MOST_RETRIES` more. It blames all the
        candidates that the worker had been given, so one that was not alone has another try without
        the others.
        """
        try:
            return self._result()
        except (concurrent.futures.CancelledError, asyncio.CancelledError) as error:
            raise self._cluster.lost() from error
        except Exception:
            self._cluster.check_running()  # a client that is closed raises all sorts of errors
            raise
        finally:
            self._cluster.forget(self)

    def _result(self) -> T:
        from distributed import KilledWorker

        try:
            return self._given()
        except KilledWorker as error:
            if self._was_alone and self._cluster.is_alone(self):
                raise WorkerDied from error
        with self._cluster.alone(self):
            self.future = self._cluster.submitted(self._job, self._place)
            try:
                return self._given()
            except KilledWorker as error:
                raise WorkerDied from error

    def _given(self) -> T:
        """What a worker gives, or raises."""
        refusal, given = self._carried()
        if refusal:
            raise InputError(f"scheduler: {refusal}; install there what is installed here")
        return given

    def _carried(self) -> tuple[str, T]:
        """What `carrier` gives in a worker, or raises."""
        while True:
            try:
                carried: tuple[str, T] = self.future.result(LOOK_S)
                return carried
            except TimeoutError:
                if self.future.status == "error":  # maybe it is the job's own
                    carried = self.future.result(LOOK_S)
                    return carried
                self._cluster.check_running()

    def wait(self) -> None:
        """Wait until it has ended, whatever comes of it."""
        while not self.future.done():
            self._cluster.check_running()
            time.sleep(PAUSE_S)

    def done(self) -> bool:
        """As `Pending.done`; a job that has failed may have another try."""
        return bool(self.future.status == "finished")

    def cancel(self) -> None:
        """As `Pending.cancel`."""
        self._cluster.forget(self)
        self.future.release()  # to cancel it, one would have to wait for Dask's client
