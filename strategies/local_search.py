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
from lionheart_opt.strategies.parts.sensitivity import MoveProfile, measure_moves
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
            for mapping in _cheaper(costs, profile, centre, tried):
                tried.add(mapping)
                [evaluation] = yield [problem.pretrained(mapping)]
                if acceptable(problem, centre, evaluation):
                    centre = mapping
                    break
            else:
                return


def _cheaper(
    costs: Additive, profile: MoveProfile, centre: Mapping, tried: set[Mapping]
) -> Iterator[Mapping]:
    """Untried neighbours that cost less than the centre, least predicted loss per saving first.

    Where prices in bulk are approximate, the neighbours that only the cost model finds cheaper come last,
    in the order of their approximate prices.
    """
    problem = costs.problem
    here, loss = price(problem, centre), profile.loss(centre)
    untried = [
        mapping for mapping in dict.fromkeys(_neighbours(problem, centre)) if mapping not in tried
    ]
    prices = dict(zip(untried, costs.values(costs.encode(untried))[:, 0].tolist(), strict=True))
    rate = {
        mapping: (profile.loss(mapping) - loss) / (here - there)
        for mapping, there in prices.items()
        if there < here
    }
    order = sorted(rate, key=lambda mapping: rate[mapping])
    if not costs.exact:
        dearer = (mapping for mapping in untried if mapping not in rate)
        order += sorted(dearer, key=lambda mapping: prices[mapping])
    yield from (mapping for mapping in order if price(problem, mapping) < here)


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
