"""A record kept as an Optuna study: one trial an evaluation, in any Optuna storage."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from math import fsum, isclose
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.study.claim import claimed
from lionheart_opt.study.record import Trial, plain_attributes
from lionheart_opt.study.specification import FORMAT, differences, remedy, versions

#: User attributes of the Optuna study.
CONTENTS = "contents"
SPECIFICATION, VERSIONS, RECORD_FORMAT = "specification", "versions", "format"
#: User attribute that counts the proposals answered, repeats included, until the last new one: a
#: strategy that has run dry repeats itself for ever.
PROPOSALS = "proposals"
#: Prefix of the user attributes with answers beside accuracy; the question's digest follows. Records of
#: format 1 have the same.
ANSWERS = "knowledge/"
#: Prefix of the user attributes with final checks; the candidate's digest follows.
CHECKS = "final/"


class OptunaKeeper:
    """Keeps a record in an Optuna study.

    A trial has a categorical parameter for each unit that has a choice, objectives as values,
    violations as named constraints, and everything else as user attributes; its duration is the oracle
    seconds that it cost. It is written in one piece.
    Optuna's own plots, importances and dashboard read it unchanged.

    Args:
        study: The Optuna study.
    """

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self._next_number: int | None = None

    def __repr__(self) -> str:
        return f"OptunaKeeper({self.name!r})"

    @staticmethod
    def open(
        problem: Problem,
        name: str,
        storage: optuna.storages.BaseStorage,
        specification: dict[str, Any],
        contents: dict[str, Any] | None = None,
    ) -> OptunaKeeper:
        """Create the study, or open the existing one if it answers the same question.

        Args:
            problem: The question.
            name: Name of the Optuna study.
            storage: Any Optuna storage.
            specification: Plain data that decides every result (digests of workload, system, oracle;
                strategy, seed, ...). It is kept with the study and compared on resume.
            contents: What the names in the specification stand for: identity of the oracle, with digests
                of weights, data and hardware. Kept and compared likewise, but not on reading, for which
                neither network nor data are needed.

        Raises:
            InputError: The record was made for another specification. The message says what differs.
        """
        # a journal would grow with every attempt to create what exists
        existing = OptunaKeeper.existing(name, storage, specification, contents or {})
        if existing is not None:
            return existing
        with _quiet():
            study = optuna.create_study(
                storage=storage,
                study_name=name,
                directions=["minimize"] * len(problem.objectives),
                sampler=_unused_sampler(),
                load_if_exists=True,
            )
        with warnings.catch_warnings():  # Optuna still calls names of objectives experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(problem.objectives))
        study.set_user_attr(RECORD_FORMAT, FORMAT)
        study.set_user_attr(VERSIONS, versions())
        study.set_user_attr(CONTENTS, contents or {})
        study.set_user_attr(SPECIFICATION, specification)
        return OptunaKeeper(study)

    @staticmethod
    def existing(
        name: str,
        storage: optuna.storages.BaseStorage,
        specification: dict[str, Any],
        contents: dict[str, Any] | None = None,
    ) -> OptunaKeeper | None:
        """As `open`, but None where there is no such study; it writes nothing.

        Contents are compared only where they are given.
        """
        try:
            study = optuna.load_study(study_name=name, storage=storage, sampler=_unused_sampler())
        except KeyError:
            return None
        if SPECIFICATION not in study.user_attrs:  # killed before its first line was written
            return None
        keeper = OptunaKeeper(_same_question(study, specification))
        if contents is not None:
            _check_contents(study, contents)
        return keeper

    @property
    def name(self) -> str:
        """Name of the Optuna study."""
        return self.study.study_name

    @property
    def has_contents(self) -> bool:
        """Whether it says what it was recorded with; records of older versions do not."""
        return CONTENTS in self.study.user_attrs

    def claimed(self) -> AbstractContextManager[None]:
        """As `Keeper.claimed`."""
        return claimed(self.study)

    def trials(self, problem: Problem) -> list[Trial]:
        """As `Keeper.trials`. Trials that never finished are left out.

        Raises:
            InputError: The problem's cost model gives other costs than those recorded.
        """
        finished = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return [
            Trial(trial.number, self._evaluation(problem, trial))
            for trial in sorted(finished, key=lambda trial: trial.number)
        ]

    def add(self, problem: Problem, evaluation: Evaluation) -> int:
        """As `Keeper.add`."""
        units = [unit.name for unit in problem.units]
        trial = create_trial(
            values=list(evaluation.objectives.values()),
            params={unit: evaluation.mapping[unit] for unit in units},
            distributions={unit: CategoricalDistribution(problem.choices[unit]) for unit in units},
            user_attrs=plain_attributes(problem, evaluation),
            constraints=evaluation.violations,
        )
        assert trial.datetime_complete is not None
        trial.datetime_start = trial.datetime_complete - timedelta(seconds=evaluation.oracle_s)
        if self._next_number is None:
            self._next_number = len(self.study.get_trials(deepcopy=False))
        self.study.add_trial(trial)
        self._next_number += 1
        return self._next_number - 1

    def answer(self, question: Question) -> Answer | None:
        """As `Keeper.answer`."""
        return recorded_answer(self.study, question)

    def add_answer(self, question: Question, answer: Answer) -> None:
        """As `Keeper.add_answer`."""
        said = {"question": question.what, "asked": vars(question), "answer": vars(answer)}
        self.study.set_user_attr(ANSWERS + question.digest, said)

    @property
    def answers_s(self) -> float:
        """As `Keeper.answers_s`."""
        return fsum(
            _answer(said).oracle_s
            for name, said in self.study.user_attrs.items()
            if name.startswith(ANSWERS)
        )

    @property
    def proposals(self) -> int | None:
        """As `Keeper.proposals`."""
        count: int | None = self.study.user_attrs.get(PROPOSALS)
        return count

    def set_proposals(self, count: int) -> None:
        """As `Keeper.set_proposals`."""
        self.study.set_user_attr(PROPOSALS, count)

    def checks(self) -> dict[str, dict[str, Accuracy]]:
        """As `Keeper.checks`."""
        return {
            name.removeprefix(CHECKS): {
                check: Accuracy.from_json(data) for check, data in checks.items()
            }
            for name, checks in self.study.user_attrs.items()
            if name.startswith(CHECKS)
        }

    def add_checks(self, digest: str, checks: dict[str, Accuracy]) -> None:
        """As `Keeper.add_checks`."""
        plain = {name: accuracy.to_json() for name, accuracy in checks.items()}
        self.study.set_user_attr(CHECKS + digest, plain)

    def _evaluation(self, problem: Problem, trial: FrozenTrial) -> Evaluation:
        candidate = Candidate.from_json(trial.user_attrs["lineage"])
        accuracy = None
        if "accuracy" in trial.user_attrs:
            accuracy = Accuracy.from_json(trial.user_attrs["accuracy"])
        evaluation = problem.evaluation(candidate, accuracy)
        now = {
            **evaluation.objectives,
            "latency_s": evaluation.cost.latency_s,
            "energy_j": evaluation.cost.energy_j,
        }
        recorded = {
            **{name: trial.user_attrs[name] for name in ("latency_s", "energy_j")},
            **dict(zip(evaluation.objectives, trial.values, strict=True)),
        }
        if any(not isclose(now[name], value, rel_tol=1e-9) for name, value in recorded.items()):
            lines = "; ".join(differences(recorded, {name: now[name] for name in recorded}))
            raise InputError(
                f"trial {trial.number} of study {self.name!r}: {lines}: the cost model "
                "has changed since the record was made; use its version or start a new study"
            )
        return evaluation


def studies_of(
    storage: optuna.storages.BaseStorage, part: dict[str, Any], contents: dict[str, Any]
) -> list[optuna.Study]:
    """Optuna studies of a storage that asked the same oracle.

    Records of a newer format are left out: this version may misread them.

    Args:
        storage: Any Optuna storage.
        part: What their specifications must agree with, in all that it says.
        contents: What their contents must agree with, in all that they say.
    """
    part, contents = json.loads(json.dumps([part, contents]))
    return [
        optuna.load_study(study_name=summary.study_name, storage=storage, sampler=_unused_sampler())
        for summary in optuna.get_all_study_summaries(storage, include_best_trial=False)
        if summary.user_attrs.get(RECORD_FORMAT, 1) <= FORMAT
        and _agree(summary.user_attrs.get(CONTENTS, {}), contents)
        and not differences(
            part,
            {
                key: value
                for key, value in summary.user_attrs.get(SPECIFICATION, {}).items()
                if key in part
            },
        )
    ]


def recorded_accuracies(
    study: optuna.Study, training: Training
) -> Iterator[tuple[Candidate, Accuracy]]:
    """Resolved candidates and their recorded accuracies.

    Of records that were made before the meaning of a training changed, only those without a training.

    Args:
        study: The Optuna study of a record.
        training: Used where neither the candidate nor the study's specification says one.
    """
    usual = study.user_attrs[SPECIFICATION].get("training", training)
    is_old = (
        CONTENTS not in study.user_attrs
    )  # its trainings mean something else, see `_check_contents`
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        if "accuracy" in trial.user_attrs:
            candidate = Candidate.from_json(trial.user_attrs["lineage"]).resolved(usual)
            if is_old and any(each.training != "none" for each in candidate.lineage):
                continue
            yield candidate, Accuracy.from_json(trial.user_attrs["accuracy"])


def recorded_answer(study: optuna.Study, question: Question) -> Answer | None:
    """The answer that a study recorded; None if the question was not asked."""
    said = study.user_attrs.get(ANSWERS + question.digest)
    return None if said is None else _answer(said)


def _answer(said: dict[str, Any]) -> Answer:
    plain = said.get("answer", said)  # format 1 has the fields of question and answer side by side
    return Answer(values=plain["values"], oracle_s=plain["oracle_s"])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from announcing every study on standard error."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def _unused_sampler() -> optuna.samplers.BaseSampler:
    """Strategies propose everything; Optuna would otherwise set up a default one."""
    return optuna.samplers.RandomSampler(seed=0)


def _agree(recorded: dict[str, Any], now: dict[str, Any]) -> bool:
    return not differences(recorded, {key: value for key, value in now.items() if key in recorded})


def _check_contents(study: optuna.Study, contents: dict[str, Any]) -> None:
    """Refuse to resume a record that other weights, data or hardware decide.

    Records that do not hold their contents were made when all trainings of a lineage saw the same
    batches (format 1 of `lionheart_opt.oracle.weights`).
    """
    now = json.loads(json.dumps(contents))
    recorded = study.user_attrs.get(CONTENTS)
    if recorded is None and now.get("format", 1) != 1:
        raise InputError(
            f"study {study.study_name!r}: it was recorded by an older version, in which every training "
            "of a lineage saw the same batches; resuming it would mix two oracles. Give the run another "
            "label or the study another storage; show, compare and plot still read it"
        )
    if recorded is not None and (differs := differences(recorded, now)):
        raise InputError(
            f"study {study.study_name!r} was recorded with another network, data or hardware: "
            f"{'; '.join(differs)}. Change them back, or give the run another label or the study another "
            "storage. The record was not changed"
        )


def _same_question(study: optuna.Study, specification: dict[str, Any]) -> optuna.Study:
    record_format = study.user_attrs.get(RECORD_FORMAT, 1)
    if record_format > FORMAT:
        raise InputError(
            f"study {study.study_name!r}: its record has format {record_format}; this version reads "
            f"up to {FORMAT}: install a newer lionheart_opt"
        )
    recorded = study.user_attrs[SPECIFICATION]
    now = json.loads(json.dumps(specification))  # tuples become lists, as in the storage
    if differs := differences(recorded, now):
        raise InputError(
            f"study {study.study_name!r} was recorded with other settings: {'; '.join(differs)}. "
            f"{remedy(differs)}. The record was not changed"
        )
    return study
