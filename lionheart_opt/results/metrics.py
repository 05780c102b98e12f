"""What mappings are worth: gains over all-digital, drop, hypervolume, thresholds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lionheart_opt.cost import Cost, Totals
from lionheart_opt.evaluation import Evaluation, incumbent
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


#: A cost counts as less than another only if the difference is more than rounding.
_ROUNDING = 1e-9


def saves(problem: Problem, cost: Cost | Totals) -> bool:
    """Whether a mapping costs less than all-digital.

    What counts is the first cost objective, then the next; the latency and then the energy where the drop
    is the only objective.
    """
    names = [name for name in problem.objectives if name != "drop"]
    for name in names or ("latency_s", "energy_j"):
        less = problem.digital_cost.value(name) - cost.value(name)
        if abs(less) > _ROUNDING * problem.digital_cost.value(name):
            return less > 0
    return False


def recommended(
    problem: Problem, evaluations: Sequence[Evaluation], digital: Evaluation | None
) -> Evaluation | None:
    """The incumbent; never one that costs as much as all-digital where that keeps the limits.

    Args:
        problem: What the evaluations answer.
        evaluations: Of a search, or of several.
        digital: The evaluation of all-digital; None where it is not known.

    Returns:
        One of the evaluations, or else `digital`; None if nothing is feasible.
    """
    if digital is None and not is_option(problem):
        return incumbent(evaluations)
    if digital is not None and not digital.feasible:
        return incumbent(evaluations)
    better = [
        evaluation
        for evaluation in evaluations
        if saves(problem, evaluation.cost) or evaluation.mapping == problem.all_digital
    ]
    return incumbent(better if digital is None else [*better, digital])


def is_option(problem: Problem) -> bool:
    """Whether every unit can run on the host, and all-digital keeps the cost limits."""
    return not problem.forced and not problem.breaks_cost_limits(problem.all_digital)


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
