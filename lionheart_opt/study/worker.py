"""What a worker process does: it builds the problem once and evaluates one candidate at a time."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import cloudpickle
from loky import process_executor

from lionheart_opt.accuracy import Accuracy, ChecksFinally, Fidelity, ReportsTraining
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.own_errors import note_place
from lionheart_opt.own_modules import beside, current_folder, own_modules
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question, consult

#: What a worker ignores: the driver, which gets these signals, too, ends its workers itself.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: A worker looks this often whether the process that started it still runs.
PARENT_POLL_S = 1.0
#: Problems that a worker of a cluster keeps built.
MOST_PROBLEMS = 4
#: What torch says when there is no memory left; its class of error is that of any other fault.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


T = TypeVar("T")
#: What a worker is asked to do with a problem.
Job = Callable[[Problem], T]


@dataclass(frozen=True)
class SentProblem:
    """A problem on its way to worker processes.

    Args:
        pickled: The problem.
        folder: The folder of the study that is run; None where there is none.
        token: Tells problems apart.
    """

    pickled: bytes = field(compare=False, repr=False)
    folder: Path | None = field(compare=False)
    token: str = field(default_factory=lambda: uuid4().hex)

    @staticmethod
    def of(problem: Problem) -> SentProblem:
        """Pickle a problem, with the networks and plug-ins that workers cannot import.

        Raises:
            InputError: The problem cannot be sent to another process.
        """
        for module in own_modules():
            cloudpickle.register_pickle_by_value(module)
        try:
            pickled = cloudpickle.dumps(problem)
        except Exception as error:  # whatever the user's objects raise
            raise InputError(
                f"workers: the problem cannot be sent to other processes ({error}); use workers=1"
            ) from error
        return SentProblem(pickled, current_folder())


@dataclass(frozen=True)
class Evaluate:
    """A job: evaluate a candidate.

    Raises:
        MemoryError: There is not enough memory, whatever torch calls that.
    """

    candidate: Candidate

    def __call__(self, problem: Problem) -> Evaluation:
        """Do it."""
        try:
            return problem.evaluate(self.candidate)
        except RuntimeError as error:
            if any(words in str(error) for words in _OUT_OF_MEMORY):
                raise MemoryError(str(error)) from error
            raise


@dataclass(frozen=True)
class Ask:
    """A job: ask the oracle a question beside accuracy."""

    question: Question

    def __call__(self, problem: Problem) -> Answer:
        """Do it."""
        return consult(problem.oracle, self.question, problem.seed)


@dataclass(frozen=True)
class CheckFinally:
    """A job: measure a finalist once more; see `ChecksFinally.final_checks`."""

    candidate: Candidate
    fidelity: Fidelity
    seed: int

    def __call__(self, problem: Problem) -> dict[str, Accuracy]:
        """Do it."""
        assert isinstance(problem.oracle, ChecksFinally)
        return problem.oracle.final_checks(self.candidate, self.fidelity, self.seed)


#: The problem of this process, which is a worker of one study.
_sent: SentProblem | None = None
#: The files that it writes to: how far a training is, and its answer to a job.
_said: Path | None = None
_answered: Path | None = None


def start(parcel: Path, parent: int, said: Path, answered: Path) -> None:
    """Set up a worker process of this machine, which works for one study.

    Args:
        parcel: The file that holds the problem, a `SentProblem`.
        parent: The process that started it.
        said: The file that holds what its oracle said last of a training.
        answered: The file that holds its answer to the last job.
    """
    global _sent, _said, _answered
    # loky would replace a worker that has grown by 300 MB, which any network and its data do
    process_executor._MAX_MEMORY_LEAK_SIZE = sys.maxsize
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    try:
        _sent, _said, _answered = pickle.loads(parcel.read_bytes()), said, answered
    except FileNotFoundError:  # the process that started this one has gone
        os._exit(1)
    threading.Thread(target=end_with, args=(parent,), daemon=True).start()


def end_with(parent: int) -> None:
    """End this process when the one that started it has gone, even if that was killed."""
    while os.getppid() == parent:
        time.sleep(PARENT_POLL_S)
    os._exit(1)


def get_ready() -> None:
    """Build the problem of this process."""
    assert _sent is not None, "a worker without a problem"
    with beside(_sent.folder) if _sent.folder else nullcontext():
        oracle = _built(_sent).oracle
    if isinstance(oracle, ReportsTraining) and _said is not None:
        oracle.watch(partial(_say, _said))


def _say(said: Path, text: str) -> None:
    with suppress(OSError):  # a full disk does not matter
        said.write_text(text)


def work(job: Job[Any]) -> None:
    """Do a job for the problem of this process, and write the answer to its file."""
    assert _sent is not None and _answered is not None, "a worker without a problem"
    answer = work_for(_sent, job, threads=1)
    with _answered.open("wb") as file:
        cloudpickle.dump(answer, file)


#: Held while a candidate is evaluated: threads of a process would share torch's random numbers.
_one_at_a_time = threading.Lock()


def work_for(sent: SentProblem, job: Job[T], threads: int) -> T:
    """Do a job for any problem; the problem is built when it is first seen.

    Args:
        sent: The problem.
        job: The job.
        threads: Threads that torch and numba may use.

    Raises:
        InputError: The problem cannot be rebuilt in this process.
    """
    with _one_at_a_time, beside(sent.folder) if sent.folder else nullcontext():
        problem = _built(sent)
        _limit_threads(threads)
        try:
            return job(problem)
        except BaseException as error:  # such as a SystemExit of own code
            note_place(error)
            sendable = _sendable(error)
            if sendable is error:  # Dask follows causes, for ever where an error is its own
                raise
            raise sendable from error


@lru_cache(maxsize=MOST_PROBLEMS)
def _built(sent: SentProblem) -> Problem:
    try:
        problem: Problem = cloudpickle.loads(sent.pickled)
    except BaseException as error:  # whatever the user's objects raise
        raise InputError(
            f"workers: the problem cannot be rebuilt in another process ({error}); use workers=1"
        ) from error
    return problem


def _limit_threads(count: int) -> None:
    """Let torch and numba, where they are loaded, use this many threads from the calling one."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != count:
        torch.set_num_threads(count)
    numba: Any = sys.modules.get("numba")
    if numba is not None:
        numba.set_num_threads(min(count, numba.config.NUMBA_NUM_THREADS))


def _sendable(error: BaseException) -> Exception:
    """The error, or one with its name and message if it cannot be sent to another process.

    What is no `Exception` would end that process, or be taken for Ctrl-C there.
    """
    if isinstance(error, Exception):
        with suppress(Exception):  # whatever its class raises
            pickle.loads(pickle.dumps(error))
            return error
    sendable = RuntimeError(f"{type(error).__name__}: {error}")
    for note in getattr(error, "__notes__", ()):
        sendable.add_note(note)
    return sendable
