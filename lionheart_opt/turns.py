"""Systems whose crossbars take turns: two problems with costs that are sums, for exact solvers."""

from __future__ import annotations

from dataclasses import dataclass, is_dataclass, replace

import numpy as np

from lionheart_opt.batches import BatchOrder
from lionheart_opt.cost import (
    COST_OBJECTIVES,
    Cost,
    CostModel,
    CostObjective,
    LayerCost,
    cost_tables,
)
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.system import System
from lionheart_opt.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Regime:
    """A problem whose costs are sums.

    Args:
        problem: It has the same mappings.
        spared: Quantity -> what a mapping costs less than in that problem, at most.
    """

    problem: Problem
    spared: dict[CostObjective, float]


@dataclass(frozen=True)
class _PaidCrossbars:
    """Prices with which each crossbar is programmed in each inference or batch, and none is missing."""

    unlimited: CostModel
    prices: dict[str, tuple[float, float]]
    host: str

    @property
    def batch_order(self) -> BatchOrder:
        """See `RunsBatches`: crossbars take turns from layer to layer."""
        return "layer by layer"

    def tables(self, workload: Workload) -> CostTables | None:
        """Those without programming, and the programming of each unit's crossbars."""
        tables = cost_tables(self.unlimited, workload)
        if tables is None:
            return None
        prices = np.array([self.prices.get(name, (0.0, 0.0)) for name in tables.targets])
        return replace(tables, unit=tables.unit + tables.tiles[..., None] * prices)

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """The sum as one layer."""
        tables = self.tables(workload)
        assert tables is not None
        latency_s, energy_j = tables.cost_batch(tables.encode([mapping]))
        total = {"all": (float(latency_s[0]), float(energy_j[0]))}
        layer = LayerCost(name="all", kind="", target=self.host, macs=0, components=total)
        batch = workload.batch
        return Cost(layers=(layer,), interval_s=layer.latency_s / batch if batch > 1 else None)


def takes_turns(system: System) -> bool:
    """Whether crossbars of a system can be reprogrammed during an inference."""
    return any(target.reprogramming and target.tiles is not None for target in system.targets)


def regimes(problem: Problem) -> list[Regime]:
    """Problems that are sums, and whose best mappings are good where crossbars take turns.

    One has the crossbars and programs none. In the other, each crossbar is programmed in each inference:
    beyond the capacity, each further crossbar costs that, and what the others save is the same for all.

    Returns:
        Nothing where crossbars do not take turns, or where the costs without that are no sums.
    """
    system, model = problem.system, problem.cost_model
    if not takes_turns(system) or not is_dataclass(model):
        return []
    if getattr(model, "system", None) != system:
        return []

    def without(**changes: None) -> System:
        update = {"reprogramming": None, **changes}
        targets = (
            target.model_copy(update=update) if target.reprogramming else target
            for target in system.targets
        )
        return system.model_copy(update={"targets": tuple(targets)})

    fixed, unlimited = without(), without(tiles=None)
    prices = _prices(problem)
    paid = _PaidCrossbars(replace(model, system=unlimited), prices, system.host)
    if paid.tables(problem.workload) is None:
        return []
    spared: dict[CostObjective, float] = dict.fromkeys(COST_OBJECTIVES, 0.0)
    for target in system.targets:
        if (
            target.name in prices
        ):  # one crossbar at least is not spared, where some are reprogrammed
            count = max((target.tiles or 0) - 1, 0)
            spared["latency_s"] += count * prices[target.name][0]
            spared["energy_j"] += count * prices[target.name][1]
    spared["interval_s"] = spared["latency_s"] / problem.workload.batch
    loosened = {name: limit + spared[name] for name, limit in problem.cost_limits.items()}
    return [
        Regime(
            problem=replace(problem, system=fixed, cost_model=replace(model, system=fixed)),
            spared=dict.fromkeys(COST_OBJECTIVES, 0.0),
        ),
        Regime(
            problem=replace(problem, system=unlimited, cost_model=paid, cost_limits=loosened),
            spared=spared,
        ),
    ]


def _prices(problem: Problem) -> dict[str, tuple[float, float]]:
    """Target -> time of programming a crossbar, and its energy, with the power of the waiting machine.

    The energy is what one inference of a batch has of it.
    """
    layers = problem.cost(problem.all_analog).layers
    prices = {}
    for target in problem.system.targets:
        if (rule := target.reprogramming) is not None:
            spent = [
                layer.components["reprogramming"]
                for layer in layers
                if layer.target == target.name and "reprogramming" in layer.components
            ]
            time_s, energy_j = (
                (sum(values) for values in zip(*spent, strict=True)) if spent else (0, 0)
            )
            of_rule = rule.crossbar_j / problem.workload.batch
            crossbar_j = energy_j / time_s * rule.crossbar_s if time_s else of_rule
            prices[target.name] = rule.crossbar_s, crossbar_j
    return prices
