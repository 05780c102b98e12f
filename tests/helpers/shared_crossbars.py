"""Problems on the cluster whose crossbars are packed: shares would fit that do not."""

from __future__ import annotations

from collections.abc import Sequence

from small_networks import network, operator

from lionheart_opt import plugins
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import TRAININGS
from lionheart_opt.plugins import load_system
from lionheart_opt.problem import Problem
from lionheart_opt.synthetic import SyntheticOracle
from lionheart_opt.workload import Mvm, Workload


def squares(sizes: Sequence[int]) -> Workload:
    """Square matrices of these sizes, one after the other."""
    layers, last = [], "input"
    for number, size in enumerate(sizes):
        layers.append(
            operator(
                f"fc{number}",
                "linear",
                last,
                input_shapes=((1, size),),
                output_shape=(1, size),
                macs=size * size,
                weight_count=size * size,
                mvm=Mvm(rows=size, columns=size, count=1),
            )
        )
        last = f"fc{number}"
    return network(*layers)


def on_crossbars(tiles: int, sizes: Sequence[int]) -> Problem:
    """A problem on `imc-cluster` with so many crossbars, whose oracle accepts everything."""
    system = redesigned(load_system("imc-cluster"), {"targets.ima.tiles": tiles})
    workload = squares(sizes)
    names = tuple(unit.name for unit in workload.units)
    drops = [0.0] * len(names)
    return Problem(
        workload=workload,
        system=system,
        cost_model=plugins.cost_model(system),
        oracle=SyntheticOracle(
            units=names,
            analog={"ima": 1.0},
            single=dict.fromkeys(TRAININGS, drops),
            pair=[[0.0] * len(names) for _ in names],
            noise=0.0,
        ),
        objectives=("latency_s",),
        accuracy_limit=AccuracyLimit(max_drop=0.5, time_s=(86_400.0,)),
        training="none",
    )
