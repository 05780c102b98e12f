"""Costs as sums over units and pairs of units: priced in bulk, and handed to exact solvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from lionheart_opt.cost_tables import CostTables
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.space import size
from lionheart_opt.strategies.parts.pricing import cost_objectives, value


@dataclass(frozen=True, kw_only=True, eq=False)
class Additive:
    """Cost = fixed + sum over units + sum over pairs of units, for every unit of the workload.

    Assignments are integers, shape (n_mappings, n_units): the number of the target of each unit.

    Args:
        problem: what is priced.
        quantities: names of the priced quantities: cost objectives first, then limited ones.
        targets: target names, shape (n_targets,).
        allowed: shape (n_units, n_targets): whether the target can run the unit.
        fixed: shape (n_quantities,).
        unit: shape (n_units, n_targets, n_quantities); not finite where not allowed.
        pairs: numbers of units, shape (n_pairs, 2).
        pair: shape (n_pairs, n_targets, n_targets, n_quantities).
        tiles: crossbars of a unit on a target, shape (n_units, n_targets).
    """

    problem: Problem
    quantities: tuple[Objective, ...]
    targets: tuple[str, ...]
    allowed: np.ndarray
    fixed: np.ndarray
    unit: np.ndarray
    pairs: np.ndarray
    pair: np.ndarray
    tiles: np.ndarray

    @staticmethod
    def of(problem: Problem) -> Additive:
        """From the cost model's tables where it offers them, otherwise from differences of its costs.

        Differences are taken against all-digital, for single units and for pairs of units that share
        data flow: exact if the model is such a sum, an approximation if not (as for `interval_s`).
        """
        limits: tuple[Objective, ...] = tuple(problem.cost_limits)  # type: ignore[arg-type]
        quantities = tuple(dict.fromkeys(cost_objectives(problem) + limits))
        offered = getattr(problem.cost_model, "tables", None)
        if offered is not None and "interval_s" not in quantities:
            return _from_tables(problem, quantities, offered(problem.workload))
        return _from_differences(problem, quantities)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Unit names, shape (n_units,)."""
        return tuple(unit.name for unit in self.problem.workload.units)

    def number(self, quantity: str) -> int:
        """Where the quantity is in `quantities`."""
        return [str(name) for name in self.quantities].index(quantity)

    def encode(self, mappings: Sequence[Mapping]) -> np.ndarray:
        """Assignments of mappings."""
        number = {name: k for k, name in enumerate(self.targets)}
        return np.array([[number[m[unit]] for unit in self.units] for m in mappings], dtype=np.intp)

    def decode(self, assignment: np.ndarray) -> Mapping:
        """The mapping of one row."""
        names = (self.targets[k] for k in assignment)
        return Mapping.of(dict(zip(self.units, names, strict=True)))

    def table(self, numbers: dict[tuple[str, str], float]) -> np.ndarray:
        """Numbers by (unit, target) as an array, shape (n_units, n_targets); 0 where none is given."""
        found = np.zeros(self.allowed.shape)
        for (unit, target), number in numbers.items():
            found[self.units.index(unit), self.targets.index(target)] = number
        return found

    def every(self) -> np.ndarray:
        """Assignments of every mapping, all-digital first."""
        choices = [np.flatnonzero(row) for row in self.allowed]
        host = self.targets.index(self.problem.system.host)
        choices = [np.array(sorted(row, key=lambda k: (k != host, k))) for row in choices]
        grid = np.empty((size(self.problem), len(choices)), dtype=np.intp)
        repeat = len(grid)
        for column, row in enumerate(choices):
            repeat //= len(row)
            grid[:, column] = np.resize(np.repeat(row, repeat), len(grid))
        return grid

    def values(self, assignments: np.ndarray) -> np.ndarray:
        """Quantities, shape (n_mappings, n_quantities)."""
        total = np.tile(self.fixed, (len(assignments), 1))
        for k in range(len(self.units)):
            total += self.unit[k][assignments[:, k]]
        for (first, second), table in zip(self.pairs, self.pair, strict=True):
            total += table[assignments[:, first], assignments[:, second]]
        return total

    def keeps_limits(self, assignments: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Whether cost limits and tile capacities hold, shape (n_mappings,); `values` as priced."""
        keeps = np.ones(len(assignments), dtype=bool)
        for name, limit in self.problem.cost_limits.items():
            keeps &= values[:, self.number(name)] <= limit
        for k, name in enumerate(self.targets):
            capacity = self.problem.system.target(name).tiles
            if capacity is not None:
                keeps &= ((assignments == k) @ self.tiles[:, k]) <= capacity
        return keeps


def _allowed(problem: Problem, targets: Sequence[str]) -> np.ndarray:
    return np.array([[name in allowed for name in targets] for allowed in problem.choices.values()])


def _from_tables(
    problem: Problem, quantities: tuple[Objective, ...], tables: CostTables
) -> Additive:
    names = [unit.name for unit in problem.workload.units]
    rows = [tables.units.index(name) for name in names]
    columns = [("latency_s", "energy_j").index(name) for name in quantities]
    place = {row: k for k, row in enumerate(rows)}
    return Additive(
        problem=problem,
        quantities=quantities,
        targets=tables.targets,
        allowed=_allowed(problem, tables.targets),
        fixed=tables.fixed[columns],
        unit=tables.unit[rows][:, :, columns],
        pairs=np.array([[place[a], place[b]] for a, b in tables.pairs], dtype=np.intp).reshape(
            -1, 2
        ),
        pair=tables.pair[..., columns],
        tiles=tables.tiles[rows],
    )


def _from_differences(problem: Problem, quantities: tuple[Objective, ...]) -> Additive:
    base = problem.all_digital
    targets = tuple(target.name for target in problem.system.targets)
    names = [unit.name for unit in problem.workload.units]
    allowed = _allowed(problem, targets)
    tiles = np.zeros((len(names), len(targets)), dtype=int)

    def priced(mapping: Mapping) -> np.ndarray:
        cost = problem.cost(mapping)
        return np.array([value(cost, name) for name in quantities])

    fixed = priced(base)
    unit = np.full((len(names), len(targets), len(quantities)), np.inf)
    for k, t in np.argwhere(allowed):
        moved = base.move(names[k], targets[t])
        unit[k, t] = priced(moved) - fixed
        tiles[k, t] = problem.cost(moved).tiles.get(targets[t], 0)
    pairs = _data_flow_pairs(problem)
    pair = np.zeros((len(pairs), len(targets), len(targets), len(quantities)))
    for number, (one, two) in enumerate(pairs):
        for a, b in product(np.flatnonzero(allowed[one]), np.flatnonzero(allowed[two])):
            both = priced(base.move(names[one], targets[a]).move(names[two], targets[b]))
            pair[number, a, b] = both - fixed - unit[one, a] - unit[two, b]
    return Additive(
        problem=problem,
        quantities=quantities,
        targets=targets,
        allowed=allowed,
        fixed=fixed,
        unit=unit,
        pairs=np.array(pairs, dtype=np.intp).reshape(-1, 2),
        pair=pair,
        tiles=tiles,
    )


def _data_flow_pairs(problem: Problem) -> list[tuple[int, int]]:
    """Pairs of units of which one reads what the other made, at most through layers of one input."""
    workload = problem.workload
    number = {unit.name: k for k, unit in enumerate(workload.units)}
    maker: dict[str, int] = {}  # layer -> unit whose result it hands on
    pairs: set[tuple[int, int]] = set()
    for layer in workload.layers:
        owner = workload.unit_of.get(layer.name)
        read = {maker[source] for source in layer.inputs if source in maker}
        if owner is not None:
            me = number[owner]
            maker[layer.name] = me
            pairs |= {(min(me, other), max(me, other)) for other in read if other != me}
        elif len(layer.inputs) == 1 and read:
            [maker[layer.name]] = read
    return sorted(pairs)
