"""The record of one search: an Optuna study that keeps every evaluation, and heals itself."""

from __future__ import annotations

import json
import logging
import os
import platform
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from math import fsum
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation, oracle_seconds
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question

_log = logging.getLogger(__name__)

#: A worker says this often that it is alive, and is taken for dead after missing ten.
HEARTBEAT_S = 15.0
DEAD_AFTER_S = 10 * HEARTBEAT_S
#: A trial that was claimed but whose worker never gave its name (killed in between) is dead after this.
UNCLAIMED_AFTER_S = 5.0
#: Prefix of the study's user attributes that keep answers beside accuracies; the question's digest
#: follows.
KNOWLEDGE = "knowledge/"


@dataclass(frozen=True)
class Recorded:
    """One finished trial read back."""

    number: int
    evaluation: Evaluation
    finished_at: float


class Record:
    """Evaluations of one (problem, strategy, seed) in an Optuna study.

    One trial a candidate: a categorical parameter for each unit that has a choice, objectives as
    values, violations as named constraints, everything else as user attributes. Optuna's own plots,
    importances and dashboard read it unchanged.
    """

    def __init__(self, problem: Problem, study: optuna.Study) -> None:
        self.problem = problem
        self.study = study
        self._read: dict[int, Recorded] = {}

    @staticmethod
    def open(
        problem: Problem,
        name: str,
        storage: optuna.storages.BaseStorage,
        specification: dict[str, Any],
    ) -> Record:
        """Create the study, or open the existing one if it answers the same question.

        Args:
            problem: the question.
            name: of the Optuna study.
            storage: any Optuna storage.
            specification: plain data that decides every result (digests of workload, system, oracle;
                strategy, seed, ...). Kept with the study, compared on resume.

        Raises:
            InputError: the record was made for another specification; says what differs.
        """
        study = optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["minimize"] * len(problem.objectives),
            sampler=_unused_sampler(),
            load_if_exists=True,
        )
        if "specification" not in study.user_attrs:
            with warnings.catch_warnings():  # Optuna still calls names of objectives experimental
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                study.set_metric_names(list(problem.objectives))
            study.set_user_attr("specification", specification)
            study.set_user_attr("versions", versions())
        return Record(problem, _same_question(study, specification))

    @staticmethod
    def existing(
        problem: Problem,
        name: str,
        storage: optuna.storages.BaseStorage,
        specification: dict[str, Any],
    ) -> Record | None:
        """As `open`, but None where there is no such study; writes nothing."""
        try:
            study = optuna.load_study(study_name=name, storage=storage, sampler=_unused_sampler())
        except KeyError:
            return None
        if "specification" not in study.user_attrs:  # killed before its first line was written
            return None
        return Record(problem, _same_question(study, specification))

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """One categorical distribution for each unit that has a choice."""
        return {
            unit.name: CategoricalDistribution(self.problem.choices[unit.name])
            for unit in self.problem.units
        }

    def finished(self) -> list[Recorded]:
        """All completed evaluations, in the order in which they were proposed."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            if trial.number not in self._read:
                self._read[trial.number] = self._read_back(trial)
        return sorted(self._read.values(), key=lambda one: one.number)

    def evaluations(self) -> list[Evaluation]:
        """Everything in the record, in the order in which it was proposed."""
        return [one.evaluation for one in self.finished()]

    def known(self) -> dict[str, Evaluation]:
        """Candidate digest -> evaluation, for everything that is answered."""
        return {one.evaluation.candidate.digest: one.evaluation for one in self.finished()}

    def ask(self, question: Question) -> Answer:
        """The problem's answer to a question beside accuracy, kept: read back if it is there."""
        answer = self.knowledge(question)
        if answer is None:
            answer = self.problem.ask(question)
            said = {"question": question.what, **vars(question), **vars(answer)}
            self.study.set_user_attr(KNOWLEDGE + question.digest, said)
        return answer

    def knowledge(self, question: Question) -> Answer | None:
        """The recorded answer; None if it was not asked yet."""
        return knowledge(self.study, question)

    @property
    def knowledge_s(self) -> float:
        """Oracle seconds of all recorded answers beside accuracies."""
        attributes = self.study.user_attrs.items()
        return fsum(said["oracle_s"] for name, said in attributes if name.startswith(KNOWLEDGE))

    @property
    def oracle_s(self) -> float:
        """Oracle seconds of everything in the record."""
        return oracle_seconds(self.evaluations()) + self.knowledge_s

    def enqueue(self, candidates: list[Candidate]) -> None:
        """Queue what is neither answered, queued nor running, for this process or any worker."""
        alive = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING)
        there = {
            trial.user_attrs.get("digest")
            for trial in self.study.get_trials(deepcopy=False, states=alive)
        }
        for candidate in candidates:
            if candidate.digest in there:
                continue
            there.add(candidate.digest)
            parameters = {unit: candidate.mapping[unit] for unit in self.distributions}
            attributes = {"digest": candidate.digest, "lineage": candidate.to_json()}
            self.study.enqueue_trial(parameters, user_attrs=attributes)

    def work(self, on_start: Callable[[Candidate], None] = lambda _: None) -> bool:
        """Evaluate the next queued trial, if there is one; False if nothing is queued.

        A trial that is interrupted or that raises ends as failed and may be queued again.
        """
        if not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            return False
        trial = self.study.ask(self.distributions)
        if "lineage" not in trial.user_attrs:  # another worker was faster; Optuna made a new trial
            self.study.tell(trial, state=TrialState.FAIL)
            return True
        candidate = Candidate.from_json(trial.user_attrs["lineage"])
        # SQLite lets two processes claim one trial in the same moment: both find the same answer, and
        # whoever is second finds the trial finished.
        with suppress(UpdateFinishedTrialError), heartbeat(lambda: _sign(trial)):
            try:
                on_start(candidate)
                evaluation = self.problem.evaluate(candidate)
            except BaseException as error:
                with suppress(UpdateFinishedTrialError):
                    trial.set_user_attr("failure", repr(error))
                    self.study.tell(trial, state=TrialState.FAIL)
                raise
            self._write(trial, evaluation)
        return True

    def heal(self) -> int:
        """Fail trials left running by dead processes, so that they are queued again; how many."""
        healed = 0
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            reason = _death(trial)
            if reason:
                with suppress(UpdateFinishedTrialError):  # it ended after all
                    self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
                    healed += 1
        return healed

    def pending(self) -> int:
        """Trials queued or running, here or elsewhere."""
        states = (TrialState.WAITING, TrialState.RUNNING)
        return len(self.study.get_trials(deepcopy=False, states=states))

    def _write(self, trial: Trial, evaluation: Evaluation) -> None:
        accuracy = evaluation.accuracy
        attributes: dict[str, Any] = {
            "latency_s": evaluation.cost.latency_s,
            "energy_j": evaluation.cost.energy_j,
            "analog_mac_ratio": self.problem.analog_mac_ratio(evaluation.mapping),
            "tiles": evaluation.cost.tiles,
            "breakdown": {
                layer.name: [layer.latency_s, layer.energy_j] for layer in evaluation.cost.layers
            },
            "oracle_s": evaluation.oracle_s,
            "oracle_seed": self.problem.seed,
            "training": evaluation.candidate.training or self.problem.training,
        }
        if accuracy is not None:
            attributes["accuracy"] = accuracy.to_json()
            attributes["draws"] = len(accuracy.samples)
        for key, value in attributes.items():
            trial.set_user_attr(key, value)
        for name, violation in evaluation.violations.items():
            trial.set_constraint(name, violation)
        self.study.tell(trial, list(evaluation.objectives.values()), skip_if_finished=True)

    def _read_back(self, trial: FrozenTrial) -> Recorded:
        candidate = Candidate.from_json(trial.user_attrs["lineage"])
        accuracy = None
        if "accuracy" in trial.user_attrs:
            accuracy = Accuracy.from_json(trial.user_attrs["accuracy"])
        evaluation = self.problem.evaluation(candidate, accuracy)
        if not np.allclose(list(evaluation.objectives.values()), trial.values, rtol=1e-9, atol=0):
            raise InputError(
                f"trial {trial.number} of study {self.study.study_name!r}: recorded objectives "
                f"{trial.values}, computed now {list(evaluation.objectives.values())}: the cost model "
                "has changed since the record was made; use its version or start a new study"
            )
        finished = trial.datetime_complete
        return Recorded(trial.number, evaluation, finished.timestamp() if finished else 0.0)


