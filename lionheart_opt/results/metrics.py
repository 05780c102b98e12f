"""What a search is worth: gains over all-digital, hypervolume, the best mapping at each threshold."""

from __future__ import annotations

import numpy as np

from lionheart_opt.cost import Cost
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import LIONHEART_THRESHOLDS, AccuracyLimit
from lionheart_opt.problem import Problem
from lionheart_opt.results.result import SearchResult


def thresholds(limit: AccuracyLimit) -> tuple[float, ...]:
    """The limit's largest drop, and those of `LIONHEART_THRESHOLDS` below it; growing."""
    return (*(one for one in LIONHEART_THRESHOLDS if one < limit.max_drop), limit.max_drop)


def drop_of(problem: Problem, evaluation: Evaluation) -> float | None:
    """The limit's statistic (mean or quantile) at its worst time; None if nothing was measured."""
    if evaluation.accuracy is None:
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
        pairs: shape (n, 2): relative time and drop.
        largest_drop: what is worth nothing: the study's limit.
    """
    clipped = np.clip(pairs, 0.0, None)
    inside = clipped[(clipped < (1.0, largest_drop)).all(axis=1)]
    area, lowest = 0.0, largest_drop
    for time, drop in inside[np.argsort(inside[:, 0], kind="stable")].tolist():
        if drop < lowest:
            area += (1.0 - time) * (lowest - drop)
            lowest = drop
    return area / largest_drop if largest_drop > 0 else 0.0


def final_hypervolume(run: SearchResult) -> float:
    """Hypervolume of everything that a search has measured."""
    return hypervolume(run.points, run.problem.accuracy_limit.max_drop)


def history(run: SearchResult) -> tuple[np.ndarray, np.ndarray]:
    """Oracle seconds and hypervolume after each trial, each of shape (n_trials + 1,) from zero on.

    Answers beside accuracies count as if all of them had come before the first trial.
    """
    seconds = run.knowledge_s + np.cumsum([one.oracle_s for one in run.evaluations])
    shared = [one.accuracy.shared_s if one.accuracy else 0.0 for one in run.evaluations]
    if run.evaluations:
        seconds += np.maximum.accumulate(shared)
    largest_drop = run.problem.accuracy_limit.max_drop
    points = iter(run.points)
    front = np.empty((0, 2))
    volumes = [0.0]
    for one in run.evaluations:
        volume = volumes[-1]
        if one.accuracy is not None:
            point = np.clip(next(points), 0.0, None)
            if not (front <= point).all(axis=1).any():  # else nothing new is dominated
                front = np.vstack([front[~(point <= front).all(axis=1)], point])
                volume = hypervolume(front, largest_drop)
        volumes.append(volume)
    return np.array([0.0, *seconds]), np.array(volumes)
