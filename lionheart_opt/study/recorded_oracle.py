"""An oracle that is never asked twice: answers that a storage holds are copied, at the same price."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from lionheart_opt.accuracy import (
    Accuracy,
    AccuracyOracle,
    Anticipates,
    Fidelity,
    consult,
    questions_of,
)
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.questions import Answer, Question

if TYPE_CHECKING:
    import optuna


class RecordedOracle:
    """An oracle, and the answers that the records of a storage hold.

    An oracle is a pure function, so copying an answer saves time and nothing else: every search is
    charged what the answer cost when it was measured. It may have been measured by another strategy, by
    a profile, or by another study file that uses the same oracle and the same storage.

    Args:
        oracle: Builds the oracle; called at the first question that no record answers.
        studies: Gives the Optuna studies of the searches and profiles that asked the same oracle.
        training: How weights are obtained where neither a candidate nor a record says.
        seed: Seed of the oracle in these studies.
    """

    def __init__(
        self,
        oracle: Callable[[], AccuracyOracle],
        studies: Callable[[], list[optuna.Study]],
        *,
        training: Training,
        seed: int,
    ) -> None:
        self._build_oracle = oracle
        self._find_studies = studies
        self._training: Training = training
        self._seed = seed
        self._asked: dict[Candidate, Accuracy] = {}

    def __repr__(self) -> str:
        oracle = "not built yet"
        if "oracle" in vars(self):
            oracle = type(self.oracle).__name__
        return f"RecordedOracle({oracle}; {len(self._asked)} candidates asked)"

    @cached_property
    def oracle(self) -> AccuracyOracle:
        """The oracle itself."""
        return self._build_oracle()

    @cached_property
    def _studies(self) -> list[optuna.Study]:
        return self._find_studies()

    @cached_property
    def _recorded(self) -> dict[Candidate, Accuracy]:
        """Resolved candidate -> recorded accuracy with the most draws."""
        recorded: dict[Candidate, Accuracy] = {}
        if self._studies:
            from lionheart_opt.study.recorded_answers import recorded_accuracies

            for study in self._studies:
                for candidate, accuracy in recorded_accuracies(study, self._training):
                    _keep(recorded, candidate, accuracy)
        return recorded

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """What the oracle can be asked beside accuracy."""
        return questions_of(self.oracle)

    def consult(self, question: Question, seed: int) -> Answer:
        """As `Consultable.consult`; copied, at the same price, where it has been asked."""
        if seed == self._seed and self._studies:
            from lionheart_opt.study.optuna_keeper import recorded_answer

            for study in self._studies:
                if answer := recorded_answer(study, question):
                    return answer
        return consult(self.oracle, question, seed)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """As `AccuracyOracle.accuracy`; copied where all draws of `fidelity` are known."""
        if seed != self._seed:
            return self.oracle.accuracy(candidate, fidelity, seed)
        known = self._known(candidate)
        first, last = fidelity.draws
        if known is None or last > len(known.samples):
            answer = self.oracle.accuracy(candidate, fidelity, seed)
            if first == 0:
                _keep(self._asked, candidate, answer)
            elif known is not None and len(known.samples) == first:
                _keep(self._asked, candidate, known.extend(answer))
            return answer
        share = (last - first) / len(known.samples)
        samples, evaluation_s = known.samples[first:last], known.evaluation_s * share
        return replace(known, samples=samples, evaluation_s=evaluation_s)

    def expect(self, candidates: Sequence[Candidate], draws: tuple[int, int], seed: int) -> None:
        """As `Anticipates.expect`, for the candidates that no record answers."""
        unknown = [
            candidate
            for candidate in candidates
            if (known := self._known(candidate)) is None or len(known.samples) < draws[1]
        ]
        if unknown and isinstance(self.oracle, Anticipates):
            self.oracle.expect(unknown, draws, seed)

    def remember(self, candidate: Candidate, accuracy: Accuracy) -> None:
        """Copy this answer, which another process found, from now on.

        Args:
            candidate: The resolved candidate.
            accuracy: All draws that were measured of it.
        """
        _keep(self._asked, candidate, accuracy)

    def records_only(self) -> AccuracyOracle:
        """An oracle that copies answers, and raises `NotRecorded` where this one would be asked."""
        return _RecordsOnly(self)

    def _known(self, candidate: Candidate) -> Accuracy | None:
        return self._asked.get(candidate) or self._recorded.get(candidate)


class NotRecorded(Exception):
    """No record holds the answer."""


@dataclass(frozen=True, eq=False)
class _RecordsOnly:
    records: RecordedOracle

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        known = self.records._known(candidate)
        if known is None or fidelity.draws[1] > len(known.samples):
            raise NotRecorded
        return self.records.accuracy(candidate, fidelity, seed)


def _keep(known: dict[Candidate, Accuracy], candidate: Candidate, accuracy: Accuracy) -> None:
    before = known.get(candidate)
    if before is None or len(before.samples) < len(accuracy.samples):
        known[candidate] = accuracy
