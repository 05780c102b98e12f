"""Chips that lose far more than the others, which a limit of the mean hides."""

from __future__ import annotations

import numpy as np

from lionheart_opt.results.result import SearchResult

#: A chip is far from the others if it is so many robust standard deviations above their median. Of a
#: hundred trials with 20 chips each and a skewness of 1.5, one has such a chip.
FAR = 10.0
#: Standard deviation of a normal distribution, in median absolute deviations.
_NORMAL = 1.4826


def bad_chips(drops: np.ndarray, max_drop: float, rounding: float = 0.0) -> np.ndarray:
    """Numbers of the draws that lose far more than the others, and by more than the limit.

    Args:
        drops: Drops of all draws at one time, shape (n_draws,).
        max_drop: The largest accepted drop.
        rounding: Standard deviation of what rounding does to a drop.

    Returns:
        Shape (n_bad,); none of fewer than five draws, or where half of them do.
    """
    if len(drops) < 5 or drops.max() - drops.min() <= max_drop:
        return np.empty(0, int)
    median = float(np.median(drops))
    deviation = max(_NORMAL * float(np.median(np.abs(drops - median))), rounding)
    return np.flatnonzero(drops - median > max(FAR * deviation, max_drop))


def trials_with_bad_chips(result: SearchResult) -> dict[int, str]:
    """Number of a trial -> what is to be said of its chips; none where the limit is of a quantile."""
    limit = result.problem.accuracy_limit
    said: dict[int, str] = {}
    if limit.quantile is not None:
        return said
    for number, evaluation in zip(result.numbers, result.evaluations, strict=True):
        accuracy = evaluation.accuracy
        if accuracy is None or not evaluation.measured:
            continue
        for time_s in limit.times_s:
            drops = accuracy.drops_at(time_s)
            bad = bad_chips(drops, limit.max_drop, accuracy.rounding)
            if len(bad):
                metric = accuracy.metric
                others = np.delete(drops, bad).max()
                said[number] = (
                    f"{len(bad)} of {len(drops)} chips lose up to {metric.said(drops[bad].max())} "
                    f"{metric.drop_unit}, the others at most {metric.said(others)}"
                )
    return said
