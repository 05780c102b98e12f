"""Cost models that give what is no cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lionheart_opt.cost import Cost, LayerCost
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System
from lionheart_opt.workload import Workload


@dataclass(frozen=True)
class Fair:
    """A millisecond and a microjoule for each layer."""

    system: System

    def cost(self, workload: Workload, mapping: Mapping) -> Any:
        return self.changed(Cost(layers=tuple(self.layer(each.name) for each in workload.layers)))

    def layer(self, name: str) -> LayerCost:
        components = {"all": self.amounts()}
        return LayerCost(name=name, kind="", target=self.system.host, macs=0, components=components)

    def amounts(self) -> Any:
        return 1e-3, 1e-6

    def changed(self, cost: Cost) -> Any:
        return cost


class Free(Fair):
    def amounts(self) -> Any:
        return 0.0, 0.0


class Backwards(Fair):
    def amounts(self) -> Any:
        return -1e-3, 1e-6


class NotANumber(Fair):
    def amounts(self) -> Any:
        return 1e-3, float("nan")


class Endless(Fair):
    def amounts(self) -> Any:
        return float("inf"), 1e-6


class Huge(Fair):
    def amounts(self) -> Any:
        return 1e308, 1e-6


class Text(Fair):
    def amounts(self) -> Any:
        return "1", 1e-6


class OnlyTime(Fair):
    def amounts(self) -> Any:
        return 1e-3


class AtOnce(Fair):
    def changed(self, cost: Cost) -> Any:
        return replace(cost, interval_s=0.0)


class Often(Fair):
    def changed(self, cost: Cost) -> Any:
        return replace(cost, interval_s="often")


class ManyTiles(Fair):
    def changed(self, cost: Cost) -> Any:
        return replace(cost, tiles={"tile": "many"})


class Number(Fair):
    def changed(self, cost: Cost) -> Any:
        return cost.latency_s


class Nothing(Fair):
    def changed(self, cost: Cost) -> Any:
        return None


class Forgets(Fair):
    def changed(self, cost: Cost) -> Any:
        return replace(cost, layers=cost.layers[:-1])


class Swaps(Fair):
    def changed(self, cost: Cost) -> Any:
        return replace(cost, layers=cost.layers[::-1])


class Empty(Fair):
    def changed(self, cost: Cost) -> Any:
        return replace(cost, layers=())


class Lists(Fair):
    def changed(self, cost: Cost) -> Any:
        return replace(cost, layers=[*cost.layers])


class Elsewhere(Fair):
    def layer(self, name: str) -> LayerCost:
        return replace(super().layer(name), target="moon")


class Divides(Fair):
    def changed(self, cost: Cost) -> Any:
        return 1 / 0


class Misses(Fair):
    def changed(self, cost: Cost) -> Any:
        return {}["rate"]


class Breaks(Fair):
    def __init__(self, system: System) -> None:
        raise KeyError("rate")


class NoCosts:
    def __init__(self, system: System) -> None:
        self.system = system


def number(*, system: System) -> Any:
    return 7


class OtherTables(Fair):
    """Tables with twice the costs."""

    def tables(self, workload: Workload) -> CostTables:
        n_units, targets = len(workload.units), tuple(each.name for each in self.system.targets)
        total = 2 * len(workload.layers) * np.array(self.amounts())
        return CostTables(
            units=tuple(unit.name for unit in workload.units),
            targets=targets,
            fixed=total,
            unit=np.zeros((n_units, len(targets), 2)),
            pairs=np.zeros((0, 2), dtype=np.intp),
            pair=np.zeros((0, len(targets), len(targets), 2)),
            tiles=np.zeros((n_units, len(targets))),
        )


class ShortTables(OtherTables):
    """Tables without energies."""

    def tables(self, workload: Workload) -> CostTables:
        return replace(super().tables(workload), fixed=np.zeros(1))


class TablesOfOthers(OtherTables):
    """Tables of units that there are not."""

    def tables(self, workload: Workload) -> CostTables:
        tables = super().tables(workload)
        return replace(tables, units=tuple(f"{name}x" for name in tables.units))
