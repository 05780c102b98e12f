"""What mappings are worth: gains over all-digital, drop, hypervolume, thresholds."""

from __future__ import annotations

import numpy as np

from lionheart_opt.cost import Cost
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import LIONHEART_THRESHOLDS, AccuracyLimit
from lionheart_opt.problem import Problem


def thresholds(limit: AccuracyLimit) -> tuple[float, ...]:
    """The limit's largest drop, and those of `LIONHEART_THRESHOLDS` below it; growing."""
    return (*(drop for drop in LIONHEART_THRESHOLDS if drop < limit.max_drop), limit.max_drop)


def drop_of(problem: Problem, evaluation: Evaluation) -> float | None:
    """The limit's statistic (mean or quantile) at its worst time; None if nothing was measured.

    What is measured after a diverged training does not count.
    """
    if evaluation.accuracy is None or evaluation.accuracy.diverged:
        return None
    return problem.accuracy_limit.bounds(evaluation.accuracy).estimate


def gains(problem: Problem, cost: Cost) -> tuple[float, float]:
    """Speed-up and energy gain over all-digital."""
    digital = problem.digital_cost
    return (
        digital.time_per_inference_s / cost.time_per_inference_s,
        digital.energy_j / cost.energy_j,
    )


def hypervolume(pairs: np.ndarray, largest_drop: float) -> float:
    """Area that points (to be minimised) dominate below (1, largest drop), as a share of that box.

    Drops below zero count as zero, so that a lucky draw gains nothing; an empty box has no area.

    Args:
        pairs: Relative time and drop, shape (n, 2).
        largest_drop: The study's limit: a drop that is worth nothing.
    """
    clipped = np.clip(pairs, 0.0, None)
    inside = clipped[(clipped < (1.0, largest_drop)).all(axis=1)]
    area, lowest = 0.0, largest_drop
    for time, drop in inside[np.argsort(inside[:, 0], kind="stable")].tolist():
        if drop < lowest:
            area += (1.0 - time) * (lowest - drop)
            lowest = drop
    return area / largest_drop if largest_drop > 0 else 0.0
