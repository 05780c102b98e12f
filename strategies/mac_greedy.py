"""LionHeart's greedy search: most MACs first, trained from the last accepted network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.problem import Problem
from lionheart_opt.space import by_macs_descending
from lionheart_opt.strategies.parts.pricing import acceptable, other_targets
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class MacGreedy:
    """The reference strategy (Lammie et al., LionHeart, IEEE TETC 2025, section III, steps 1-4).

    Units are visited once, most MACs first. Each is tried on the analog target, with the network trained
    from the last accepted one. If the limits hold, it stays there; otherwise it is rolled back for good.

    It departs from the paper only in cases that LionHeart does not have. A unit with several other
    targets is tried on each, cheapest first, until the limits hold (on digital ones only if they cost
    less). While a cost limit is broken, a step that breaks it less is kept.
    """

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """One candidate at a time; `rng` is not used."""
        kept = problem.pretrained(problem.all_digital)
        for unit in by_macs_descending(problem.workload, problem.units):
            for target in other_targets(problem, kept.mapping, unit.name):
                trial = kept.move(unit.name, target)
                [evaluation] = yield [trial]
                if acceptable(problem, kept.mapping, evaluation):
                    kept = trial
                    break
