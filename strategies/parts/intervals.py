"""Intervals of pipelines that a cost model of one's own has tables for, without the interval in them."""

from __future__ import annotations

import numpy as np

from lionheart_opt.cost import cost_tables
from lionheart_opt.errors import InputError
from lionheart_opt.space import random_mapping
from lionheart_opt.strategies.parts.additive import Additive

#: Mappings whose intervals are compared with those of the sums.
SAMPLED = 8
#: By what share a sum may differ from an interval: by rounding.
SAME = 1e-6


def refuse_maximum(costs: Additive) -> None:
    """Refuse to minimise or limit an interval as a sum where it is none, such as that of a slowest stage.

    Tables of a cost model have latencies and energies. Intervals are then taken from what single moves
    and pairs of moves change of all-digital's. That is exact for sums, and says nothing of a maximum.

    Args:
        costs: The sums.

    Raises:
        InputError: An interval of a sampled mapping is another one than that of the sums.
    """
    problem = costs.problem
    if "interval_s" not in costs.quantities or costs.pipeline is not None:
        return
    digital = problem.digital_cost
    if digital.interval_s is None or cost_tables(problem.cost_model, problem.workload) is None:
        return
    rng = np.random.default_rng(0)
    sample = [problem.all_analog, *(random_mapping(problem, rng) for _ in range(SAMPLED))]
    real = [problem.totals(mapping).time_per_inference_s for mapping in sample]
    sums = costs.values(costs.encode(sample))[:, costs.number("interval_s")]
    if not np.allclose(sums, real, rtol=SAME, atol=0.0):
        raise InputError(
            f"{problem.system.where}: family {problem.system.family!r}: interval_s: is no sum over "
            "units, and the model's tables do not have it; give the model `pipeline_tables`, or search "
            "with local_search or optuna"
        )
