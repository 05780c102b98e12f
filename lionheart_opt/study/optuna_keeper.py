"""A record kept as an Optuna study: one trial an evaluation, in any Optuna storage."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from math import fsum
from pathlib import Path
from typing import Any

import optuna

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.artifacts import OutcomeStore, links
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question
from lionheart_opt.study.answers import ANSWERS, answer_of, recorded_answer
from lionheart_opt.study.claim import Claim, Held, claimed
from lionheart_opt.study.dashboard import write_note
from lionheart_opt.study.fence import NumberTaken
from lionheart_opt.study.finished_trials import count_trials, finished_trials
from lionheart_opt.study.packed_network import packed_network
from lionheart_opt.study.record import FAILED, Trial
from lionheart_opt.study.same_question import (
    CONTENTS,
    NETWORK,
    RECORD_FORMAT,
    SOURCES,
    SPECIFICATION,
    VERSIONS,
    check_contents,
    same_question,
)
from lionheart_opt.study.sources import Sources, check_sources, source_changes
from lionheart_opt.study.specification import FORMAT, versions, warn_of_other_versions
from lionheart_opt.study.storage import quiet, reading
from lionheart_opt.study.trials import NEEDED, OUTCOMES, evaluation_of, trial_of
from lionheart_opt.study.unwritten import ATTRIBUTES, Unwritten, packed
from lionheart_opt.workload import Workload

#: User attribute that counts the proposals answered, repeats included, until the last new one: a
#: strategy that has run dry repeats itself for ever.
PROPOSALS = "proposals"
#: User attribute that says whether the last run went to its end.
ENDED = "ended"
#: User attribute with what was measured of all-digital beside the trials.
DIGITAL = "all-digital"
#: User attributes with final checks (the candidate's digest follows), and the order of finalists.
CHECKS, ORDER = "final/", "final order"


class OptunaKeeper:
    """Keeps a record in an Optuna study.

    A trial has a categorical parameter for each unit that has a choice, objectives as values,
    violations as named constraints, and everything else as user attributes; its duration is the oracle
    seconds that it cost. It is written in one piece. Optuna's plots and dashboard read it unchanged.

    Args:
        study: The Optuna study.
        outcomes: Where it keeps which examples are right; None does not keep it.
    """

    def __init__(self, study: optuna.Study, outcomes: OutcomeStore | None = None) -> None:
        self.study = study
        self._outcomes = outcomes
        self._next_number: int | None = None
        self._claim: Claim | None = None
        self._unwritten = Unwritten()

    def __repr__(self) -> str:
        return f"OptunaKeeper({self.name!r})"

    @staticmethod
    def open(
        problem: Problem,
        name: str,
        storage: optuna.storages.BaseStorage,
        specification: dict[str, Any],
        contents: dict[str, Any] | None = None,
        sources: dict[str, Sources] | None = None,
        outcomes: OutcomeStore | None = None,
        text: str = "",
        network: Workload | None = None,
    ) -> OptunaKeeper:
        """Create the study, or open the existing one if it answers the same question.

        Args:
            problem: The question.
            name: Name of the Optuna study.
            storage: Any Optuna storage.
            specification: Plain data that decides every result (digests of workload, system, oracle;
                strategy, seed, ...). It is kept with the study and compared on resume.
            contents: What the names in the specification stand for: identity of the oracle, with digests
                of weights, data and hardware. Kept and compared likewise, but not on reading.
            sources: Sources of own plug-ins: `oracle`, `cost model`, `strategy`. Kept and compared
                likewise; on reading, a warning says what differs.
            outcomes: Where it keeps which examples are right.
            text: What it is to find out, for the dashboard.
            network: The traced network, for readers without torch.

        Raises:
            InputError: The record was made for another specification; the message says what differs.
        """
        about = {
            RECORD_FORMAT: FORMAT,
            VERSIONS: versions(),
            CONTENTS: contents or {},
            SOURCES: sources or {},
            NETWORK: packed_network(network) if network else None,
            SPECIFICATION: specification,  # the last: a record without it has not begun
        }
        while True:
            # a journal would grow with every attempt to create what exists
            existing = OptunaKeeper.existing(name, storage, specification, contents or {}, outcomes)
            if existing is not None:
                with reading(f"study {name!r}: its record cannot be read"):
                    check_sources(name, existing.study.user_attrs.get(SOURCES), sources or {})
                    warn_of_other_versions(name, existing.study.user_attrs.get(VERSIONS, {}))
                return existing
            with quiet(), writing(name):
                study = optuna.create_study(
                    storage=storage,
                    study_name=name,
                    directions=["minimize"] * len(problem.objectives),
                    sampler=unused_sampler(),
                    load_if_exists=True,
                )
                try:
                    _describe(study, problem, about, text)
                except Held:
                    if SPECIFICATION not in study.user_attrs:
                        raise

    @staticmethod
    def existing(
        name: str,
        storage: optuna.storages.BaseStorage,
        specification: dict[str, Any],
        contents: dict[str, Any] | None = None,
        outcomes: OutcomeStore | None = None,
    ) -> OptunaKeeper | None:
        """As `open`, but None where there is no such study; it writes nothing.

        Contents are compared only where they are given.
        """
        with reading(f"study {name!r}: its record cannot be read"):
            if name not in optuna.get_all_study_names(storage):
                return None
            study = optuna.load_study(study_name=name, storage=storage, sampler=unused_sampler())
            attributes = study.user_attrs
            if SPECIFICATION not in attributes:  # killed before its first line was written
                return None
            keeper = OptunaKeeper(same_question(study, specification), outcomes)
            if contents is not None:
                check_contents(study, contents)
            return keeper

    def warn_of_other_sources(self, sources: dict[str, Sources]) -> None:
        """Warn where plug-ins have changed since the record was made."""
        with self._reading():
            recorded = self.study.user_attrs.get(SOURCES)
            changes = [] if recorded is None else source_changes(recorded, sources)
        if changes:
            warnings.warn(
                f"study {self.name!r}: since it was recorded, {', '.join(changes)}", stacklevel=2
            )

    @property
    def name(self) -> str:
        """Name of the Optuna study."""
        return self.study.study_name

    @property
    def has_contents(self) -> bool:
        """Whether it says what it was recorded with; records of older versions do not."""
        return CONTENTS in self.study.user_attrs

    @contextmanager
    def claimed(self, *, wait: bool = False) -> Iterator[None]:
        """As `Keeper.claimed`."""
        with claimed(self.study, wait=wait) as self._claim:
            self._next_number = None
            try:
                self._take_up()
                yield
            finally:
                self._claim = None
                self._unwritten.remove_if_empty()

    def _take_up(self) -> None:
        """Read what earlier drivers could not write; what others have written since then stays."""
        with self._reading():
            said = self.study.user_attrs
        question = [self.name, *(said.get(each) for each in (SPECIFICATION, CONTENTS, SOURCES))]
        artifacts = self._outcomes.artifacts if self._outcomes else None
        self._unwritten = Unwritten.of(question, artifacts)
        for name, value in self._unwritten.attributes.items():
            recorded = said.get(name)
            if recorded is None:
                self._set(name, value)
            elif name.startswith(CHECKS) and set(value) > set(recorded):
                self._set(name, value | recorded)
        self._unwritten.attributes.clear()

    def trials(self, problem: Problem) -> list[Trial]:
        """As `Keeper.trials`. Trials that never finished are left out.

        A candidate that is there twice counts once: see `lionheart_opt.study.fence`.

        Raises:
            InputError: The record is damaged, or the problem's cost model gives other costs than those
                recorded.
        """
        trials: dict[str, Trial] = {}
        with self._reading():
            for trial in finished_trials(self.study, NEEDED):
                if not trial.has_failed or FAILED in trial.attributes:
                    evaluation = evaluation_of(problem, trial, self.name)
                    trials.setdefault(evaluation.candidate.digest, Trial(trial.number, evaluation))
                    self._unwritten.forget(evaluation.candidate)
        return list(trials.values())

    def add(self, problem: Problem, evaluation: Evaluation) -> int:
        """As `Keeper.add`."""
        with self._unwritten.keeping(lambda: packed(problem, [evaluation])):
            number = self._add(problem, evaluation)
        self._unwritten.forget(evaluation.candidate)
        return number

    def _add(self, problem: Problem, evaluation: Evaluation) -> int:
        trial = trial_of(problem, evaluation, self._kept(evaluation.accuracy))
        if self._next_number is None:
            with self._reading():
                self._next_number = count_trials(self.study)
        number, self._next_number = self._next_number, None
        try:
            with self._writing(number):
                self.study.add_trial(trial)
        except NumberTaken:  # by this trial, if a connection broke after it was written
            with self._reading():
                recorded = self.study.get_trials(deepcopy=False)[number]
            if recorded.user_attrs.get("digest") != evaluation.candidate.digest:
                return self._add(problem, evaluation)
        self._next_number = number + 1
        return number

    def set_aside(self, problem: Problem, evaluations: Sequence[Evaluation]) -> None:
        """As `Keeper.set_aside`."""
        self._unwritten.put(packed(problem, evaluations))

    def unwritten(self, problem: Problem, candidate: Candidate) -> Evaluation | None:
        """As `Keeper.unwritten`."""
        return self._unwritten.evaluation(problem, candidate, self.name)

    def answer(self, question: Question) -> Answer | None:
        """As `Keeper.answer`."""
        with self._reading():
            return recorded_answer(self.study, question)

    def add_answer(self, question: Question, answer: Answer) -> None:
        """As `Keeper.add_answer`."""
        said = {"question": question.what, "asked": vars(question), "answer": vars(answer)}
        self._set_measured(ANSWERS + question.digest, said)

    @property
    def answers_s(self) -> float:
        """As `Keeper.answers_s`."""
        with self._reading():
            return fsum(
                answer_of(said).oracle_s
                for name, said in self.study.user_attrs.items()
                if name.startswith(ANSWERS)
            )

    @property
    def proposals(self) -> int | None:
        """As `Keeper.proposals`."""
        with self._reading():
            count = self.study.user_attrs.get(PROPOSALS)
            return None if count is None else int(count)

    def set_proposals(self, count: int) -> None:
        """As `Keeper.set_proposals`."""
        self._set(PROPOSALS, count)

    @property
    def has_ended(self) -> bool | None:
        """As `Keeper.has_ended`."""
        with self._reading():
            has_ended: bool | None = self.study.user_attrs.get(ENDED)
            return has_ended

    def set_ended(self, has_ended: bool) -> None:
        """As `Keeper.set_ended`."""
        if self.has_ended is not has_ended:
            self._set(ENDED, has_ended)

    def digital(self) -> Accuracy | None:
        """As `Keeper.digital`."""
        with self._reading():
            data = self.study.user_attrs.get(DIGITAL)
            return None if data is None else Accuracy.from_json(data["accuracy"])

    def set_digital(self, candidate: Candidate, accuracy: Accuracy) -> None:
        """As `Keeper.set_digital`."""
        said = {"lineage": candidate.to_json(), "accuracy": accuracy.to_json()}
        self._set_measured(DIGITAL, said | self._kept(accuracy))

    def checks(self) -> dict[str, dict[str, Accuracy]]:
        """As `Keeper.checks`."""
        with self._reading():
            return {
                name.removeprefix(CHECKS): {
                    check: Accuracy.from_json(data) for check, data in checks.items()
                }
                for name, checks in self.study.user_attrs.items()
                if name.startswith(CHECKS)
            }

    def order(self) -> tuple[str, ...]:
        """As `Keeper.order`."""
        with self._reading():
            return tuple(map(str, self.study.user_attrs.get(ORDER, ())))

    def set_order(self, digests: tuple[str, ...]) -> None:
        """As `Keeper.set_order`."""
        self._set(ORDER, list(digests))

    def add_checks(self, digest: str, checks: dict[str, Accuracy]) -> None:
        """As `Keeper.add_checks`."""
        plain = {name: accuracy.to_json() for name, accuracy in checks.items()}
        self._set_measured(CHECKS + digest, plain)

    def attach(self, files: Sequence[Path]) -> None:
        """Show files as artifacts of the Optuna study, instead of earlier ones of the same names."""
        if self._outcomes is None:
            return
        artifact_ids = {
            file.name: hashlib.sha256(f"{self.name}/{file.name}".encode()).hexdigest()
            for file in files
        }
        with self._writing():
            storage = self.study._storage
            for file in files:
                with file.open("rb") as content:
                    self._outcomes.artifacts.write(artifact_ids[file.name], content)
            for name, value in links(artifact_ids).items():
                storage.set_study_system_attr(self.study._study_id, name, value)

    def _kept(self, accuracy: Accuracy | None) -> dict[str, str]:
        """User attribute with the name under which outcomes are kept, which it writes."""
        if self._outcomes is None or accuracy is None or accuracy.outcomes is None:
            return {}
        return {OUTCOMES: self._outcomes.put(accuracy.outcomes)}

    def _set(self, name: str, value: Any) -> None:
        with self._writing():
            self.study.set_user_attr(name, value)

    def _set_measured(self, name: str, value: Any) -> None:
        """As `_set`, for what took the oracle's time."""
        with self._unwritten.keeping(lambda: {ATTRIBUTES: {name: value}}):
            self._set(name, value)

    def _reading(self) -> AbstractContextManager[None]:
        return reading(f"study {self.name!r}: its record cannot be read")

    @contextmanager
    def _writing(self, number: int | None = None) -> Iterator[None]:
        fence = self._claim.writing(number) if self._claim else nullcontext()
        with writing(self.name), fence:
            yield


def _describe(study: optuna.Study, problem: Problem, about: dict[str, Any], text: str) -> None:
    """Write what a new study is about, unless another process has just done it."""
    with claimed(study, is_brief=True) as claim, claim.writing():
        if SPECIFICATION in study.user_attrs:
            return
        with warnings.catch_warnings():  # Optuna still calls names of objectives experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(problem.objectives))
        write_note(study, text)
        for name, value in about.items():
            study.set_user_attr(name, value)


def writing(name: str) -> AbstractContextManager[None]:
    """Turn what a storage raises that cannot be written, such as a full disk, into bad input."""
    return reading(f"study {name!r}: its record cannot be written")


def unused_sampler() -> optuna.samplers.BaseSampler:
    """Strategies propose everything; Optuna would otherwise set up a default one."""
    return optuna.samplers.RandomSampler(seed=0)
