"""Problems on the many-core, with an oracle whose losses add up, or that accepts everything."""

from functools import cache

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.cost import CostObjective
from lionheart_opt.cost_models.validation import manycore as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import TRAININGS
from lionheart_opt.problem import Problem
from lionheart_opt.synthetic import SyntheticOracle, convolutional_workload
from lionheart_opt.workload import Workload


@cache
def networks() -> dict[str, Workload]:
    """A network of five layers, and the ResNet-18 of the paper."""
    return {"small": convolutional_workload(), "resnet18": paper.resnet18()}


def on_many_cores(
    workload: Workload,
    objective: CostObjective,
    *,
    losses: np.ndarray | None = None,
    clusters: int = 512,
    movable: int = 99,
    cost_limits: dict[CostObjective, float] | None = None,
    machine: dict[str, float] | None = None,
) -> Problem:
    """A problem on the many-core.

    Args:
        workload: What must run.
        objective: What to minimise.
        losses: Drop of each unit alone, shape (n_units,); None accepts everything.
        clusters: Clusters of the machine and of its targets.
        movable: Units beyond that number stay on the host.
        cost_limits: Limits on costs.
        machine: Other numbers of `[machine]`.
    """
    system = redesigned(plugins.load_system("manycore"), {"machine.clusters": clusters})
    system = variant(system, "machine", **(machine or {}))
    names = tuple(unit.name for unit in workload.units)
    drops = np.zeros(len(names)) if losses is None else losses
    return Problem(
        workload=workload,
        system=system,
        cost_model=plugins.cost_model(system),
        oracle=SyntheticOracle(
            units=names,
            analog={"ima": 1.0},
            single=dict.fromkeys(TRAININGS, drops),
            pair=np.zeros((len(names), len(names))),
            noise=0.0,
        ),
        objectives=(objective,),
        accuracy_limit=AccuracyLimit(max_drop=0.02, time_s=(86_400.0,)),
        cost_limits=cost_limits or {},
        digital=names[movable:],
        training="none",
    )
