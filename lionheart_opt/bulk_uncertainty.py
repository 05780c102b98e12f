"""How well the costs of many mappings are known: thousands in the time in which `ModelsAtEnds` does ten.

`ModelsAtEnds` prices each mapping twice for each uncertain constant. Where cost models have tables, those
of both ends of all intervals price all mappings at once. The shares of each kind of work, which scatter
needs, are sums over units and pairs of units where the cost is one. In a pipeline they are none, and each
mapping is priced once for them. For some mappings, the results are compared with those of `ModelsAtEnds`.
Tables that give others are not used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lionheart_opt.cost import COST_OBJECTIVES, CostModel, cost_tables, pipeline_tables
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.mapping import Mapping
from lionheart_opt.pipeline_tables import PipelineTables
from lionheart_opt.pricing import priced
from lionheart_opt.space import Space, random_mapping
from lionheart_opt.uncertainty import QUANTITIES, WORKS, ModelsAtEnds, members_of, work_s

#: Mappings for which the models at the ends are asked whether what comes out is right.
N_ASKED = 3
#: Mappings from which on tables are made: fewer take less time one by one.
WORTH_TABLES = 6
#: Relative and absolute difference up to which changes of logarithms are the same, but for rounding.
_SAME = 1e-6, 1e-9
#: Change of a logarithm that is none, but for rounding of sums.
_ROUNDING = 1e-12

#: Latency, energy and time per inference of mappings, shape (n_mappings, 3), of the numbers of their
#: targets in the system, shape (n_mappings, n_units), units as in the workload.
_Prices = Callable[[np.ndarray], np.ndarray]


class Shifts:
    """How the costs of mappings move with the errors of their system.

    Args:
        ends: The cost model, and what it is at the ends of intervals.
        space: The workload and the system.
    """

    def __init__(self, ends: ModelsAtEnds, space: Space) -> None:
        self.ends = ends
        self.space = space
        self._asked = 0

    def half_widths(self, mappings: Sequence[Mapping], over: np.ndarray) -> dict[str, np.ndarray]:
        """As `Problem.half_widths`.

        Args:
            mappings: Of the space; those that are there more than once are priced once.
            over: Shifts of the mapping that gains are over, shape (n_objectives, n_errors).
        """
        different = {mapping: k for k, mapping in enumerate(dict.fromkeys(mappings))}
        rows = np.array([different[mapping] for mapping in mappings], dtype=np.intp)
        shifts = self.of(list(different))
        found = half_widths_of(shifts, over, self.ends.correlations)
        return {name: widths[rows] for name, widths in found.items()}

    def of(self, mappings: Sequence[Mapping]) -> np.ndarray:
        """Of different mappings, as `half_widths_of` takes them: by tables if many were asked for."""
        self._asked += len(mappings)
        bulk = self._bulk if self._asked >= WORTH_TABLES else None
        return one_by_one(self.ends, self.space, mappings) if bulk is None else bulk(mappings)

    @cached_property
    def _bulk(self) -> BulkShifts | None:
        return BulkShifts.of(self.ends, self.space)


def half_widths_of(
    shifts: np.ndarray, reference: np.ndarray, correlations: np.ndarray
) -> dict[str, np.ndarray]:
    """Half of the intervals of 95 % of costs and gains, as logarithms.

    Args:
        shifts: Change of the logarithm of each of `COST_OBJECTIVES` where one error is half of its
            interval, shape (n_mappings, n_objectives, n_errors).
        reference: The same of the mapping that gains are over, shape (n_objectives, n_errors).
        correlations: Of the errors, shape (n_errors, n_errors).

    Returns:
        Each name of `ESTIMATED` -> shape (n_mappings,); NaN where no error that is known moves it.
    """
    number = {name: k for k, name in enumerate(COST_OBJECTIVES)}
    found = {}
    for name in COST_OBJECTIVES:
        moved = shifts[:, number[name]]
        found[str(name)] = np.where(moved.any(axis=1), _widths(moved, correlations), np.nan)
    for gain, objective in (("speedup", number["interval_s"]), ("energy_gain", number["energy_j"])):
        before, after = reference[objective], shifts[:, objective]
        is_known = after.any(axis=1) | before.any()
        found[gain] = np.where(is_known, _widths(before - after, correlations), np.nan)
    return found


def _widths(shifts: np.ndarray, correlations: np.ndarray) -> np.ndarray:
    """As `Spread.half_width` for each row."""
    squares: np.ndarray = np.einsum("me,ef,mf->m", shifts, correlations, shifts, optimize=True)
    widths: np.ndarray = np.sqrt(np.maximum(squares, 0.0))
    return widths


@dataclass(frozen=True, kw_only=True, eq=False)
class BulkShifts:
    """How the costs of many mappings move with the errors of their system.

    Args:
        ends: The cost model, and what it is at the ends of intervals.
        space: The workload and the system.
        prices: Price mappings: the model itself, then at the lower and at the upper end of each interval.
        parts: Price each of `WORKS`; None where they are no sums.
    """

    ends: ModelsAtEnds
    space: Space
    prices: tuple[_Prices, ...]
    parts: tuple[_Prices, ...] | None

    @staticmethod
    def of(ends: ModelsAtEnds, space: Space) -> BulkShifts | None:
        """For mappings of a space; None where the cost model has no tables that give the same.

        Args:
            ends: The cost model, and what it is at the ends of intervals.
            space: The workload and the system.
        """
        if space.workload.batch > 1:  # at the ends, all runs are as long as for the mapping
            return None
        found = [_prices(model, space) for model in (ends.model, *sum(ends.ends, ()))]
        prices = tuple(price for price in found if price is not None)
        if len(prices) < len(found):
            return None
        tables = cost_tables(ends.model, space.workload)
        parts = None
        if tables is not None and ends.scatter:
            sums = [_sums(each, space) for each in _tables_of_works(ends, space, tables)]
            parts = tuple(each for each in sums if each is not None)
        bulk = BulkShifts(ends=ends, space=space, prices=prices, parts=parts)
        return bulk if bulk._is_right() else None

    def __call__(self, mappings: Sequence[Mapping]) -> np.ndarray:
        """As `half_widths_of` takes it: shape (n_mappings, n_objectives, n_errors)."""
        number = {target.name: k for k, target in enumerate(self.space.system.targets)}
        units = [unit.name for unit in self.space.workload.units]
        rows = [[number[mapping[unit]] for unit in units] for mapping in mappings]
        assignments = np.array(rows, dtype=np.intp).reshape(len(mappings), len(units))
        costs, *others = (price(assignments) for price in self.prices)
        shifts = np.zeros((len(mappings), len(COST_OBJECTIVES), len(self.ends.errors)))
        for error, wider in enumerate(self.ends.wider_sides):
            below, above = others[2 * error : 2 * error + 2]
            shifts[:, :, error] = wider * _logarithms(above, below) / 2
        shares = self._shares(mappings, assignments, costs) if self.ends.scatter else np.zeros(0)
        for error, each in enumerate(self.ends.scatter, len(self.ends.ends)):
            part = shares[:, WORKS.index(each.work), QUANTITIES.index(each.quantity)]
            for objective, name in enumerate(COST_OBJECTIVES):
                if (name == "energy_j") == (each.quantity == "energy"):
                    shifts[:, objective, error] = each.half_width * part
        return np.where(np.abs(shifts) < _ROUNDING, 0.0, shifts)

    def _shares(
        self, mappings: Sequence[Mapping], assignments: np.ndarray, costs: np.ndarray
    ) -> np.ndarray:
        """What of time and energy is each kind of work, shape (n_mappings, n_works, 2)."""
        if self.parts is None:
            shares = [_parts(self.ends, self.space, mapping) for mapping in mappings]
            parts = np.array(shares).reshape(len(mappings), len(WORKS), 2)
            return _ratios(parts, parts.sum(axis=1, keepdims=True))
        parts = np.stack([part(assignments)[:, :2] for part in self.parts], axis=1)
        return _ratios(parts, costs[:, None, :2])

    def _is_right(self) -> bool:
        rng = np.random.default_rng(0)
        asked = [random_mapping(self.space, rng) for _ in range(N_ASKED - 1)]
        asked.append(self.space.all_analog)
        expected = one_by_one(self.ends, self.space, asked)
        return np.allclose(self(asked), expected, rtol=_SAME[0], atol=_SAME[1])


def one_by_one(ends: ModelsAtEnds, space: Space, mappings: Sequence[Mapping]) -> np.ndarray:
    """As `BulkShifts`, without tables.

    Args:
        ends: The cost model, and what it is at the ends of intervals.
        space: The workload and the system.
        mappings: Of that space.
    """
    spreads = (ends.spread(space.workload, mapping) for mapping in mappings)
    shape = len(mappings), len(COST_OBJECTIVES), len(ends.errors)
    rows = [[each.shifts[name] for name in COST_OBJECTIVES] for each in spreads if each]
    return np.array(rows).reshape(shape)


def _ratios(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    """Of parts to wholes; 0 where the whole is 0."""
    zeros = np.zeros_like(parts)
    ratios: np.ndarray = np.divide(
        parts, wholes, out=zeros, where=np.broadcast_to(wholes > 0, parts.shape)
    )
    return ratios


def _logarithms(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Of the ratios; 0 where a number is 0."""
    is_there = (above > 0) & (below > 0)
    logarithms: np.ndarray = np.log(np.where(is_there, above / np.where(is_there, below, 1.0), 1.0))
    return logarithms