def studies_of(storage: optuna.storages.BaseStorage, part: dict[str, Any]) -> list[optuna.Study]:
    """Studies of a storage whose specification agrees with `part` in all that `part` says."""
    part = json.loads(json.dumps(part))
    return [
        optuna.load_study(study_name=one.study_name, storage=storage, sampler=_unused_sampler())
        for one in optuna.get_all_study_summaries(storage, include_best_trial=False)
        if not differences(
            part, {k: v for k, v in one.user_attrs.get("specification", {}).items() if k in part}
        )
    ]


def answers(study: optuna.Study, training: Training) -> Iterator[tuple[Candidate, Accuracy]]:
    """What a study's oracle said of each candidate, its trainings said.

    Args:
        study: of a record.
        training: where neither the candidate nor the study's specification says one.
    """
    usual = study.user_attrs["specification"].get("training", training)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if "accuracy" in trial.user_attrs:
            candidate = Candidate.from_json(trial.user_attrs["lineage"])
            yield candidate.resolved(usual), Accuracy.from_json(trial.user_attrs["accuracy"])


def knowledge(study: optuna.Study, question: Question) -> Answer | None:
    """The answer that a study recorded; None if it was not asked."""
    said = study.user_attrs.get(KNOWLEDGE + question.digest)
    return said and Answer(values=said["values"], oracle_s=said["oracle_s"])


