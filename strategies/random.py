"""Uniform random search without repetition: what every strategy must beat."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_unseen, size
from lionheart_opt.strategies.parts.sensitivity import trained
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class Random:
    """Mappings drawn uniformly from those not seen yet, until there are none.

    Args:
        training: how their weights are obtained; None is as the problem says.
    """

    training: Training | None = None

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """One candidate at a time, each trained from the floating-point network."""
        seen: set[Mapping] = set()
        while len(seen) < size(problem):
            mapping = random_unseen(problem, rng, seen)
            seen.add(mapping)
            candidate = problem.pretrained(mapping)
            yield [trained(problem, candidate, self.training or problem.training)]
