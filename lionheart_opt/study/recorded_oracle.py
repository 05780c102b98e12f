"""A study's oracle that is not asked twice: what is in its storage is copied, at the same price."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lionheart_opt.accuracy import Accuracy, Anticipates, Fidelity, consult, questions_of
from lionheart_opt.mapping import Candidate
from lionheart_opt.questions import Answer, Question
from lionheart_opt.study.storage import storage_exists

if TYPE_CHECKING:
    import optuna

    from lionheart_opt.study.file import StudyFile


def oracle_specification(file: StudyFile) -> dict[str, Any]:
    """Everything that decides what a study's oracle answers; objectives and limits do not."""
    return {
        **json.loads(file.table.model_dump_json(include={"model", "data", "oracle", "seed"})),
        "workload": file.workload.digest,
        "system": file.system.digest,
    }


@dataclass(frozen=True, eq=False)
class Remembering:
    """The study's oracle, built at the first question that nothing in the storage answers.

    An oracle is a pure function, so that copying saves nothing but time: every search is charged for
    an answer what it cost when it was found, be it by another strategy, by a profile, or by a study
    file beside this one that asks the same oracle and keeps its records in the same storage.

    Args:
        file: the study.
    """

    file: StudyFile
    _found: dict[Candidate, Accuracy] = field(default_factory=dict)

    @cached_property
    def _studies(self) -> list[optuna.Study]:
        """Searches and profiles of the storage that asked this oracle."""
        table = self.file.table
        if not storage_exists(table.storage, self.file.folder):
            return []
        from lionheart_opt.study.record import studies_of

        return studies_of(self.file.storage, oracle_specification(self.file))

    @cached_property
    def _recorded(self) -> dict[Candidate, Accuracy]:
        """Candidate, its trainings said -> the most draws that were measured of it."""
        from lionheart_opt.study.record import answers

        known: dict[Candidate, Accuracy] = {}
        for study in self._studies:
            for candidate, accuracy in answers(study, self.file.table.training):
                _keep(known, candidate, accuracy)
        return known

    @property
    def questions(self) -> tuple[type[Question], ...]:
        """What the study's oracle can be asked."""
        return questions_of(self.file.oracle)

    def consult(self, question: Question, seed: int) -> Answer:
        """As `Consultable.consult`; copied, at the same price, where it has been asked."""
        from lionheart_opt.study.record import knowledge

        if seed == self.file.table.seed:
            for study in self._studies:
                if known := knowledge(study, question):
                    return known
        return consult(self.file.oracle, question, seed)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        """As `AccuracyOracle.accuracy`; copied where all draws of `fidelity` are known."""
        if seed != self.file.table.seed:
            return self.file.oracle.accuracy(candidate, fidelity, seed)
        asked = candidate.resolved(fidelity.training)
        whole = self._known(asked)
        first, last = fidelity.draws
        if whole is None or last > len(whole.samples):
            answer = self.file.oracle.accuracy(candidate, fidelity, seed)
            if first == 0:
                _keep(self._found, asked, answer)
            elif whole is not None and len(whole.samples) == first:
                _keep(self._found, asked, whole.extend(answer))
            return answer
        share = (last - first) / len(whole.samples)
        samples, evaluation_s = whole.samples[first:last], whole.evaluation_s * share
        return replace(whole, samples=samples, evaluation_s=evaluation_s)

    def expect(self, candidates: Sequence[Candidate], draws: tuple[int, int], seed: int) -> None:
        """Passed on; what is known will not be asked."""
        unknown = [
            one
            for one in candidates
            if (known := self._known(one)) is None or len(known.samples) < draws[1]
        ]
        if unknown and isinstance(self.file.oracle, Anticipates):
            self.file.oracle.expect(unknown, draws, seed)

    def _known(self, candidate: Candidate) -> Accuracy | None:
        return self._found.get(candidate) or self._recorded.get(candidate)


def _keep(known: dict[Candidate, Accuracy], candidate: Candidate, accuracy: Accuracy) -> None:
    before = known.get(candidate)
    if before is None or len(before.samples) < len(accuracy.samples):
        known[candidate] = accuracy
