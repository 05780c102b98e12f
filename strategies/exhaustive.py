"""Every mapping there is: ground truth for small networks."""

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
    """Evaluates every mapping, all-digital first (LionHeart section VII: ResNet8, 1,024 mappings).

    Neighbours differ in their last units, which an oracle that measures candidates together makes
    cheap. `lionheart-opt table` makes the record a table that other searches are answered from.

    Args:
        training: of the mappings; the problem's by default.
        most: refuse to begin if there are more mappings than this.
    """

    training: Training | None = None
    most: int = 1 << 14

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One batch; `rng` is not used.

        Raises:
            InputError: there are more than `most` mappings.
        """
        if size(problem) > self.most:
            raise InputError(
                f"exhaustive: there are {size(problem):,} mappings; most = {self.most:,} allows no more"
            )
        candidates = [problem.pretrained(one) for one in every_mapping(problem)]
        if self.training is not None:
            candidates = [trained(problem, one, self.training) for one in candidates]
        yield candidates