def _prices(model: CostModel, space: Space) -> _Prices | None:
    """Prices of many mappings; None where the model has no tables for all targets."""
    tables = cost_tables(model, space.workload)
    if tables is not None:
        return _sums(tables, space)
    pipeline = pipeline_tables(model, space.workload)
    renumber = None if pipeline is None else _renumber(pipeline, space)
    if pipeline is None or renumber is None:
        return None
    return lambda assignments: pipeline.cost_batch(renumber(assignments))


def _sums(tables: CostTables, space: Space) -> _Prices | None:
    """Prices by sums: the time per inference is the latency."""
    renumber = _renumber(tables, space)
    if renumber is None:
        return None

    def price(assignments: np.ndarray) -> np.ndarray:
        latency_s, energy_j = tables.cost_batch(renumber(assignments))
        return np.stack([latency_s, energy_j, latency_s], axis=1)

    return price


def _renumber(
    tables: CostTables | PipelineTables, space: Space
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Brings units and targets into the order of the tables; None where these lack one."""
    units = [unit.name for unit in space.workload.units]
    targets = [target.name for target in space.system.targets]
    if set(tables.units) != set(units) or set(tables.targets) != set(targets):
        return None
    columns = [units.index(unit) for unit in tables.units]
    numbers = np.array([tables.targets.index(target) for target in targets], dtype=np.intp)
    return lambda assignments: numbers[assignments[:, columns]]


def _parts(ends: ModelsAtEnds, space: Space, mapping: Mapping) -> np.ndarray:
    """Time without waiting, and energy, of each kind of work, shape (n_works, 2)."""
    cost = priced(ends.model, ends.system, space.workload, mapping)
    numbers = np.stack([work_s(cost), [layer.energy_j for layer in cost.layers]], axis=1)
    members = members_of(cost, ends.system)
    return np.array([numbers[members[work]].sum(axis=0) for work in WORKS])


def _tables_of_works(ends: ModelsAtEnds, space: Space, tables: CostTables) -> list[CostTables]:
    """Of a sum, each kind of work is a sum, too: found by moving one unit, or one pair of units."""
    base = {unit.name: space.choices[unit.name][0] for unit in space.workload.units}

    def price(moved: dict[str, str]) -> np.ndarray:
        return _parts(ends, space, Mapping.of(base | moved))

    number = {name: k for k, name in enumerate(tables.targets)}
    fixed, unit = price({}), np.zeros((len(WORKS), *tables.unit.shape[:2], 2))
    for row, name in enumerate(tables.units):
        for target in space.choices[name][1:]:
            unit[:, row, number[target]] = price({name: target}) - fixed
    pair = np.zeros((len(WORKS), *tables.pair.shape[:3], 2))
    for row, (first, second) in enumerate(tables.pairs.tolist()):
        for start in space.choices[tables.units[first]][1:]:
            for end in space.choices[tables.units[second]][1:]:
                both = price({tables.units[first]: start, tables.units[second]: end}) - fixed
                apart = unit[:, first, number[start]] + unit[:, second, number[end]]
                pair[:, row, number[start], number[end]] = both - apart
    return [
        replace(tables, fixed=fixed[work], unit=unit[work], pair=pair[work])
        for work in range(len(WORKS))
    ]
