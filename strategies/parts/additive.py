"""Costs as sums over units and pairs of units: priced in bulk, and handed to exact solvers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np

from lionheart_opt.cost import (
    COST_OBJECTIVES,
    CostObjective,
    cost_tables,
    pipeline_tables,
)
from lionheart_opt.cost_tables import CostTables, SharedWork, cheapest_run, shared_work
from lionheart_opt.mapping import Mapping
from lionheart_opt.pipeline_tables import PipelineTables
from lionheart_opt.problem import Problem
from lionheart_opt.space import neighbours, size
from lionheart_opt.strategies.parts.pricing import cost_objectives
from lionheart_opt.strategies.parts.turns import ROUNDING, Turns
from lionheart_opt.turns import Paid, paid_tables

#: A pair whose cost is at most this share of all-digital's differs from none by rounding only.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Additive:
    """Cost = fixed + sum over units + sum over pairs of units, for every unit of the workload.

    Assignments are integers, shape (n_mappings, n_units): the number of the target of each unit.

    Args:
        problem: The problem whose mappings are priced.
        quantities: Names of the priced quantities: cost objectives first, then limited ones.
        targets: Target names, shape (n_targets,).
        allowed: Whether the target can run the unit, shape (n_units, n_targets).
        fixed: Cost that no mapping changes, shape (n_quantities,).
        unit: Cost of each unit on each target, shape (n_units, n_targets, n_quantities); not finite
            where not allowed.
        pairs: Numbers of the two units of each pair, shape (n_pairs, 2).
        pair: Cost of each pair, shape (n_pairs, n_targets, n_targets, n_quantities).
        tiles: Crossbars of a unit on a target, shape (n_units, n_targets).
        exact: Whether the costs are this sum. Otherwise it approximates costs and crossbars, and what it
            finds must be priced by the cost model.
        pipeline: The pipeline whose costs are approximated; None where there is none.
        turns: What is programmed where crossbars take turns, beside the sum; None where they do not.
        cuts: Tables of a batch that can be cut, see `CostTables.cuts`; None where it cannot.
    """

    problem: Problem
    quantities: tuple[CostObjective, ...]
    targets: tuple[str, ...]
    allowed: np.ndarray
    fixed: np.ndarray
    unit: np.ndarray
    pairs: np.ndarray
    pair: np.ndarray
    tiles: np.ndarray
    exact: bool
    pipeline: PipelineTables | None = None
    turns: Turns | None = None
    cuts: CostTables | None = None

    @staticmethod
    def of(problem: Problem) -> Additive:
        """From the cost model's tables where it has them, otherwise from differences of its costs.

        Differences are taken against all-digital, for single units and for `neighbours`. They are exact
        if the cost is such a sum, and an approximation if not. `interval_s` is in no table, so that it
        always comes from differences. For pipelines, see `_from_pipeline`; where cores share the
        work, `SharedWork`; where crossbars take turns, `Turns`.
        """
        limited = tuple(name for name in COST_OBJECTIVES if name in problem.cost_limits)
        quantities = tuple(dict.fromkeys(cost_objectives(problem) + limited))
        tables = cost_tables(problem.cost_model, problem.workload)
        pipeline = pipeline_tables(problem.cost_model, problem.workload)
        if tables is None and pipeline is not None:
            return _from_pipeline(problem, quantities, pipeline)
        shared = shared_work(problem.cost_model, problem.workload)
        if tables is None and shared is not None:
            return _from_shared_work(problem, quantities, shared)
        if tables is None and (paid := paid_tables(problem)):
            return _from_turns(problem, quantities, paid)
        if tables is None:
            return _from_differences(problem, quantities)
        if "interval_s" in quantities and not tables.cuts:
            differences = _from_differences(problem, quantities)
            columns = [tables.targets.index(target) for target in differences.targets]
            return replace(differences, tiles=tables.tiles[_rows(problem, tables)][:, columns])
        return _from_tables(problem, quantities, tables)

    @cached_property
    def units(self) -> tuple[str, ...]:
        """Unit names, shape (n_units,)."""
        return tuple(unit.name for unit in self.problem.workload.units)

    def number(self, quantity: str) -> int:
        """Position of the quantity in `quantities`."""
        return [str(name) for name in self.quantities].index(quantity)

    def encode(self, mappings: Sequence[Mapping]) -> np.ndarray:
        """Assignments of mappings, shape (n_mappings, n_units)."""
        numbers = {name: number for number, name in enumerate(self.targets)}
        rows = [[numbers[mapping[unit]] for unit in self.units] for mapping in mappings]
        return np.array(rows, dtype=np.intp).reshape(-1, len(self.units))

    def decode(self, assignment: np.ndarray) -> Mapping:
        """The mapping of one assignment, shape (n_units,)."""
        names = (self.targets[number] for number in assignment)
        return Mapping.of(dict(zip(self.units, names, strict=True)))

    def table(self, values: dict[tuple[str, str], float]) -> np.ndarray:
        """Values by (unit, target) as an array, shape (n_units, n_targets); 0 where none is given."""
        array = np.zeros(self.allowed.shape)
        rows = {name: number for number, name in enumerate(self.units)}
        columns = {name: number for number, name in enumerate(self.targets)}
        for (unit, target), value in values.items():
            array[rows[unit], columns[target]] = value
        return array

    def every(self) -> np.ndarray:
        """Assignments of every mapping, all-digital first."""
        host = self.targets.index(self.problem.system.host)
        choices = [
            np.array(sorted(np.flatnonzero(row), key=lambda number: (number != host, number)))
            for row in self.allowed
        ]
        grid = np.empty((size(self.problem), len(choices)), dtype=np.intp)
        repeat = len(grid)
        for column, numbers in enumerate(choices):
            repeat //= len(numbers)
            grid[:, column] = np.resize(np.repeat(numbers, repeat), len(grid))
        return grid

    def values(self, assignments: np.ndarray) -> np.ndarray:
        """The quantities of each assignment, shape (n_mappings, n_quantities)."""
        if self.cuts is not None:
            return self._of_cuts(self.cuts, assignments)
        total = np.tile(self.fixed, (len(assignments), 1))
        for column in range(len(self.units)):
            total += self.unit[column][assignments[:, column]]
        for (first, second), table in zip(self.pairs, self.pair, strict=True):
            total += table[assignments[:, first], assignments[:, second]]
        return total if self.turns is None else total + self.turns.values(assignments)

    def _of_cuts(self, tables: CostTables, assignments: np.ndarray) -> np.ndarray:
        """As `values`, with the best number of runs of each assignment."""
        ordered = np.empty_like(assignments)
        ordered[:, _rows(self.problem, tables)] = assignments
        latency_s, energy_j = tables.cost_batch(ordered)
        interval_s = latency_s / self.problem.workload.batch
        every = dict(zip(COST_OBJECTIVES, (latency_s, energy_j, interval_s), strict=True))
        return np.stack([every[name] for name in self.quantities], axis=1)

    def keeps_limits(self, assignments: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Whether cost limits and tile capacities hold, shape (n_mappings,).

        Args:
            assignments: Assignments, shape (n_mappings, n_units).
            values: Their quantities, as `values` returns them.
        """
        keeps = np.ones(len(assignments), dtype=bool)
        for name, limit in self.problem.cost_limits.items():
            keeps &= values[:, self.number(name)] <= limit
        for number, target in enumerate(self.targets):
            capacity = self.problem.system.target(target).tiles
            if capacity is not None:
                used = (assignments == number) @ self.tiles[:, number]
                keeps &= used <= capacity + ROUNDING
        return keeps


