"""What a strategy gains within each largest drop, and how well that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from lionheart_opt.cost import CostObjective
from lionheart_opt.estimates import Estimate
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.results.result import SearchResult

GainName = Literal["speedup", "energy_gain"]
#: Name of a gain -> what it compares.
COMPARED: dict[GainName, CostObjective] = {"speedup": "interval_s", "energy_gain": "energy_j"}


def best_at(run: SearchResult, max_drop: float) -> dict[GainName, Evaluation]:
    """The mappings with the largest speed-up, and with the largest energy gain, within a drop.

    Empty if no mapping surely keeps it.
    """
    rows = run.rows_at(max_drop)
    return {
        name: run.measured[rows[np.argmin(run.costs[objective][rows])]]
        for name, objective in COMPARED.items()
        if len(rows)
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
    best = best_at(run, max_drop)
    known = run.problem.estimates([evaluation.mapping for evaluation in best.values()])
    return {name: estimates[name] for name, estimates in zip(best, known, strict=True)}


def fastest_of(runs: Sequence[SearchResult], max_drop: float) -> Mapping:
    """The fastest mapping of several searches within a drop; all-digital where none is faster."""
    problem = runs[0].problem
    found = [best_at(run, max_drop) for run in runs]
    fastest = min(
        (best["speedup"] for best in found if best),
        key=lambda evaluation: evaluation.cost.value(COMPARED["speedup"]),
        default=None,
    )
    if fastest is None or problem.gains(fastest.cost)[0] <= 1.0:
        return problem.all_digital
    return fastest.mapping


def shares_of(runs: Sequence[SearchResult], max_drop: float, reference: Mapping) -> list[Estimate]:
    """Each search's largest speed-up within a drop, as a share of that of a reference.

    Both mappings rest on the same constants of the system. So this share is known better than the
    speed-ups.

    Args:
        runs: The searches.
        max_drop: The largest drop.
        reference: The mapping that they are compared with.
    """
    problem = runs[0].problem
    mappings = [fastest_of([run], max_drop) for run in runs]
    shares = [estimates["speedup"] for estimates in problem.estimates(mappings, over=reference)]
    return [
        Estimate(1.0, 1.0, 1.0) if mapping == reference else share
        for mapping, share in zip(mappings, shares, strict=True)
    ]


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


def gap_below(
    runs: Sequence[SearchResult], max_drop: float, truth: SearchResult | None
) -> dict[str, Any]:
    """How far the median speed-up is below that of the fastest of all mappings, in pairs.

    Args:
        runs: Searches of a strategy.
        max_drop: The largest drop.
        truth: Every mapping, evaluated; None where that is not known.

    Returns:
        `speedup_gap` and the ends of its interval of 95 %, `speedup_gap_interval`; None where unknown.
    """
    if truth is None or not best_at(truth, max_drop):
        return {"speedup_gap": None, "speedup_gap_interval": None}
    shares = shares_of(runs, max_drop, fastest_of([truth], max_drop))
    ends = median_interval(shares)
    return {
        "speedup_gap": 1.0 - float(np.median([share.value for share in shares])),
        "speedup_gap_interval": ends and [1.0 - ends[1], 1.0 - ends[0]],
    }
