"""Costs that are sums over layers, each priced alone on its target: as a breakdown and as tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from lionheart_opt.cost import LayerCost
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System, Target
from lionheart_opt.workload import Layer, Unit, Workload

#: Component -> (latency in s, energy in J).
Components = dict[str, tuple[float, float]]
#: Function that prices a layer on a target.
Price = Callable[[Layer, Target], Components]


def target_of(system: System, workload: Workload, mapping: Mapping, layer: Layer) -> Target:
    """Where a layer runs: with its unit, or on the host if it belongs to none.

    Raises:
        InputError: The target cannot run the layer.
    """
    unit = workload.unit_of.get(layer.name)
    target = system.target(system.host if unit is None else mapping[unit])
    if not target.supports(layer):
        raise InputError(
            f"system {system.name!r}: target {target.name!r} cannot run layer {layer.name!r} "
            f"({layer.kind})"
        )
    return target


def layer_cost(
    layer: Layer, target: str, components: Components, place: str = "", aside_s: float = 0.0
) -> LayerCost:
    """The entry of a layer in a cost, where it runs on that target; see `LayerCost`."""
    return LayerCost(
        name=layer.name,
        kind=layer.kind,
        target=target,
        macs=layer.macs,
        components=components,
        place=place,
        aside_s=aside_s,
    )


@dataclass(frozen=True, eq=False)
class LayerPrices:
    """Entries of the layers of a workload; each layer is priced once on each target.

    Args:
        system: Has the targets.
        workload: Has the layers.
        price: Prices a layer on a target.
    """

    system: System
    workload: Workload
    price: Price
    _found: dict[tuple[str, str], LayerCost] = field(default_factory=dict, init=False)

    def of(self, mapping: Mapping) -> tuple[LayerCost, ...]:
        """One entry for each layer, in execution order.

        Raises:
            InputError: A target cannot run a layer that the mapping gives it.
        """
        unit_of, host = self.workload.unit_of, self.system.host
        costs = []
        for layer in self.workload.layers:
            unit = unit_of.get(layer.name)
            key = layer.name, host if unit is None else mapping[unit]
            if key not in self._found:
                target = target_of(self.system, self.workload, mapping, layer)
                self._found[key] = layer_cost(layer, target.name, self.price(layer, target))
            costs.append(self._found[key])
        return tuple(costs)


def layer_costs(
    system: System, workload: Workload, mapping: Mapping, price: Price
) -> tuple[LayerCost, ...]:
    """As `LayerPrices.of`, for one mapping."""
    return LayerPrices(system, workload, price).of(mapping)


def additive_tables(
    system: System,
    workload: Workload,
    price: Price,
    share: Callable[[Unit, Target], float],
) -> CostTables:
    """The coefficients of the same cost as `layer_costs`, without terms for pairs of units.

    Args:
        system: Its targets are the columns.
        workload: Its units are the rows.
        price: Prices a layer on a target.
        share: Crossbars that a unit takes on a target; a fraction where units share a crossbar.
    """
    targets = system.targets
    host = system.target(system.host)
    fixed = np.zeros(2)
    for layer in workload.layers:
        if layer.name not in workload.unit_of:
            fixed += _sum(price(layer, host))
    coefficients = np.full((len(workload.units), len(targets), 2), np.inf)
    tiles = np.zeros((len(workload.units), len(targets)))
    for row, unit in enumerate(workload.units):
        able = system.targets_of(workload, unit)
        for column, target in enumerate(targets):
            if target.name in able:
                prices = [_sum(price(layer, target)) for layer in workload.layers_of(unit)]
                coefficients[row, column] = np.sum(prices, axis=0)
                tiles[row, column] = share(unit, target)
    return CostTables(
        units=tuple(unit.name for unit in workload.units),
        targets=tuple(target.name for target in targets),
        fixed=fixed,
        unit=coefficients,
        pairs=np.zeros((0, 2), dtype=np.intp),
        pair=np.zeros((0, len(targets), len(targets), 2)),
        tiles=tiles,
    )


def _sum(components: Components) -> np.ndarray:
    total: np.ndarray = np.sum(list(components.values()), axis=0)
    return total
