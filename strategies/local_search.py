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
from lionheart_opt.strategies.parts.sensitivity import measure_moves
from lionheart_opt.strategy import Proposals


@dataclass(frozen=True)
class LocalSearch:
    """Moves from all-digital to a cheaper neighbour that holds, until no neighbour does.

    A neighbour differs in the target of one unit, or swaps the targets of two. Prices are free, so only
    neighbours that are cheaper in the first cost objective are tried, least predicted loss per saving
    first. The first one that holds becomes the centre. The search ends in a mapping none of whose
    cheaper neighbours holds.

    This is textbook local search by first improvement (Aarts and Lenstra, Local Search in Combinatorial
    Optimization, 1997), with an order of trials that is ours.

    Args:
        profile: Training with which the losses of single units are measured.
    """

    profile: Training = "none"

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:  # noqa: ARG002
        """The profile in one batch, then one candidate at a time; `rng` is not used."""
        profile = yield from measure_moves(problem, self.profile)
        costs = Additive.of(problem)
        tried = {problem.all_digital}
        centre = problem.all_digital
        while True:
            here, loss = price(problem, centre), profile.loss(centre)
            neighbours = dict.fromkeys(_neighbours(problem, centre))
            untried = [mapping for mapping in neighbours if mapping not in tried]
            rate = {
                mapping: (profile.loss(mapping) - loss) / (here - there)
                for mapping, there in zip(untried, _prices(costs, untried), strict=True)
                if there < here
            }
            for mapping in sorted(rate, key=lambda mapping: rate[mapping]):
                if price(problem, mapping) >= here:
                    continue  # cheaper by rounding only
                tried.add(mapping)
                [evaluation] = yield [problem.pretrained(mapping)]
                if acceptable(problem, centre, evaluation):
                    centre = mapping
                    break
            else:
                return


def _prices(costs: Additive, mappings: list[Mapping]) -> list[float]:
    """The first cost objective of each mapping; in bulk where that is exact."""
    if costs.exact:
        prices: list[float] = costs.values(costs.encode(mappings))[:, 0].tolist()
        return prices
    return [price(costs.problem, mapping) for mapping in mappings]


def _neighbours(problem: Problem, mapping: Mapping) -> Iterator[Mapping]:
    """Mappings that differ in one unit, and those in which two units have swapped their targets."""
    for unit in problem.units:
        for target in problem.choices[unit.name]:
            if target != mapping[unit.name]:
                yield mapping.move(unit.name, target)
    for first, second in combinations([unit.name for unit in problem.units], 2):
        here, there = mapping[first], mapping[second]
        if here != there and there in problem.choices[first] and here in problem.choices[second]:
            yield mapping.move(first, there).move(second, here)
