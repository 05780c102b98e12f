"""The best mapping of a strategy beside the best of all strategies: drop and costs, in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isclose
from typing import Any

from lionheart_opt.cost import COST_OBJECTIVES
from lionheart_opt.estimates import Estimate, names_with_ends, with_ends
from lionheart_opt.results.best import best_of
from lionheart_opt.results.result import SearchResult
from lionheart_opt.statistics.bounds import Bounds, paired

#: Costs that differ by less are equal but for rounding.
_ROUNDING = 1e-9


def drop_above_best(
    runs: Sequence[SearchResult], everyone: Sequence[SearchResult]
) -> Bounds | None:
    """By how much a strategy's incumbent drops more than the best of all strategies, draw by draw.

    Mean at the last of the limit's times. None if there is no incumbent, if both are the same mapping, or
    if they were decided on different numbers of examples.

    Args:
        runs: Searches of the strategy.
        everyone: Searches of all strategies.
    """
    mine, best = best_of(runs), best_of(everyone)
    if mine is None or best is None or mine.mapping == best.mapping:
        return None
    if mine.accuracy is None or best.accuracy is None:
        return None
    if mine.accuracy.baseline != best.accuracy.baseline:
        return None
    return paired(mine.accuracy, best.accuracy, max(runs[0].problem.accuracy_limit.times_s))


def costs_over_best(
    runs: Sequence[SearchResult], everyone: Sequence[SearchResult]
) -> dict[str, dict[str, Any]] | None:
    """How many times as much a strategy's incumbent costs as the best of all strategies.

    Both rest on the same constants of the system. So this ratio is known better than the costs, and than
    the gains over all-digital.

    Args:
        runs: Searches of the strategy.
        everyone: Searches of all strategies.

    Returns:
        `latency_s`, `interval_s` (time per inference) and `energy_j`, each with its `ratio`, the ends of
        its `interval` of 95 %, and whether it is `told_apart` from 1. Interval and answer are None where
        the system does not say how well its constants are known. None if there is no incumbent.
    """
    mine, best = best_of(runs), best_of(everyone)
    if mine is None or best is None:
        return None
    if mine.mapping == best.mapping:
        return {name: _row(Estimate(1.0, 1.0, 1.0)) for name in COST_OBJECTIVES}
    problem = runs[0].problem
    cost, least = problem.cost(mine.mapping), problem.cost(best.mapping)
    return {name: _row(least.gain_over(cost, name)) for name in COST_OBJECTIVES}


def over_best_columns(costs: dict[str, dict[str, Any]] | None) -> dict[str, float | None]:
    """The ratios of `costs_over_best` and their ends, as columns of a frame: `latency_over_best`, ..."""
    names = {str(name): f"{name[:-2]}_over_best" for name in COST_OBJECTIVES}
    if costs is None:
        return dict.fromkeys(names_with_ends(names.values()))
    return with_ends(
        {
            names[name]: Estimate(row["ratio"], *(row["interval"] or ()))
            for name, row in costs.items()
        }
    )


def _row(ratio: Estimate) -> dict[str, Any]:
    low, high = ratio.low, ratio.high
    if low is None or high is None:
        return {"ratio": ratio.value, "interval": None, "told_apart": None}
    is_equal = isclose(ratio.value, 1.0, rel_tol=_ROUNDING)
    return {
        "ratio": ratio.value,
        "interval": [low, high],
        "told_apart": not is_equal and not low <= 1.0 <= high,
    }
