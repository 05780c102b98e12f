"""What a strategy gains within each largest drop, and how well that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lionheart_opt.cost import CostObjective
from lionheart_opt.estimates import Estimate
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.problem import Problem
from lionheart_opt.results.result import SearchResult

GainName = Literal["speedup", "energy_gain"]
#: Name of a gain -> what it compares.
COMPARED: dict[GainName, CostObjective] = {"speedup": "interval_s", "energy_gain": "energy_j"}


def best_at(run: SearchResult, max_drop: float) -> dict[GainName, Evaluation]:
    """The mappings with the largest speed-up, and with the largest energy gain, within a drop.

    Empty if no mapping surely keeps it.
    """
    feasible = run.feasible_at(max_drop)
    return {
        name: min(feasible, key=lambda evaluation: evaluation.cost.value(objective))
        for name, objective in (COMPARED.items() if feasible else ())
    }


def best_gains(run: SearchResult, max_drop: float) -> tuple[float, float] | None:
    """Largest speed-up and largest energy gain within a drop; None if no mapping surely keeps it."""
    best = best_at(run, max_drop)
    if not best:
        return None
    gains = run.problem.gains
    return gains(best["speedup"].cost)[0], gains(best["energy_gain"].cost)[1]


def gain_estimates(run: SearchResult, max_drop: float) -> dict[GainName, Estimate]:
    """`best_gains` with their intervals of 95 %; empty if no mapping surely keeps the drop."""
    digital = run.problem.digital_cost
    return {
        name: run.problem.cost(evaluation.mapping).gain_over(digital, COMPARED[name])
        for name, evaluation in best_at(run, max_drop).items()
    }


def with_all_digital(
    problem: Problem, seeds: Sequence[dict[GainName, Estimate]]
) -> dict[GainName, list[Estimate]]:
    """Each gain of all seeds; that of all-digital where a seed has nothing better.

    Args:
        problem: What the seeds answer.
        seeds: `gain_estimates` of each.
    """
    digital = problem.digital_cost
    return {
        name: [
            seed[name] if seed and seed[name].value > 1.0 else digital.gain_over(digital, objective)
            for seed in seeds
        ]
        for name, objective in COMPARED.items()
    }


def median_interval(estimates: Sequence[Estimate]) -> list[float] | None:
    """Medians of both ends; None where one of them is not known."""
    ends = [(low, high) for _, low, high in estimates if low is not None and high is not None]
    if len(ends) < len(estimates):
        return None
    low, high = np.median(ends, axis=0).tolist()
    return [low, high]
