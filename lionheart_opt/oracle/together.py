"""Which candidates are measured in one go, because they are programmed with the same weights."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from lionheart_opt.mapping import Candidate

#: Most candidates that are measured in one go: what an interruption can lose.
GROUP = 128


@dataclass(eq=False)
class Together:
    """What will be asked next, and answers that are known before they are asked for.

    An answer is what it would be alone (`measure`): only time is saved.

    Args:
        draws: half-open range of draws that `candidates` will be asked for.
        seed: that they will be asked with.
        candidates: in the order in which they will be asked for.
    """

    draws: tuple[int, int] = (0, 0)
    seed: int = 0
    candidates: dict[Candidate, None] = field(default_factory=dict)
    _known: dict[Candidate, tuple[Hashable, np.ndarray, float]] = field(default_factory=dict)

    def expect(self, candidates: Sequence[Candidate], draws: tuple[int, int], seed: int) -> None:
        """Forget what was expected before."""
        self.draws, self.seed = draws, seed
        self.candidates = dict.fromkeys(candidates)
        self._known = {}

    def group(self, candidate: Candidate, draws: tuple[int, int], seed: int) -> list[Candidate]:
        """The candidate and those expected after it that have the same weights, at most `GROUP`."""
        if (draws, seed) != (self.draws, self.seed) or candidate not in self.candidates:
            return [candidate]
        kind = (candidate.training, candidate.parent)
        others = [
            one
            for one in self.candidates
            if one != candidate and (one.training, one.parent) == kind and one not in self._known
        ]
        return [candidate, *others[: GROUP - 1]]

    def keep(
        self, question: Hashable, group: Sequence[Candidate], samples: np.ndarray, seconds: float
    ) -> None:
        """Remember a group's answers until they are asked for.

        Args:
            question: weights and all else that the answers depend on.
            group: of `group`.
            samples: shape (n_candidates, n_draws, n_times).
            seconds: that they took together; each costs the same share.
        """
        share = seconds / len(group)
        for one, answer in zip(group, samples, strict=True):
            self._known[one] = question, answer, share

    def take(self, question: Hashable, candidate: Candidate) -> tuple[np.ndarray, float] | None:
        """Samples and seconds of an answer that is known, once."""
        if candidate not in self._known or self._known[candidate][0] != question:
            return None
        _, samples, seconds = self._known.pop(candidate)
        self.candidates.pop(candidate, None)
        return samples, seconds
