"""An oracle that is never asked twice: answers that a storage holds are copied, at the same price."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Anticipates, Fidelity, SaysMetric
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.measuring import measured
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.questions import Answer, Question, consult, questions_of
from lionheart_opt.statistics.example_statistics import told

if TYPE_CHECKING:
    import optuna

    from lionheart_opt.artifacts import OutcomeStore


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
        outcomes: Where the studies keep which examples are right. What is not there is asked again.
    """

    def __init__(
        self,
        oracle: Callable[[], AccuracyOracle],
        studies: Callable[[], list[optuna.Study]],
        *,
        training: Training,
        seed: int,
        outcomes: OutcomeStore | None = None,
    ) -> None:
        self._build_oracle = oracle
        self._find_studies = studies
        self._training: Training = training
        self._seed = seed
        self._outcomes = outcomes
        self._artifacts: dict[Candidate, str] = {}
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
                for candidate, accuracy, name in recorded_accuracies(study, self._training):
                    if _keep(recorded, candidate, accuracy) and name is not None:
                        self._artifacts[candidate] = name
        return recorded

    @property
    def metric(self) -> Metric:
        """See `SaysMetric.metric`."""
        return self.oracle.metric if isinstance(self.oracle, SaysMetric) else ACCURACY

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """What the oracle can be asked beside accuracy."""
        return questions_of(self.oracle)

    def consult(self, question: Question, seed: int) -> Answer:
        """As `Consultable.consult`; copied, at the same price, where it has been asked."""
        return self.copied(question, seed) or consult(self.oracle, question, seed)

    def copied(self, question: Question, seed: int) -> Answer | None:
        """The answer to a question that a record holds; None if there is none."""
        if seed == self._seed and self._studies:
            from lionheart_opt.study.answers import recorded_answer

            for study in self._studies:
                if answer := recorded_answer(study, question):
                    return answer
        return None

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """As `AccuracyOracle.accuracy`; copied where all draws of `fidelity` are known."""
        if seed != self._seed:
            return measured(self.oracle, candidate, fidelity, seed)
        known = self._known(candidate, fidelity)
        if known is not None:
            return known
        answer = measured(self.oracle, candidate, fidelity, seed)
        before = self._asked.get(candidate) or self._recorded.get(candidate)
        if fidelity.draws[0] == 0 and fidelity.examples[0] == 0:
            _keep(self._asked, candidate, answer)
        elif before is not None:
            self._asked[candidate] = _joined(before, answer, fidelity)
        return answer

    def expect(self, candidates: Sequence[Candidate], fidelity: Fidelity, seed: int) -> None:
        """As `Anticipates.expect`, for the candidates that no record answers."""
        unknown = [each for each in candidates if self._known(each, fidelity) is None]
        if unknown and isinstance(self.oracle, Anticipates):
            self.oracle.expect(unknown, fidelity, seed)

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

    def _known(self, candidate: Candidate, fidelity: Fidelity) -> Accuracy | None:
        """The recorded answer; None if there is none."""
        for answers in (self._asked, self._recorded):
            known = answers.get(candidate)
            if known is None:
                continue
            if known.spread is not None and known.outcomes is None:
                answers[candidate] = known = self.with_outcomes(candidate, known)
                if known.outcomes is None:  # more draws or examples could not be joined to it
                    continue
            answer = known.part(fidelity)
            if answer is not None:
                return answer
        return None

    def with_outcomes(self, candidate: Candidate, recorded: Accuracy) -> Accuracy:
        """A recorded accuracy, and which examples are right, if that is kept."""
        _ = self._recorded  # it knows the names
        name = self._artifacts.get(candidate)
        if name is None or self._outcomes is None:
            return recorded
        outcomes = self._outcomes.get(name)
        if outcomes is None or not recorded.metric.is_known:
            return recorded
        samples = told(outcomes, recorded.metric)["samples"]
        if not np.array_equal(samples, recorded.samples):  # those of another trial
            return recorded
        return replace(recorded, outcomes=outcomes)


class NotRecorded(Exception):
    """No record holds the answer."""


@dataclass(frozen=True, eq=False)
class _RecordsOnly:
    records: RecordedOracle

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:  # noqa: ARG002
        answer = self.records._known(candidate, fidelity)
        if answer is None:
            raise NotRecorded
        return answer


def _joined(before: Accuracy, answer: Accuracy, fidelity: Fidelity) -> Accuracy:
    """What was known before, and the draws or examples that have been asked for since."""
    if fidelity.draws[0] == len(before.samples) and before.baseline == answer.baseline:
        return before.extend(answer)
    is_wider = fidelity.examples[0] == before.n_examples and before.outcomes is not None
    if is_wider and len(before.samples) == len(answer.samples):
        return before.widen(answer)
    return before


def _keep(known: dict[Candidate, Accuracy], candidate: Candidate, accuracy: Accuracy) -> bool:
    """Keep the accuracy if it says more than what is known; whether it does."""
    before = known.get(candidate)
    if before is not None and _size(before) >= _size(accuracy):
        return False
    known[candidate] = accuracy
    return True


def _size(accuracy: Accuracy) -> int:
    return len(accuracy.samples) * (accuracy.n_examples or 1)
