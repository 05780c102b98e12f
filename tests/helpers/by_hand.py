"""Problems whose prices and drops are given number by number."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.cost import Cost, CostObjective, LayerCost
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.synthetic import synthetic_system, synthetic_workload
from lionheart_opt.workload import Workload

#: Unit -> target -> seconds.
Prices = dict[str, dict[str, float]]


@dataclass(frozen=True)
class PriceList:
    """Seconds of each unit on each target, joules ten times as many, and 1 s that nothing changes."""

    prices: Prices

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        layers = []
        for layer in workload.layers:
            target = mapping[layer.name] if layer.name in self.prices else "cpu"
            seconds = self.prices[layer.name][target] if layer.name in self.prices else 0.0
            components = {"all": (seconds, 10 * seconds)}
            if not layers:
                components["fixed"] = (1.0, 0.0)
            layers.append(
                LayerCost(
                    name=layer.name,
                    kind=layer.kind,
                    target=target,
                    macs=layer.macs,
                    components=components,
                )
            )
        return Cost(layers=tuple(layers))


@dataclass(frozen=True)
class DropList:
    """Drops of units on targets, which add up; 100 s of training, 1 s for each draw.

    Without training, drops are `untrained` times as large, with shared weights `shared` times.
    """

    drops: Prices
    untrained: float = 1.0
    shared: float = 1.0

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        first, last = fidelity.draws
        mapping = candidate.mapping
        drop = sum(self.drops.get(unit, {}).get(mapping[unit], 0.0) for unit in mapping)
        drop *= {"none": self.untrained, "one_shot": self.shared}.get(candidate.trained_by, 1.0)
        return Accuracy(
            samples=np.full((last - first, 1), 0.9 - drop),
            times_s=(1.0,),
            baseline=0.9,
            training_s=0.0 if candidate.trained_by == "none" else 100.0,
            evaluation_s=float(last - first),
        )


def problem_of(
    prices: Prices,
    drops: Prices,
    *,
    max_drop: float = 0.1,
    untrained: float = 1.0,
    shared: float = 1.0,
    macs: Sequence[int] | None = None,
    objectives: Sequence[Objective] = ("latency_s",),
    cost_limits: dict[CostObjective, float] | None = None,
) -> Problem:
    """Units `fc0`, `fc1`, ..., each on the host and on the targets that have a price.

    A unit without a price for `tile` cannot be analog; all can run on digital targets.
    MACs fall from unit to unit unless they are given.
    """
    targets = list(dict.fromkeys(target for of_unit in prices.values() for target in of_unit))
    macs = macs or [100 * (len(prices) - k) for k in range(len(prices))]
    workload = synthetic_workload(list(macs))
    layers = tuple(
        layer if "tile" in prices.get(layer.name, {}) else replace(layer, mvm=None)
        for layer in workload.layers
    )
    system = synthetic_system(targets)
    return Problem(
        workload=replace(workload, layers=layers),
        system=system,
        cost_model=PriceList(prices),
        oracle=DropList(drops, untrained, shared),
        objectives=tuple(objectives),
        accuracy_limit=AccuracyLimit(max_drop=max_drop, time_s=1.0, draws=(2,)),
        cost_limits=cost_limits or {},
    )


def path(problem: Problem, mappings: Sequence[dict[str, str]]) -> list[Mapping]:
    """The mappings with everything that they do not name on the host."""
    return [problem.mapping(mapping) for mapping in mappings]
