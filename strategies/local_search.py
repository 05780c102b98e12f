"""Local search: add, drop and swap units around the best mapping that holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.pricing import acceptable, price
from lionheart_opt.strategies.parts.sensitivity import profile
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class LocalSearch:
    """First improvement over single moves and swaps, the predicted losses deciding what is tried first.

    A neighbour differs in the target of one unit, or swaps the targets of two. Prices are free, so only
    neighbours that are cheaper in the first cost objective are tried, least predicted loss per saving
    first; the first that holds becomes the centre. Ends in a mapping none of whose cheaper neighbours
    holds. Textbook local search (Aarts and Lenstra, 1997); the predicted order is ours.

    Args:
        profile: training with which sensitivities are measured.
    """

    profile: Training = "none"

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The profile in one batch, then one candidate at a time; `rng` is not used."""
        measured = yield from profile(problem, self.profile)
        costs = Additive.of(problem)
        tried = {problem.all_digital}
        centre = problem.all_digital
        while True:
            here, loss = price(problem, centre), measured.loss(centre)
            around = [
                one for one in dict.fromkeys(_neighbours(problem, centre)) if one not in tried
            ]
            savings = here - costs.values(costs.encode(around))[:, 0] if around else np.empty(0)
            rate = {
                mapping: (measured.loss(mapping) - loss) / saving
                for mapping, saving in zip(around, savings.tolist(), strict=True)
                if saving > 0
            }
            for mapping in sorted(rate, key=lambda mapping: rate[mapping]):
                if price(problem, mapping) >= here:
                    continue  # cheaper only in the approximation that prices many at once
                tried.add(mapping)
                [result] = yield [problem.pretrained(mapping)]
                if acceptable(problem, centre, result):
                    centre = mapping
                    break
            else:
                return


def _neighbours(problem: Problem, mapping: Mapping) -> Iterator[Mapping]:
    """Mappings that differ in one unit, or in which two units have swapped targets."""
    for unit in problem.units:
        for target in problem.choices[unit.name]:
            if target != mapping[unit.name]:
                yield mapping.move(unit.name, target)
    for one, two in combinations([unit.name for unit in problem.units], 2):
        here, there = mapping[one], mapping[two]
        if here != there and there in problem.choices[one] and here in problem.choices[two]:
            yield mapping.move(one, there).move(two, here)