def _unused_sampler() -> optuna.samplers.BaseSampler:
    """Strategies propose everything; Optuna would otherwise set up a default one."""
    return optuna.samplers.RandomSampler(seed=0)


def _same_question(study: optuna.Study, specification: dict[str, Any]) -> optuna.Study:
    recorded = study.user_attrs["specification"]
    now = json.loads(json.dumps(specification))  # tuples become lists, as in the storage
    if differs := "; ".join(differences(recorded, now)):
        raise InputError(
            f"study {study.study_name!r} was recorded for another question and is left as it is; "
            f"{differs}. Change it back, or give the run another label or the study another storage"
        )
    return study


def versions() -> dict[str, str]:
    """Versions that results may depend on, for the reader of a record; not compared on resume."""
    names = ("lionheart_opt", "optuna", "torch", "aihwkit", "numpy", "scipy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


def differences(
    a: dict[str, Any],
    b: dict[str, Any],
    path: str = "",
    names: tuple[str, str] = ("recorded", "now"),
) -> list[str]:
    """`key: recorded X, now Y` for every leaf that differs; a missing key is as good as None."""
    lines: list[str] = []
    for key in sorted({*a, *b}):
        old, new = a.get(key), b.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += differences(old, new, f"{path}{key}.", names)
        elif old != new:
            lines.append(f"{path}{key}: {names[0]} {old!r}, {names[1]} {new!r}")
    return lines


@contextmanager
def heartbeat(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` at once and every `HEARTBEAT_S` while the block runs; works with any storage.

    A beat that fails is logged and the next one tried: a database that is locked or out of reach for
    a moment must not make a living worker look dead.
    """
    stop = threading.Event()

    def keep_beating() -> None:
        while not stop.wait(HEARTBEAT_S):
            try:
                beat()
            except UpdateFinishedTrialError:  # another process finished the trial
                return
            except Exception as error:  # whatever the storage raises
                _log.warning("heartbeat failed, will be tried again: %s", error)

    beat()
    thread = threading.Thread(target=keep_beating, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _sign(trial: Trial) -> None:
    """Write who works on the trial, and when it was last seen alive."""
    me = {"host": socket.gethostname(), "pid": os.getpid(), "beat": time.time()}
    trial.set_user_attr("worker", me)


def _death(trial: FrozenTrial) -> str:
    """Why the process of a running trial must be dead; empty if it may be alive."""
    worker = trial.user_attrs.get("worker")
    now = time.time()
    if worker is None:
        started = trial.datetime_start
        lost = started is None or now - started.timestamp() > UNCLAIMED_AFTER_S
        return "claimed by a process that ended at once" if lost else ""
    if worker["host"] == socket.gethostname():
        if worker["pid"] == os.getpid():
            return "left by an earlier attempt of this process"
        if not is_alive(worker["pid"]):
            return f"process {worker['pid']} has ended"
    return "" if now - worker["beat"] < DEAD_AFTER_S else "no heartbeat"


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
