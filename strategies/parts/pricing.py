"""What strategies ask of the cost model: prices in the problem's first cost objective."""

from __future__ import annotations

from lionheart_opt.cost import Cost
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import OBJECTIVES, Objective, Problem


def cost_objectives(problem: Problem) -> tuple[Objective, ...]:
    """The problem's objectives without the drop; latency where there is no other."""
    return tuple(name for name in problem.objectives if name != "drop") or OBJECTIVES[:1]


def value(cost: Cost, objective: Objective) -> float:
    """A cost's value of an objective."""
    values = {
        "latency_s": cost.latency_s,
        "energy_j": cost.energy_j,
        "interval_s": cost.time_per_inference_s,
    }
    return values[objective]


def price(problem: Problem, mapping: Mapping) -> float:
    """The mapping's value of the first cost objective."""
    return value(problem.cost(mapping), cost_objectives(problem)[0])


def other_targets(problem: Problem, mapping: Mapping, unit: str) -> list[str]:
    """Targets that the unit could move to, cheapest first.

    Digital ones only where they cost less than staying: they change nothing but the cost.
    """
    here = price(problem, mapping)
    there = {
        target: price(problem, mapping.move(unit, target))
        for target in problem.choices[unit]
        if target != mapping[unit]
    }
    return [
        target
        for target in sorted(there, key=lambda name: there[name])
        if target in problem.system.analog_targets or there[target] < here
    ]


def cheapest_digital(problem: Problem, mapping: Mapping, unit: str) -> str:
    """The digital target on which the unit costs least."""
    digital = [name for name in problem.choices[unit] if name not in problem.system.analog_targets]
    return min(digital, key=lambda name: price(problem, mapping.move(unit, name)))


def broken(problem: Problem, mapping: Mapping) -> float:
    """By how much the mapping breaks cost limits and capacities, all together; 0 if it keeps them."""
    return sum(max(0.0, by) for by in problem.cost_violations(problem.cost(mapping)).values())


def acceptable(problem: Problem, kept: Mapping, result: Evaluation) -> bool:
    """Whether a constructive search may go from `kept` to the result.

    It may if all limits hold; and while a cost limit is broken, so that the oracle is not asked, if it
    is less broken than before.
    """
    if result.accuracy is None:
        return broken(problem, result.mapping) < broken(problem, kept)
    return result.feasible
