"""Crossbars that take turns, and batches that can be cut: problems whose costs are sums, for solvers."""

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
class _Sum:
    """Prices that are a sum.

    Args:
        sums: The coefficients.
        host: Name of the host.
        model: Counts crossbars; None where there is no limit to them.
    """

    sums: CostTables
    host: str
    model: CostModel | None

    @property
    def batch_order(self) -> BatchOrder:
        """See `RunsBatches`: such systems run layer by layer."""
        return "layer by layer"

    def tables(self, workload: Workload) -> CostTables:  # noqa: ARG002
        """The coefficients."""
        return self.sums

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """The sum as the cost of the first layer."""
        latency_s, energy_j = self.sums.cost_batch(self.sums.encode([mapping]))
        total = {"all": (float(latency_s[0]), float(energy_j[0]))}
        layers = tuple(
            LayerCost(
                name=layer.name,
                kind=layer.kind,
                target=self.host,
                macs=layer.macs,
                components={} if number else total,
            )
            for number, layer in enumerate(workload.layers)
        )
        batch = workload.batch
        return Cost(
            layers=layers,
            interval_s=float(latency_s[0]) / batch if batch > 1 else None,
            tiles={} if self.model is None else self.model.cost(workload, mapping).tiles,
        )


def takes_turns(system: System) -> bool:
    """Whether crossbars of a system can be reprogrammed during an inference."""
    return any(target.reprogramming and target.tiles is not None for target in system.targets)


def regimes(problem: Problem) -> list[Regime]:
    """Problems that are sums, and whose best mappings are good where the costs of a problem are no sum.

    Where crossbars take turns, one has the crossbars and programs none. In another, each crossbar is
    programmed in each inference: beyond the capacity, each further crossbar costs that, and what the
    others save is the same for all. Where a batch can be cut, there is one for each number of runs.

    Returns:
        Nothing where the costs are a sum, or where nothing is known of them.
    """
    system, model = problem.system, problem.cost_model
    tables = cost_tables(model, problem.workload)
    if tables is not None:
        return [_cut(problem, cut, model) for cut in tables.cuts]
    paid = paid_tables(problem)
    if not paid:
        return []
    fixed = _without(system)
    fixed_model = replace(model, system=fixed)  # type: ignore[type-var]
    fixed_problem = replace(problem, system=fixed, cost_model=fixed_model)
    fixed_tables = cost_tables(fixed_model, problem.workload)
    assert fixed_tables is not None
    unlimited = _without(system, tiles=None)
    return [
        *(_cut(fixed_problem, cut, fixed_model) for cut in fixed_tables.cuts or (fixed_tables,)),
        *(
            Regime(
                problem=replace(
                    problem,
                    system=unlimited,
                    cost_model=_Sum(each.tables, system.host, None),
                    cost_limits={
                        name: limit + each.spared[name]
                        for name, limit in problem.cost_limits.items()
                    },
                ),
                spared=each.spared,
            )
            for each in paid
        ),
    ]


def _cut(problem: Problem, tables: CostTables, model: CostModel) -> Regime:
    """The problem with that sum."""
    return Regime(
        problem=replace(problem, cost_model=_Sum(tables, problem.system.host, model)),
        spared=dict.fromkeys(COST_OBJECTIVES, 0.0),
    )


def _without(system: System, **changes: None) -> System:
    """The system without reprogramming."""
    update = {"reprogramming": None, **changes}
    targets = (
        target.model_copy(update=update) if target.reprogramming else target
        for target in system.targets
    )
    return system.model_copy(update={"targets": tuple(targets)})


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Costs with which each crossbar is programmed in each run, and none is missing.

    Args:
        tables: The sum.
        programming: Target that is reprogrammed -> time and energy of programming one of its crossbars.
        spared: Quantity -> what a mapping costs less than that, at most.
    """

    tables: CostTables
    programming: dict[str, tuple[float, float]]
    spared: dict[CostObjective, float]


def paid_tables(problem: Problem) -> list[Paid]:
    """One for each number of runs.

    Returns:
        Nothing where crossbars do not take turns, or where the costs without that are no sums.
    """
    system, model = problem.system, problem.cost_model
    if not takes_turns(system) or not is_dataclass(model):
        return []
    if getattr(model, "system", None) != system:
        return []
    unlimited = replace(model, system=_without(system, tiles=None))
    tables = cost_tables(unlimited, problem.workload)
    if tables is None:
        return []
    once = _prices(problem)
    paid = []
    for cut in tables.cuts or (tables,):
        prices = {
            name: (cut.runs * time_s, cut.runs * energy_j)
            for name, (time_s, energy_j) in once.items()
        }
        each = np.array([prices.get(name, (0.0, 0.0)) for name in cut.targets])
        spared: dict[CostObjective, float] = dict.fromkeys(COST_OBJECTIVES, 0.0)
        for name, (time_s, energy_j) in prices.items():
            # one crossbar at least is not spared, where some are reprogrammed
            count = max((system.target(name).tiles or 0) - 1, 0)
            spared["latency_s"] += count * time_s
            spared["energy_j"] += count * energy_j
        spared["interval_s"] = spared["latency_s"] / problem.workload.batch
        sums = replace(cut, unit=cut.unit + cut.tiles[..., None] * each)
        paid.append(Paid(tables=sums, programming=prices, spared=spared))
    return paid


def _prices(problem: Problem) -> dict[str, tuple[float, float]]:
    """Target -> time and energy of programming a crossbar once.

    The energy includes that of the waiting machine, and is what one inference of a batch has of it.
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