def _allowed(problem: Problem, targets: Sequence[str]) -> np.ndarray:
    return np.array([[name in allowed for name in targets] for allowed in problem.choices.values()])


def _rows(problem: Problem, tables: CostTables) -> list[int]:
    """Row of each unit of the workload in the tables."""
    return [tables.units.index(unit.name) for unit in problem.workload.units]


def _from_tables(
    problem: Problem, quantities: tuple[CostObjective, ...], tables: CostTables
) -> Additive:
    whole, rows = tables, _rows(problem, tables)
    if tables.cuts:  # the sum of the cut that is right for all-analog
        analog = tables.encode([problem.all_analog])
        costs = np.array([np.stack(cut.cost_batch(analog), axis=1) for cut in tables.cuts])
        tables = tables.cuts[int(cheapest_run(costs)[0])]
    position = {row: number for number, row in enumerate(rows)}
    pairs = [[position[first], position[second]] for first, second in tables.pairs]
    return Additive(
        problem=problem,
        quantities=quantities,
        targets=tables.targets,
        allowed=_allowed(problem, tables.targets),
        fixed=_quantities(problem, quantities, tables.fixed),
        unit=_quantities(problem, quantities, tables.unit[rows]),
        pairs=np.array(pairs, dtype=np.intp).reshape(-1, 2),
        pair=_quantities(problem, quantities, tables.pair),
        tiles=tables.tiles[rows],
        exact=not whole.cuts,
        cuts=whole if whole.cuts else None,
    )


