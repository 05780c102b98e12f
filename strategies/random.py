"""Uniform random search without repetition: the baseline that every strategy must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_unseen, size
from lionheart_opt.strategies.parts.sensitivity import trained
from lionheart_opt.strategy import Proposals

#: Mappings in a batch: many more than there are workers, so that few wait for the last one of a batch.
BATCH = 256


@dataclass(frozen=True)
class Random:
    """Draws mappings uniformly from those that it has not drawn yet, until there are none.

    Random search as a baseline: Bergstra and Bengio, JMLR 13, 2012. Unlike there, nothing is drawn twice.

    Args:
        training: Training of the mappings; None takes the problem's.
    """

    training: Training | None = None

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """`BATCH` candidates at a time, each trained from the floating-point network."""
        seen: set[Mapping] = set()
        while len(seen) < size(problem):
            batch: list[Candidate] = []
            for _ in range(min(BATCH, size(problem) - len(seen))):
                mapping = random_unseen(problem, rng, seen)
                seen.add(mapping)
                batch.append(trained(problem, problem.pretrained(mapping), self.training))
            yield batch
