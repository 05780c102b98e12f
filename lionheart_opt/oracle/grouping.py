"""Candidates that are measured together because they are programmed with the same weights."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.mapping import Candidate

#: Largest number of candidates that are measured together. An interruption loses at most so many.
GROUP = 128


@dataclass(eq=False)
class Grouping:
    """Candidates that will be asked for next, and answers that have been measured in advance.

    Measuring candidates together saves time and changes no answer (see `measure`).

    Args:
        fidelity: What will be asked for.
        seed: Seed that will be asked for.
        candidates: The candidates, in the order in which they will be asked for.
    """

    fidelity: Fidelity | None = None
    seed: int = 0
    candidates: dict[Candidate, None] = field(default_factory=dict)
    _answers: dict[Candidate, tuple[Hashable, np.ndarray, float]] = field(default_factory=dict)

    def expect(self, candidates: Sequence[Candidate], fidelity: Fidelity, seed: int) -> None:
        """Replace the candidates that are expected, and forget answers measured in advance."""
        self.fidelity, self.seed = fidelity, seed
        self.candidates = dict.fromkeys(candidates)
        self._answers = {}

    def group(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> list[Candidate]:
        """The candidate and other expected ones with the same weights, at most `GROUP` together."""
        if (fidelity, seed) != (self.fidelity, self.seed) or candidate not in self.candidates:
            return [candidate]
        kind = (candidate.training, candidate.parent)
        others = [
            other
            for other in self.candidates
            if other != candidate
            and (other.training, other.parent) == kind
            and other not in self._answers
        ]
        return [candidate, *others[: GROUP - 1]]

    def keep(
        self, question: Hashable, group: Sequence[Candidate], statistics: np.ndarray, seconds: float
    ) -> None:
        """Keep a group's answers until they are asked for.

        Args:
            question: The weights and everything else that the answers depend on.
            group: The candidates, from `group`.
            statistics: Those of examples, shape (n_candidates, n_draws, n_times, n_examples, ...).
            seconds: Seconds that they took together; each is charged an equal share.
        """
        share = seconds / len(group)
        for candidate, answer in zip(group, statistics, strict=True):
            self._answers[candidate] = question, answer, share

    def take(self, question: Hashable, candidate: Candidate) -> tuple[np.ndarray, float] | None:
        """Remove and return an answer that is kept: statistics of examples, and its seconds."""
        if candidate not in self._answers or self._answers[candidate][0] != question:
            return None
        _, statistics, seconds = self._answers.pop(candidate)
        self.candidates.pop(candidate, None)
        return statistics, seconds
