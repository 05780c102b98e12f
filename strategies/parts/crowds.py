"""Units that do not fit on the crossbars of a target together, although their shares would.

Crossbars of units that share some are packed: they may need more than the sum of their shares.
"""

from __future__ import annotations

from collections.abc import Sequence

from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.additive import Additive

#: Units and the target on which they do not fit together.
Crowd = frozenset[tuple[str, str]]


def crowds_of(costs: Additive, mapping: Mapping) -> list[Crowd]:
    """For each target that a mapping crowds: units there of which none can be left out.

    Targets are left out whose sum of crossbars exceeds the capacity already, and pipelines, whose
    programme counts clusters as the cost model does.

    Args:
        costs: The sums, with the problem whose costs they are.
        mapping: A mapping that does not fit.
    """
    problem, crowds = costs.problem, []
    if costs.pipeline is not None:
        return []
    for target in problem.system.targets:
        crowd = list(mapping.units_on(target.name))
        if target.tiles is None or _sum_of(costs, target.name, crowd) > target.tiles:
            continue
        if not _is_crowded(problem, target.name, crowd):
            continue
        for unit in tuple(crowd):
            rest = [other for other in crowd if other != unit]
            if _is_crowded(problem, target.name, rest):
                crowd = rest
        crowds.append(frozenset((unit, target.name) for unit in crowd))
    return crowds


def _sum_of(costs: Additive, target: str, units: Sequence[str]) -> float:
    """Crossbars of units on a target, as the sums count them."""
    rows = [costs.units.index(unit) for unit in units]
    return float(costs.tiles[rows, costs.targets.index(target)].sum())


def _is_crowded(problem: Problem, target: str, units: Sequence[str]) -> bool:
    """Whether units need more crossbars than a target has."""
    cost = problem.totals(problem.mapping(dict.fromkeys(units, target)))
    return cost.tiles.get(target, 0) > (problem.system.target(target).tiles or 0)
