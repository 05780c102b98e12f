"""Prices of mappings and of moves, and whether a mapping keeps the cost limits."""

from __future__ import annotations

from lionheart_opt.cost import COST_OBJECTIVES, CostObjective
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem


def cost_objectives(problem: Problem) -> tuple[CostObjective, ...]:
    """The problem's objectives without the drop; the latency where the drop is the only one."""
    named = tuple(name for name in problem.objectives if name != "drop")
    return named or COST_OBJECTIVES[:1]


def price(problem: Problem, mapping: Mapping) -> float:
    """The mapping's value of the first cost objective."""
    return problem.totals(mapping).value(cost_objectives(problem)[0])


def other_targets(problem: Problem, mapping: Mapping, unit: str) -> list[str]:
    """Targets that the unit could move to, cheapest first.

    A digital target is listed only if it costs less than the present one: it changes nothing else.
    """
    here = price(problem, mapping)
    prices = {
        target: price(problem, mapping.move(unit, target))
        for target in problem.choices[unit]
        if target != mapping[unit]
    }
    return [
        target
        for target in sorted(prices, key=lambda name: prices[name])
        if target in problem.system.analog_targets or prices[target] < here
    ]


def cheapest_digital(problem: Problem, mapping: Mapping, unit: str) -> str:
    """The digital target on which the unit costs least; the host where targets cost the same."""
    digital = [name for name in problem.choices[unit] if name not in problem.system.analog_targets]
    return min(digital, key=lambda name: price(problem, mapping.move(unit, name)))


def excess(problem: Problem, mapping: Mapping) -> float:
    """Sum of the amounts by which the mapping exceeds cost limits and capacities; 0 if it keeps all.

    The excess over a cost limit is relative to the limit, that over a capacity is in crossbars.
    """
    violations = problem.cost_violations(problem.totals(mapping))
    return sum(max(0.0, violation) for violation in violations.values())


def acceptable(problem: Problem, kept: Mapping, evaluation: Evaluation) -> bool:
    """Whether a constructive search may go on from the evaluated mapping instead of from `kept`.

    It may if all limits hold. Where the mapping breaks a cost limit, so that the oracle was not asked,
    it may if it exceeds the limits by less than `kept` does.
    """
    if evaluation.failed:
        return False
    if evaluation.accuracy is None:
        return excess(problem, evaluation.mapping) < excess(problem, kept)
    return evaluation.feasible
