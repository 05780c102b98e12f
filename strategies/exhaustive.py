"""Every mapping of the space: the ground truth for small networks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping, size
from lionheart_opt.strategies.parts.sensitivity import trained
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class Exhaustive:
    """Evaluates every mapping, all-digital first.

    So does LionHeart for ResNet8, which has 1,024 mappings (IEEE TETC 2025, section VII). Mappings that
    follow each other differ in their last units, so an oracle that measures candidates together shares
    most of the work. `lionheart-opt table` turns the record into a table that other searches can ask.

    Args:
        training: Training of the mappings; None takes the problem's.
        most: Largest number of mappings to begin with.
    """

    training: Training | None = None
    most: int = 1 << 14

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One batch; `rng` is not used.

        Raises:
            InputError: The space has more than `most` mappings.
        """
        if size(problem) > self.most:
            raise InputError(
                f"exhaustive: the space has {size(problem):,} mappings; most = {self.most:,} "
                "allows no more"
            )
        yield [
            trained(problem, problem.pretrained(mapping), self.training)
            for mapping in every_mapping(problem)
        ]
