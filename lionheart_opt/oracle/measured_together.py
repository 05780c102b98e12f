"""Candidates with the same weights, which one network serves and which are measured together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.compensation import Compensation
from lionheart_opt.oracle.engine import Engine
from lionheart_opt.oracle.measurement import Conditions, measure
from lionheart_opt.oracle.numerics import Placed
from lionheart_opt.oracle.uses import traced_uses
from lionheart_opt.oracle.weights import CandidateWeights


def served_by_one_network(weights: CandidateWeights, group: Sequence[Candidate]) -> list[Candidate]:
    """The first candidate, and those of the others that a network can serve together with it.

    Args:
        weights: What knows where matrices are.
        group: Candidates with the same weights.
    """
    served: list[Candidate] = []
    places: list[Placed] = []
    for candidate in group:
        placed = weights.placed(candidate.mapping)
        if not weights.is_exact(candidate.mapping) and placed.fits(places):
            served.append(candidate)
            places.append(placed)
    return served


def measure_together(
    weights: CandidateWeights,
    group: Sequence[Candidate],
    engine: Engine,
    network: nn.Module,
    examples: Examples,
    conditions: Conditions,
    compensation: Compensation | None,
) -> np.ndarray:
    """How candidates do that one network serves.

    Args:
        weights: What knows where matrices are, and what they compute in there.
        group: The candidates.
        engine: What simulates analog matrices.
        network: The floating-point network with their trained weights.
        examples: All that there is to measure.
        conditions: Which of them, times, draws, seed and batch size.
        compensation: How chips are calibrated.

    Returns:
        Statistics of examples, shape (n_candidates, n_draws, n_times, n_examples, n_statistics).
    """
    places = [weights.placed(candidate.mapping) for candidate in group]
    numerics = weights.numerics
    configs = {path: c for placed in places for path, c in numerics.configs(placed).items()}
    asked = conditions
    if not configs:  # nothing is drawn, and nothing changes with time
        asked = replace(conditions, draws=range(1), times_s=conditions.times_s[:1])
    statistics = measure(
        engine,
        network,
        [tuple(placed.analog) for placed in places],
        configs,
        examples,
        asked,
        traced_uses(weights.workload),
        compensation if configs else None,
        weights.host_numerics(places[0]),
    )
    shape = len(group), len(conditions.draws), len(conditions.times_s), *statistics.shape[-2:]
    return np.broadcast_to(statistics, shape)