def _quantities(
    problem: Problem, quantities: tuple[CostObjective, ...], table: np.ndarray
) -> np.ndarray:
    """Quantities of latencies, energies and, where the table has them, intervals.

    Where it has none, the interval is the share of the latency that one inference of a batch has.
    """
    if table.shape[-1] == 2:
        interval_s = table[..., :1] / problem.workload.batch
        table = np.concatenate([table, interval_s], axis=-1)
    return table[..., [COST_OBJECTIVES.index(name) for name in quantities]]


def _from_turns(
    problem: Problem, quantities: tuple[CostObjective, ...], paid: Sequence[Paid]
) -> Additive:
    """The sum without programming, and what is programmed.

    A batch has as many runs as that of all-analog.
    """
    together = problem.cost(problem.all_analog).together or problem.workload.batch
    runs = problem.workload.batch // together
    [chosen] = [each for each in paid if each.tables.runs == runs] or paid[:1]
    tables, targets = chosen.tables, problem.system.targets
    programmed = np.array([chosen.programming.get(name, (0.0, 0.0)) for name in tables.targets])
    is_turning = programmed.any(axis=1)
    rows = _rows(problem, tables)
    room = {target.name: target.tiles or 0 for target in targets}
    sums = _from_tables(
        problem,
        quantities,
        replace(tables, unit=tables.unit - tables.tiles[..., None] * programmed),
    )
    allowed = _allowed(problem, tables.targets)
    tiles = [_tiles(problem, name, allowed[:, k]) for k, name in enumerate(tables.targets)]
    return replace(
        sums,
        tiles=np.stack(tiles, axis=1),
        exact=False,
        turns=Turns(
            needed=np.where(is_turning, tables.tiles[rows], 0.0),
            room=np.array([room[name] for name in tables.targets]),
            prices=_quantities(problem, quantities, programmed),
        ),
    )


def _from_shared_work(
    problem: Problem, quantities: tuple[CostObjective, ...], shared: SharedWork
) -> Additive:
    """Sums that are in proportion to the work and the energy, and right for all-analog."""
    tables = shared.tables
    cost = problem.cost(problem.all_analog)
    work = tables.cost_batch(tables.encode([problem.all_analog]))
    latency_s, energy_j = (float(values[0]) for values in work)
    factors = (
        cost.latency_s / latency_s,
        cost.energy_j / energy_j,
        cost.time_per_inference_s / latency_s,
    )

    def with_interval(table: np.ndarray) -> np.ndarray:
        return np.concatenate([table, table[..., :1]], axis=-1) * factors

    sums = replace(
        tables,
        fixed=with_interval(tables.fixed),
        unit=with_interval(tables.unit),
        pair=with_interval(tables.pair),
    )
    return replace(_from_tables(problem, quantities, sums), exact=False)


