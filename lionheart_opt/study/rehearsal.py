"""Does in seconds what a run will do in hours, with the same code, and says everything that fails."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lionheart_opt.accuracy import (
    Accuracy,
    AccuracyOracle,
    ChecksFinally,
    Enumerates,
    Fidelity,
    Rehearses,
)
from lionheart_opt.errors import CannotBeAnalog, Collected, InputError
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.own_errors import own_error
from lionheart_opt.problem import Problem
from lionheart_opt.questions import consult
from lionheart_opt.space import analog_units
from lionheart_opt.study.openings import Opening

#: Ways in which engines say that a unit should stay on the host; the remedy says it better.
_ADVICE = ("; keep it on the host", "; keep the unit on the host")


@dataclass(kw_only=True)
class Rehearsal:
    """What was tried, and what it showed.

    Attributes:
        wrong: What would stop a run.
        notes: What would not stop it, but is worth knowing.
        tried: What was tried.
        not_tried: What could not be tried, and why.
    """

    wrong: Collected = field(default_factory=Collected)
    notes: list[str] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)
    not_tried: list[str] = field(default_factory=list)


def rehearse(
    problem: Problem, oracle: AccuracyOracle, openings: Sequence[Opening], where: str
) -> Rehearsal:
    """Try an oracle on what a search will ask it.

    Args:
        problem: The question.
        oracle: The oracle itself, not a record of its answers.
        openings: How the runs begin.
        where: What messages call the study.
    """
    rehearsal = Rehearsal()
    if isinstance(oracle, Enumerates):
        _look_up(problem, oracle, openings, rehearsal)
        return rehearsal
    if not isinstance(oracle, Rehearses):
        rehearsal.not_tried.append(
            f"training and measuring: oracle {type(oracle).__name__} has no `small_copy` "
            "(see lionheart_opt.accuracy.Rehearses)"
        )
        return rehearsal
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are about accuracies, which mean nothing here
        error, small = _attempt(oracle.small_copy)
        if small is None:
            rehearsal.wrong.add(error or InputError(f"{where}: the oracle has no small copy"))
            return rehearsal
        _Stage(problem, small, where, rehearsal).play(openings)
    return rehearsal


def _look_up(
    problem: Problem, oracle: AccuracyOracle, openings: Sequence[Opening], rehearsal: Rehearsal
) -> None:
    """Ask for the first proposals, with all draws: answers are free."""
    fidelity = Fidelity(draws=(0, problem.accuracy_limit.draws[-1]))
    for opening in openings:
        for candidate in opening.candidates[:1]:
            if problem.breaks_cost_limits(candidate.mapping):
                continue
            asked = problem.resolved(candidate)
            error, _ = _attempt(partial(oracle.accuracy, asked, fidelity, problem.seed))
            if error is not None:
                rehearsal.wrong.add(InputError(f"run {opening.label!r}: {error}"))
    rehearsal.tried.append("the first proposal of each run, in the oracle's records")


class _Stage:
    """A small oracle, and what it is asked."""

    def __init__(
        self, problem: Problem, small: AccuracyOracle, where: str, rehearsal: Rehearsal
    ) -> None:
        self.problem, self.small, self.where = problem, small, where
        self.rehearsal = rehearsal

    def play(self, openings: Sequence[Opening]) -> None:
        """Everything in its order; what would fail for a reason already said is left out."""
        tried, wrong = self.rehearsal.tried, self.rehearsal.wrong
        error, _ = self._measure(self.problem.all_digital, "none")
        tried.append("the floating-point network on a batch of the data")
        if error is not None:
            wrong.add(error)
            return
        mapping = self._analog_mapping()
        if mapping is None:
            return
        tried.append("programming, and drift to every time")
        with _silent():
            self._trainings_and_questions(mapping, openings)
            self._final_checks(mapping)

    def _trainings_and_questions(self, mapping: Mapping, openings: Sequence[Opening]) -> None:
        """What runs are known to ask for: trainings, and questions beside accuracy."""
        tried, wrong = self.rehearsal.tried, self.rehearsal.wrong
        for training in self._trainings(openings):
            error, accuracy = self._measure(mapping, training)
            tried.append(f"training {training!r}, two steps")
            if error is not None:
                wrong.add(InputError(f"{self.where}: training {training!r}: {error}"))
            elif accuracy is not None and accuracy.diverged:
                self.rehearsal.notes.append(
                    f"training {training!r} diverges in its first two steps: its candidates will never "
                    "be feasible; try a smaller learning_rate"
                )
        for opening in openings:
            if opening.question is not None:
                question = opening.question
                error, _ = _attempt(partial(consult, self.small, question, self.problem.seed))
                tried.append(f"{question.what}, which run {opening.label!r} asks for")
                if error is not None:
                    wrong.add(InputError(f"{self.where}: run {opening.label!r}: {error}"))

    def _analog_mapping(self) -> Mapping | None:
        """Every unit on an analog target, but for those that cannot be; None if none can.

        Units that cannot are found one by one.
        """
        wrong = self.rehearsal.wrong
        error, _ = self._measure(self.problem.all_analog, "none")
        if error is None:
            return self.problem.all_analog
        units = analog_units(self.problem)
        reasons: dict[str, list[str]] = {}
        with _silent():
            for unit in units:
                alone, _ = self._measure(self.problem.analog([unit]), "none")
                if alone is not None:
                    reasons.setdefault(self._reason(alone, unit), []).append(unit)
        bad = {unit for members in reasons.values() for unit in members}
        if len(reasons) == 1 and len(bad) == len(units) > 1:
            [reason] = reasons
            wrong.add(InputError(f"{self.where}: no unit can be analog: {reason}"))
            return None
        for reason, members in reasons.items():
            wrong.add(CannotBeAnalog(members, reason, self.where))
        rest = self.problem.analog([unit for unit in units if unit not in bad])
        if rest == self.problem.all_digital:
            return None
        with _silent():
            error, _ = self._measure(rest, "none")
        if error is not None:
            wrong.add(InputError(f"{self.where}: {error}"))
            return None
        return rest

    def _reason(self, error: InputError, unit: str) -> str:
        """What an error says, without the names of the unit and its modules."""
        text = str(error)
        workload = self.problem.workload
        for name in (unit, *workload.paths_of(workload.unit(unit))):
            text = text.replace(f"module {name!r}", "its module")
            text = text.replace(f"the weights of {name!r}", "its weights").replace(repr(name), "it")
        for advice in _ADVICE:
            text = text.removesuffix(advice)
        return text

    def _trainings(self, openings: Sequence[Opening]) -> list[Training]:
        """The trainings that the study is known to ask for."""
        trainings = {self.problem.training: None}
        for opening in openings:
            for candidate in opening.candidates:
                for each in self.problem.resolved(candidate).lineage:
                    trainings[each.trained_by] = None
        return [training for training in trainings if training != "none"]

    def _measure(
        self, mapping: Mapping, training: Training
    ) -> tuple[InputError | None, Accuracy | None]:
        candidate = self.problem.resolved(Candidate(mapping, training=training))
        return _attempt(
            partial(self.small.accuracy, candidate, Fidelity(draws=(0, 1)), self.problem.seed)
        )

    def _final_checks(self, mapping: Mapping) -> None:
        small = self.small
        if not isinstance(small, ChecksFinally):
            return
        candidate = self.problem.resolved(Candidate(mapping, training="none"))
        error, _ = _attempt(
            partial(small.final_checks, candidate, Fidelity(draws=(0, 1)), self.problem.seed)
        )
        self.rehearsal.tried.append("the final measurement, on a batch of test data")
        if error is not None:
            self.rehearsal.wrong.add(InputError(f"{self.where}: final measurement: {error}"))


def _attempt(call: Callable[[], Any]) -> tuple[InputError | None, Any]:
    """What a call returns, or the error that it raises, as one that names its place."""
    try:
        return None, call()
    except InputError as error:
        return error, None
    except Exception as error:  # a run would end with it
        return own_error(error), None


@contextmanager
def _silent() -> Iterator[None]:
    """Keep engines from saying once more, for each unit, what they have said of all together."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
