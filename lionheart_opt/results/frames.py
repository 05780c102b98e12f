"""Data frames of searches: a row for each evaluation, with the intervals of its costs and gains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lionheart_opt.estimates import ends_of
from lionheart_opt.uncertainty import ESTIMATED

if TYPE_CHECKING:
    import pandas

    from lionheart_opt.evaluation import Evaluation
    from lionheart_opt.problem import Problem

#: Ends of the intervals of `SearchResult.best_estimates`, low and high.
ENDS = {name: ends_of(name) for name in ESTIMATED}
#: Columns of `SearchResult.to_frame` in their order, and their types.
COLUMNS = {
    "trial": "int64",
    "mapping": "object",
    "latency_s": "float64",
    "energy_j": "float64",
    "interval_s": "float64",
    "speedup": "float64",
    "energy_gain": "float64",
    "analog_mac_ratio": "float64",
    "fits": "bool",
    "drop": "float64",
    "drop_high": "float64",
    "feasible": "bool",
    "best": "bool",
    "verdict": "object",
    "oracle_s": "float64",
    "diverged": "bool",
    "failed": "bool",
    **{end: "float64" for ends in ENDS.values() for end in ends},
}


def frame_of(
    problem: Problem,
    evaluations: Sequence[Evaluation],
    said: dict[str, Sequence[object]],
    with_intervals: Sequence[int],
) -> pandas.DataFrame:
    """The frame of `SearchResult.to_frame`.

    Args:
        problem: What a search answers.
        evaluations: One a row.
        said: The columns that the search says: `trial`, `best` and `verdict`.
        with_intervals: Numbers of the rows whose intervals are found; the others have none.
    """
    import pandas

    costs = [each.cost for each in evaluations]
    gains = [problem.gains(cost) for cost in costs]
    drops = [each.drop for each in evaluations]
    frame = pandas.DataFrame(
        {
            **said,
            "mapping": [each.mapping for each in evaluations],
            "latency_s": [cost.latency_s for cost in costs],
            "energy_j": [cost.energy_j for cost in costs],
            "interval_s": [cost.time_per_inference_s for cost in costs],
            "speedup": [speedup for speedup, _ in gains],
            "energy_gain": [energy_gain for _, energy_gain in gains],
            "analog_mac_ratio": [problem.analog_mac_ratio(each.mapping) for each in evaluations],
            "fits": [cost.fits for cost in costs],
            "drop": [np.nan if drop is None else drop.estimate for drop in drops],
            "drop_high": [np.nan if drop is None else drop.high for drop in drops],
            "feasible": [each.feasible for each in evaluations],
            "oracle_s": [each.oracle_s for each in evaluations],
            "diverged": [bool(each.accuracy and each.accuracy.diverged) for each in evaluations],
            "failed": [bool(each.failed) for each in evaluations],
        }
    )
    found = problem.half_widths([evaluations[row].mapping for row in with_intervals])
    for name, (low, high) in ENDS.items():
        width = np.full(len(frame), np.nan)
        width[list(with_intervals)] = found[name]
        frame[low] = frame[name] * np.exp(-width)
        frame[high] = frame[name] * np.exp(width)
    return frame[list(COLUMNS)].astype(COLUMNS)