def _from_pipeline(
    problem: Problem, quantities: tuple[CostObjective, ...], pipeline: PipelineTables
) -> Additive:
    """Times as if clusters could be divided at will, and energies with static power for such intervals.

    A stage with `c` clusters that takes `t` alone takes `c t / n` with `n` of them, so that all `n`
    clusters together take the sum of all `c t`. The latency is in proportion to that, and beyond it each
    stage adds its time for a slice.
    """
    rows = [pipeline.units.index(unit.name) for unit in problem.workload.units]
    one_copy = pipeline.clusters[-1]
    can = np.isfinite(one_copy)
    work_s = np.where(can, one_copy, 0.0) * pipeline.one_copy_s / max(pipeline.room, 1)
    work_s[~can] = np.inf
    own_s = np.zeros(one_copy.shape)
    fixed_s = 0.0
    for unit, stage_s in zip(pipeline.unit_of, pipeline.own_s[-1], strict=True):
        if unit >= 0:
            own_s[unit] += stage_s
        else:
            fixed_s += float(stage_s[0])
    own = np.zeros((len(pipeline.unit_of), 1))
    waits = float(pipeline.longest_path(own, np.ones(1))[0])
    unit = {
        "latency_s": own_s + waits * work_s,
        "energy_j": pipeline.energy_j + pipeline.static_w * work_s,
        "interval_s": work_s,
    }
    fixed = {
        "latency_s": fixed_s + waits * pipeline.fixed_s,
        "energy_j": pipeline.fixed_j + pipeline.static_w * pipeline.fixed_s,
        "interval_s": pipeline.fixed_s,
    }
    n_targets = len(pipeline.targets)
    return Additive(
        problem=problem,
        quantities=quantities,
        targets=pipeline.targets,
        allowed=_allowed(problem, pipeline.targets),
        fixed=np.array([fixed[name] for name in quantities]),
        unit=np.stack([unit[name] for name in quantities], axis=-1)[rows],
        pairs=np.zeros((0, 2), dtype=np.intp),
        pair=np.zeros((0, n_targets, n_targets, len(quantities))),
        tiles=np.where(can, one_copy, 0.0)[rows],
        exact=False,
        pipeline=pipeline,
    )


def _from_differences(problem: Problem, quantities: tuple[CostObjective, ...]) -> Additive:
    base = problem.all_digital
    targets = tuple(target.name for target in problem.system.targets)
    host = targets.index(problem.system.host)
    units = [unit.name for unit in problem.workload.units]
    allowed = _allowed(problem, targets)

    def priced(mapping: Mapping) -> np.ndarray:
        cost = problem.cost(mapping)
        return np.array([cost.value(name) for name in quantities])

    fixed = priced(base)
    unit = np.full((len(units), len(targets), len(quantities)), np.inf)
    for row, column in np.argwhere(allowed):
        unit[row, column] = priced(base.move(units[row], targets[column])) - fixed
    numbers = {name: number for number, name in enumerate(units)}
    pairs = [(numbers[first], numbers[second]) for first, second in neighbours(problem)]
    pair = np.zeros((len(pairs), len(targets), len(targets), len(quantities)))
    for number, ends in enumerate(pairs):
        # With one unit on the host the difference is that of the other unit alone.
        choices = [[k for k in np.flatnonzero(allowed[end]) if k != host] for end in ends]
        for a, b in product(*choices):
            both = base.move(units[ends[0]], targets[a]).move(units[ends[1]], targets[b])
            pair[number, a, b] = priced(both) - fixed - unit[ends[0], a] - unit[ends[1], b]
    counts = (np.abs(pair) > NEGLIGIBLE * fixed).any(axis=(1, 2, 3))
    return Additive(
        problem=problem,
        quantities=quantities,
        targets=targets,
        allowed=allowed,
        fixed=fixed,
        unit=unit,
        pairs=np.array(pairs, dtype=np.intp).reshape(-1, 2)[counts],
        pair=pair[counts],
        tiles=np.stack(
            [_tiles(problem, target, allowed[:, k]) for k, target in enumerate(targets)], 1
        ),
        exact=False,
    )


def _tiles(problem: Problem, target: str, allowed: np.ndarray) -> np.ndarray:
    """Crossbars of each unit on a target, shape (n_units,); 0 where there is no capacity to keep.

    Those of each unit alone, scaled so that their sum is what all units occupy together: less where
    units share crossbars, take turns or are replicated as long as there is room.
    """
    tiles = np.zeros(len(allowed))
    place = problem.system.target(target)
    if place.tiles is None:
        return tiles
    units = [unit.name for unit in problem.workload.units]
    rows = np.flatnonzero(allowed)
    for row in rows:
        tiles[row] = problem.totals(problem.mapping({units[row]: target})).tiles.get(target, 0)
    if place.reprogramming is not None:  # units take turns
        return np.where(tiles > place.tiles, tiles, 0.0)
    together = problem.totals(problem.mapping({units[row]: target for row in rows})).tiles
    return tiles * (together.get(target, 0) / tiles.sum()) if tiles.any() else tiles
