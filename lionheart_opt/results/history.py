"""Hypervolume of a search, as its trials and oracle seconds are spent."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

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
    points = iter(np.clip(result.points, 0.0, None).tolist())
    times, drops = list[float](), list[float]()  # of the front, by growing time
    volumes = [0.0]
    for evaluation in result.evaluations:
        volume = volumes[-1]
        if evaluation.measured:
            time, drop = next(points)
            before = bisect_right(times, time)
            if not before or drops[before - 1] > drop:  # else nothing new is dominated
                first = last = bisect_left(times, time)
                while last < len(times) and drops[last] >= drop:
                    last += 1
                times[first:last], drops[first:last] = [time], [drop]
                volume = hypervolume(np.column_stack([times, drops]), largest_drop)
        volumes.append(volume)
    return np.array([0.0, *seconds]), np.array(volumes)
