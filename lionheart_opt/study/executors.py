"""Where candidates are evaluated: in this process, or in several worker processes of this machine."""

from __future__ import annotations

import itertools
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from queue import Empty, LifoQueue, PriorityQueue
from typing import Any, Self, TypeVar

from lionheart_opt.accuracy import Accuracy, ChecksFinally, Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.signals import held_back
from lionheart_opt.study.pending import Pending, WorkerDied, WorkStopped
from lionheart_opt.study.recorded_oracle import NotRecorded, RecordedOracle
from lionheart_opt.study.split import SplitEvaluation, can_be_split
from lionheart_opt.study.worker import Ask, CheckFinally, Evaluate, Job, SentProblem
from lionheart_opt.study.worker_process import Parcel, WorkerProcess

#: A candidate whose worker died, or that ran out of memory, is tried again this often.
MOST_RETRIES = 3
#: Why such a candidate has failed.
DIED = f"its worker process died {MOST_RETRIES + 1} times (killed, or out of memory)"
NO_MEMORY = f"it ran out of memory {MOST_RETRIES + 1} times"

Answers = Generator[Evaluation, None, None]
T = TypeVar("T")


class Executor(ABC):
    """Worker processes that work for one problem, for several searches at once.

    Use it as a context manager; its methods may be called from several threads. What records hold is
    copied, and not sent to a worker. A candidate that several searches ask for at once is evaluated once.
    Of candidates that wait, those that come first in their batches are evaluated first, so that no
    search waits for the whole batch of another one.

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
        self._shared: dict[str, _Shared] = {}
        self._sharing = threading.Lock()
        self._is_stopped = False
        #: Called with what an oracle says of a training in a worker of this machine.
        self.hear: Callable[[str], None] = _unheard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with held_back():
            self.stop()

    @property
    @abstractmethod
    def at_once(self) -> int:
        """Number of searches that are to share it."""

    @abstractmethod
    def submit(self, job: Job[T], place: int = 0) -> Pending[T]:
        """Ask for a job; of those that wait, the ones with the least `place` are done first."""

    def stop(self) -> None:
        """Give up what is being done, at once. Who waits for it gets `WorkStopped`."""
        self._is_stopped = True

    def check_running(self) -> None:
        """Raise `WorkStopped` if it has been stopped."""
        if self._is_stopped:
            raise WorkStopped

    def evaluate(
        self, candidates: Sequence[Candidate], left: list[Evaluation] | None = None
    ) -> Answers:
        """Evaluate candidates side by side; the answers come in the order of the candidates.

        A candidate whose worker dies is tried again, `MOST_RETRIES` times at most; then its evaluation
        says that it has failed. What has not been started when the generator is closed is not evaluated.

        Args:
            candidates: The candidates.
            left: Gets what workers have finished when the generator is closed before its turn.

        Raises:
            InputError: The problem cannot be rebuilt in a worker process, or worker processes cannot be
                started.
            WorkStopped: The executor has been stopped.
        """
        answers = [
            self._recorded(candidate) or self._ask_for(candidate, place, len(candidates))
            for place, candidate in enumerate(candidates)
        ]
        try:
            for number, (candidate, answer) in enumerate(zip(candidates, answers, strict=True)):
                self.check_running()
                if isinstance(answer, Evaluation):
                    yield answer
                    continue
                evaluation = replace(answer.result(), candidate=candidate)
                if self._records is not None and evaluation.accuracy is not None:
                    resolved = self._problem.resolved(candidate)
                    self._records.remember(resolved, evaluation.accuracy)
                answer.leave()
                answers[number] = evaluation
                yield evaluation
        finally:
            for candidate, answer in zip(candidates, answers, strict=True):
                if isinstance(answer, Evaluation):
                    continue
                if left is not None and (finished := answer.finished()):
                    left.append(replace(finished, candidate=candidate))
                answer.leave()

    def ask(self, question: Question) -> Answer:
        """The oracle's answer to a question beside accuracy.

        Raises:
            InputError: The oracle does not answer such questions.
        """
        copied = self._records.copied(question, self._problem.seed) if self._records else None
        return copied or self._done(Ask(question))

    def checking(self, oracle: object) -> object:
        """An oracle whose final checks the workers make; the oracle itself if it has none."""
        return _Checking(self._done) if isinstance(oracle, ChecksFinally) else oracle

    def _done(self, job: Job[T]) -> T:
        try:
            return self.submit(job).result()
        except WorkerDied:
            raise RuntimeError(f"workers: {job!r}: {DIED}") from None

    def _ask_for(self, candidate: Candidate, place: int, of: int) -> _Shared:
        key = self._problem.resolved(candidate).digest
        with self._sharing:
            shared = self._shared.get(key)
            if shared is None:
                shared = self._shared[key] = _Shared(
                    self, key, candidate, self._begun(candidate, place, of)
                )
            shared.users += 1
            return shared

    def _begun(self, candidate: Candidate, place: int, of: int) -> Pending[Evaluation]:
        """The evaluation of one of so many candidates; the draws of a single one are split."""
        if of > 1 or self.at_once < 2 or not can_be_split(self._problem, candidate):
            return self.submit(Evaluate(candidate), place)
        return SplitEvaluation(self._problem, candidate, self.at_once, self.submit)

    def tried(self, candidate: Candidate, pending: Pending[Evaluation]) -> Evaluation:
        """The evaluation that a worker is asked for; tried again where there was too little memory."""
        for retries in range(MOST_RETRIES + 1):
            try:
                return pending.result()
            except WorkerDied:
                return self._problem.evaluation(candidate, None, DIED)
            except MemoryError:
                if retries < MOST_RETRIES:
                    pending = self.submit(Evaluate(candidate))
        return self._problem.evaluation(candidate, None, NO_MEMORY)

    def leave(self, key: str, shared: _Shared) -> None:
        """One of those who wait for an evaluation does so no more."""
        with self._sharing:
            shared.users -= 1
            if not shared.users:
                del self._shared[key]
                shared.pending.cancel()

    def _recorded(self, candidate: Candidate) -> Evaluation | None:
        """The evaluation, if records hold all of it."""
        if self._records is None:
            return None
        try:
            return replace(self._problem, oracle=self._records.records_only()).evaluate(candidate)
        except NotRecorded:
            return None


class _Shared:
    """An evaluation that several searches may wait for."""

    def __init__(
        self, executor: Executor, key: str, candidate: Candidate, pending: Pending[Evaluation]
    ) -> None:
        self._executor, self._key, self._candidate = executor, key, candidate
        self.pending = pending
        self.users = 0
        self._waiting = threading.Lock()
        self._evaluation: Evaluation | None = None

    def result(self) -> Evaluation:
        """Wait for it."""
        with self._waiting:
            if self._evaluation is None:
                self._evaluation = self._executor.tried(self._candidate, self.pending)
            return self._evaluation

    def finished(self) -> Evaluation | None:
        """It, if a worker has given it."""
        if self._evaluation is None and self.pending.done():
            with suppress(Exception):  # the worker has died, or was stopped
                return self.pending.result()
        return self._evaluation

    def leave(self) -> None:
        """Wait for it no more."""
        self._executor.leave(self._key, self)


@dataclass(frozen=True)
class _Checking:
    """The final checks of an oracle, made by workers; see `ChecksFinally`."""

    done: Callable[[Job[dict[str, Accuracy]]], dict[str, Accuracy]]

    def final_checks(
        self, candidate: Candidate, fidelity: Fidelity, seed: int
    ) -> dict[str, Accuracy]:
        return self.done(CheckFinally(candidate, fidelity, seed))


class Workers(Executor):
    """Worker processes of this machine, one thread each.

    A worker is started, with a copy of the problem, when there is a job for it and the others are busy.
    Networks and plug-ins that are defined in a notebook, in the main script or beside a study travel with
    it. On leaving the context, workers that are still busy are stopped.

    Args:
        problem: The problem whose candidates are evaluated.
        count: Largest number of processes, at least 1.

    Raises:
        InputError: The problem cannot be sent to another process.
    """

    def __init__(self, problem: Problem, count: int) -> None:
        super().__init__(problem)
        self.count = count
        self._parcel = Parcel(self._sent)
        self._numbers = itertools.count()
        self._waiting: PriorityQueue[tuple[int, int, Future[Any], Job[Any]]] = PriorityQueue()
        self._idle: LifoQueue[WorkerProcess] = LifoQueue()
        self._lock = threading.Lock()
        self._processes = set[WorkerProcess]()
        self._threads = [threading.Thread(target=self._do_jobs, daemon=True) for _ in range(count)]
        for thread in self._threads:  # each uses one process
            thread.start()

    def __repr__(self) -> str:
        return f"Workers({self.count} processes for {self._problem!r})"

    @property
    def at_once(self) -> int:
        """As `Executor.at_once`: each search keeps one process busy at least."""
        return self.count

    def stop(self) -> None:
        """As `Executor.stop`."""
        with self._lock:
            super().stop()
        for process in self._processes:
            process.kill()
        for _ in self._threads:
            self._waiting.put((-1, next(self._numbers), Future(), _nothing))
        for thread in self._threads:
            thread.join()
        self._parcel.close()
        while not self._waiting.empty():
            future = self._waiting.get()[2]
            if future.set_running_or_notify_cancel():
                future.set_exception(WorkStopped())

    def submit(self, job: Job[T], place: int = 0) -> Future[T]:
        """As `Executor.submit`."""
        future: Future[T] = Future()
        with self._lock:
            if self._is_stopped:
                future.set_exception(WorkStopped())
            else:
                self._waiting.put((place, next(self._numbers), future, job))
        return future

    def _do_jobs(self) -> None:
        while True:
            _, _, future, job = self._waiting.get()
            if self._is_stopped:
                if future.set_running_or_notify_cancel():
                    future.set_exception(WorkStopped())
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._try(job))
            except BaseException as error:  # whoever waits for it gets it
                future.set_exception(WorkStopped() if self._is_stopped else error)

    def _try(self, job: Job[T]) -> T:
        """Do a job in the next idle process, and in others if that dies."""
        deaths = failed_starts = 0
        while deaths <= MOST_RETRIES:
            process = self._process()
            is_ready = False
            try:
                process.ready.result()
                is_ready = True
                return process.work(job, self.hear)
            except BrokenProcessPool as error:
                self.check_running()
                deaths += is_ready
                failed_starts += not is_ready
                process = self._started(process)
                if failed_starts > MOST_RETRIES:
                    raise InputError(
                        "workers: processes end as soon as they start (killed, or out of memory); "
                        "finished trials are recorded: run again to resume, with fewer workers"
                    ) from error
            finally:
                self._idle.put(process)
        raise WorkerDied

    def _process(self) -> WorkerProcess:
        """An idle process, or a new one: each thread uses one at most."""
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._started()

    def _started(self, dead: WorkerProcess | None = None) -> WorkerProcess:
        """A new process, perhaps instead of one that has died."""
        with self._lock:
            self.check_running()
            if dead is not None:
                self._processes.remove(dead)
                dead.kill()
            process = WorkerProcess(self._parcel)
            self._processes.add(process)
            return process


def _unheard(text: str) -> None:
    """Shows nothing."""


def _nothing(problem: Problem) -> None:
    """A job that ends a thread."""


def in_process(problem: Problem, candidates: Sequence[Candidate]) -> Answers:
    """Evaluate candidates one after the other in this process."""
    problem.expect(candidates)
    for candidate in candidates:
        for _ in range(MOST_RETRIES + 1):
            try:
                answer = Evaluate(candidate)(problem)
                break
            except MemoryError:
                continue
        else:
            answer = problem.evaluation(candidate, None, NO_MEMORY)
        yield answer
