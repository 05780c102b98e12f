"""Hypervolume of a search, as its trials and oracle seconds are spent."""

from __future__ import annotations

import numpy as np

from lionheart_opt.results.metrics import hypervolume
from lionheart_opt.results.result import SearchResult


def final_hypervolume(result: SearchResult) -> float:
    """Hypervolume of everything that a search has measured."""
    return hypervolume(result.points, result.problem.accuracy_limit.max_drop)


def history(result: SearchResult) -> tuple[np.ndarray, np.ndarray]:
    """Oracle seconds and hypervolume after each trial, each of shape (n_trials + 1,) from zero on.

    Answers beside accuracies count as if all of them had come before the first trial.
    """
    seconds = result.answers_s + np.cumsum(
        [evaluation.oracle_s for evaluation in result.evaluations]
    )
    shared = [
        evaluation.accuracy.shared_s if evaluation.accuracy else 0.0
        for evaluation in result.evaluations
    ]
    if result.evaluations:
        seconds += np.maximum.accumulate(shared)
    largest_drop = result.problem.accuracy_limit.max_drop
    points = iter(result.points)
    front = np.empty((0, 2))
    volumes = [0.0]
    for evaluation in result.evaluations:
        volume = volumes[-1]
        if evaluation.measured:
            point = np.clip(next(points), 0.0, None)
            if not (front <= point).all(axis=1).any():  # else nothing new is dominated
                front = np.vstack([front[~(point <= front).all(axis=1)], point])
                volume = hypervolume(front, largest_drop)
        volumes.append(volume)
    return np.array([0.0, *seconds]), np.array(volumes)
