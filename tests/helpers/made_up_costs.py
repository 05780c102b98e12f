"""Cost models that are no sum over units, or hide that they are, and problems priced with them."""

from dataclasses import dataclass, replace

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.cost import Cost, CostModel
from lionheart_opt.cost_models.validation.alpine import with_cores
from lionheart_opt.mapping import TRAININGS, Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.synthetic import SyntheticCosts, SyntheticOracle, convolutional_workload
from lionheart_opt.testing import tiny_problem
from lionheart_opt.workload import Workload


@dataclass(frozen=True)
class Opaque:
    """A cost model that hides its tables."""

    model: CostModel

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        return self.model.cost(workload, mapping)


@dataclass(frozen=True)
class WithoutTables(Opaque):
    """A cost model that has no tables for this system, and says so."""

    def tables(self, workload: Workload) -> None:
        return None


@dataclass(frozen=True)
class WakingUp(WithoutTables):
    """Analog units need their tile awake, which takes time once, however many they are."""

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost = self.model.cost(workload, mapping)
        wake_s = 3e-5 * any(cost.tiles.values())
        first = replace(
            cost.layers[0], components={**cost.layers[0].components, "wake": (wake_s, 0.0)}
        )
        return replace(cost, layers=(first, *cost.layers[1:]))


@dataclass(frozen=True)
class TakingTurns(WithoutTables):
    """All analog units of a target share its one crossbar, one after the other."""

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost = self.model.cost(workload, mapping)
        return replace(cost, tiles={name: min(count, 1) for name, count in cost.tiles.items()})


def with_tiles(
    problem: Problem, tiles: int, wrap: type[WithoutTables] | None = None, **changes: object
) -> Problem:
    """The problem with that many crossbars on its tile.

    Args:
        problem: The problem, with made-up costs.
        tiles: Number of crossbars.
        wrap: What hides the tables of its cost model; None leaves them visible.
        changes: Other fields of the problem to replace.
    """
    targets = tuple(
        target.model_copy(update={"tiles": tiles}) if target.name == "tile" else target
        for target in problem.system.targets
    )
    system = problem.system.model_copy(update={"targets": targets})
    model = SyntheticCosts(system)
    return replace(problem, system=system, cost_model=wrap(model) if wrap else model, **changes)


def limited(problem: Problem, tiles: int, energy_share: float) -> Problem:
    """With that many crossbars on the tile, and a limit on the energy relative to all-digital."""
    energy_j = energy_share * problem.digital_cost.energy_j
    return with_tiles(problem, tiles, cost_limits={"energy_j": energy_j})


def several_cores(objectives: tuple[Objective, ...]) -> Problem:
    """A small network on ALPINE's high-power system with two cores, each with a tile."""
    system = with_cores(plugins.load_system("alpine-high-power"), 2)
    workload = convolutional_workload()
    units = tuple(unit.name for unit in workload.units)
    oracle = SyntheticOracle(
        units=units,
        analog=dict.fromkeys(system.analog_targets, 1.0),
        single=dict.fromkeys(TRAININGS, np.full(len(units), 0.01)),
        pair=np.zeros((len(units), len(units))),
    )
    return replace(
        tiny_problem(objectives=objectives),
        workload=workload,
        system=system,
        cost_model=plugins.cost_model(system),
        oracle=oracle,
        answers=None,
    )
