"""Where candidates are evaluated: in this process, or in several worker processes of this machine."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import cloudpickle
from loky import ProcessPoolExecutor

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.own_modules import beside, current_folder, own_modules
from lionheart_opt.problem import Problem
from lionheart_opt.study.recorded_oracle import NotRecorded, RecordedOracle

#: A worker looks this often whether the process that started it still runs.
PARENT_POLL_S = 1.0
#: Every worker computes with one thread: that is what several workers are for.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}

Answers = Generator[Evaluation, None, None]


class Workers:
    """Worker processes that evaluate candidates of one problem, one thread each.

    Each worker receives a copy of the problem when it starts. Networks and plug-ins that are defined in
    a notebook, in the main script or beside a study travel with it. Use it as a context manager: on
    leaving it, workers that are still busy are stopped.

    Args:
        problem: The problem whose candidates are evaluated.
        count: Number of processes, at least 1.

    Raises:
        InputError: The problem cannot be sent to another process.
    """

    def __init__(self, problem: Problem, count: int) -> None:
        self.count = count
        self._problem = problem
        self._records = problem.oracle if isinstance(problem.oracle, RecordedOracle) else None
        sent = replace(problem, oracle=self._records.oracle) if self._records else problem
        for module in own_modules():
            cloudpickle.register_pickle_by_value(module)
        try:
            pickled = cloudpickle.dumps(sent)
        except Exception as error:  # whatever the user's objects raise
            raise InputError(
                f"workers: the problem cannot be sent to other processes ({error}); use workers=1"
            ) from error
        self._executor = ProcessPoolExecutor(
            count,
            env=ONE_THREAD,
            initializer=_start,
            initargs=(pickled, os.getpid(), current_folder()),
        )

    def __repr__(self) -> str:
        return f"Workers({self.count} processes for {self._problem!r})"

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(kill_workers=True)

    def evaluate(self, candidates: Sequence[Candidate]) -> Answers:
        """Evaluate candidates side by side; the answers come in the order of the candidates.

        What records hold is copied. What has not been started when the generator is closed is not
        evaluated.

        Raises:
                InputError: The problem cannot be rebuilt in a worker process.
            RuntimeError: A worker process was killed.
        """
        answers = [self._recorded(candidate) or self._submit(candidate) for candidate in candidates]
        try:
            for candidate, answer in zip(candidates, answers, strict=True):
                if isinstance(answer, Evaluation):
                    yield answer
                    continue
                evaluation = answer.result()
                if self._records is not None and evaluation.accuracy is not None:
                    resolved = self._problem.resolved(candidate)
                    self._records.remember(resolved, evaluation.accuracy)
                yield evaluation
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a worker process has ended unexpectedly (killed, or out of memory); "
                "finished trials are recorded: run again to resume"
            ) from error
        finally:
            for answer in answers:
                if isinstance(answer, Future):
                    answer.cancel()

    def _submit(self, candidate: Candidate) -> Future[Evaluation]:
        future: Future[Evaluation] = self._executor.submit(_evaluate, candidate)
        return future

    def _recorded(self, candidate: Candidate) -> Evaluation | None:
        """The evaluation, if records hold all of it."""
        if self._records is None:
            return None
        try:
            return replace(self._problem, oracle=self._records.records_only()).evaluate(candidate)
        except NotRecorded:
            return None


def in_process(problem: Problem, candidates: Sequence[Candidate]) -> Answers:
    """Evaluate candidates one after the other in this process."""
    problem.expect(candidates)
    for candidate in candidates:
        yield problem.evaluate(candidate)


#: The problem of this worker process, or the error of rebuilding it.
_problem: Problem | InputError | None = None
#: Modules beside the study stay importable while the worker runs.
_stays_open = ExitStack()


def _start(pickled: bytes, parent: int, folder: Path | None) -> None:
    """Set up a worker process."""
    global _problem
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's to handle
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    if folder is not None:
        _stays_open.enter_context(beside(folder))
    try:
        _problem = cloudpickle.loads(pickled)
    except Exception as error:  # whatever the user's objects raise
        _problem = InputError(
            f"workers: the problem cannot be rebuilt in another process ({error}); use workers=1"
        )
    if torch := sys.modules.get("torch"):  # it has counted the cores by itself
        torch.set_num_threads(1)


def _end_with(parent: int) -> None:
    """End this process when the one that started it has gone, even if that was killed."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(1)


def _evaluate(candidate: Candidate) -> Evaluation:
    if isinstance(_problem, InputError):
        raise _problem
    assert _problem is not None, "a worker without a problem"
    try:
        return _problem.evaluate(candidate)
    except Exception as error:
        raise _sendable(error) from error


def _sendable(error: Exception) -> Exception:
    """The error, or one with its name and message if it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class raises
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
