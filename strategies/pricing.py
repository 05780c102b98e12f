"""What strategies ask of the cost model: prices in the problem's first cost objective."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import OBJECTIVES, Objective, Problem
from lionheart_opt.protocols import Cost
from lionheart_opt.tables import CostTables


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


def tables(problem: Problem) -> CostTables | None:
    """The cost model's coefficient tables, if it is additive."""
    offered = getattr(problem.cost_model, "tables", None)
    found: CostTables | None = offered(problem.workload) if offered else None
    return found


def prices(problem: Problem, mappings: Sequence[Mapping]) -> np.ndarray:
    """Values of the cost objectives, shape (n_mappings, n_cost_objectives); in bulk where it can be."""
    names = cost_objectives(problem)
    coefficients = None if "interval_s" in names else tables(problem)
    if coefficients is None:
        costs = [problem.cost(mapping) for mapping in mappings]
        return np.array([[value(cost, name) for name in names] for cost in costs])
    latency_s, energy_j = coefficients.cost_batch(coefficients.encode(mappings))
    return np.stack([latency_s if name == "latency_s" else energy_j for name in names], axis=1)


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
