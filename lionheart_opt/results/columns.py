"""Columns of the data frames of searches."""

from __future__ import annotations

from lionheart_opt.estimates import ends_of
from lionheart_opt.uncertainty import ESTIMATED

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
