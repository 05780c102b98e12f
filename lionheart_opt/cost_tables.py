"""Coefficients of costs that are sums over units: many mappings priced at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.mapping import Mapping
from lionheart_opt.workload import Workload

#: Mappings priced at once, few enough for their sums to stay in the processor's cache.
_CHUNK = 16_384
#: Runs whose costs differ by this share differ by rounding only.
_ROUNDING = 1e-12


def cheapest_run(costs: np.ndarray) -> np.ndarray:
    """The best way to cut a batch into runs.

    It takes neither more time nor more energy than one inference after the other. Of such ways, it has
    the least sum of both, relative to those. Of equal ones, it is the first.

    Args:
        costs: Latency and energy of each way, single inferences last, shape (n_ways, ..., 2).

    Returns:
        Number of the way, shape (...).
    """
    alone = costs[-1]
    relative = np.divide(
        costs, alone, out=np.ones_like(costs), where=(alone > 0) & (alone < np.inf)
    )
    kept = (relative <= 1 + _ROUNDING).all(axis=-1)
    sums = np.where(kept, relative.sum(axis=-1), np.inf)
    best: np.ndarray = (sums <= sums.min(axis=0) * (1 + _ROUNDING)).argmax(axis=0)
    return best


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedWork:
    """What all mappings cost at least on alike cores that share the work, such as stages of a pipeline.

    Args:
        tables: Time that all cores work together, and energy. No mapping costs less energy.
        shares: Number of cores. No mapping has a shorter interval than their share of that time.
    """

    tables: CostTables
    shares: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class CostTables:
    """Cost = fixed + sum over units + sum over pairs of units that exchange data.

    The last axis of every table is (latency in s, energy in J), or has an interval in s, too.

    Args:
        units: Unit names, shape (n_units,).
        targets: Target names, shape (n_targets,).
        fixed: Cost of the layers that belong to no unit, shape (2,).
        unit: Cost of each unit on each target, shape (n_units, n_targets, 2); infinite where the
            target cannot run the unit.
        pairs: Numbers of two units of which the second reads the first's result, shape (n_pairs, 2).
        pair: Cost of each pair by the targets of its two units, shape (n_pairs, n_targets, n_targets,
            2).
        tiles: Crossbars that the unit occupies on the target, shape (n_units, n_targets). Fractions
            where units share a crossbar: a mapping occupies at least their sum.
        runs: Number of equal runs, one after the other, into which the batch is cut.
        cuts: Sums for every number of runs, where the best number depends on the mapping: each mapping
            then costs what its `cheapest_run` does, and the other tables are those of one run. Empty
            where the cost is one sum.

    Raises:
        InputError: A table has the wrong shape; a coefficient is NaN, or infinite where it must not be.
    """

    units: tuple[str, ...]
    targets: tuple[str, ...]
    fixed: np.ndarray
    unit: np.ndarray
    pairs: np.ndarray
    pair: np.ndarray
    tiles: np.ndarray
    runs: int = 1
    cuts: tuple[CostTables, ...] = ()

    def __post_init__(self) -> None:
        units, targets, pairs = len(self.units), len(self.targets), len(self.pairs)
        amounts = 3 if np.size(self.fixed) == 3 else 2
        for name, shape in {
            "fixed": (amounts,),
            "unit": (units, targets, amounts),
            "pairs": (pairs, 2),
            "pair": (pairs, targets, targets, amounts),
            "tiles": (units, targets),
        }.items():
            if np.shape(getattr(self, name)) != shape:
                raise InputError(
                    f"cost tables: {name}: got shape {np.shape(getattr(self, name))}; must be {shape}"
                )
        if not np.isfinite(self.fixed).all():
            raise InputError("cost tables: fixed: must be finite")
        for row, column in np.argwhere(
            np.isnan(self.unit).any(axis=2) | (self.unit == -np.inf).any(axis=2)
        ):
            where = f"unit {self.units[row]!r} on {self.targets[column]!r}"
            raise InputError(f"cost tables: {where}: got {self.unit[row, column].tolist()}")
        for first, second in self.pairs[~np.isfinite(self.pair).all(axis=(1, 2, 3))]:
            where = f"units {self.units[first]!r} and {self.units[second]!r}"
            raise InputError(f"cost tables: {where}: must be finite")
        if not np.isfinite(self.tiles).all():
            raise InputError("cost tables: tiles: must be finite")

    def __repr__(self) -> str:
        return (
            f"CostTables({len(self.units)} units, targets {', '.join(self.targets)}, "
            f"{len(self.pairs)} pairs)"
        )

    def encode(self, mappings: Sequence[Mapping]) -> np.ndarray:
        """Numbers of targets, shape (n_mappings, n_units).

        Raises:
            InputError: A mapping lacks a unit, or names a target that the tables do not have.
        """
        numbers = {name: number for number, name in enumerate(self.targets)}
        try:
            rows = [[numbers[mapping[unit]] for unit in self.units] for mapping in mappings]
        except KeyError as error:
            raise unknown("target", error.args[0], self.targets, "mapping") from error
        return np.array(rows, dtype=np.intp).reshape(len(mappings), len(self.units))

    def cost_batch(self, assignments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Price mappings in bulk.

        Args:
            assignments: Number of the target of each unit, integers of shape (n_mappings, n_units).

        Returns:
            Latency in s and energy in J, each of shape (n_mappings,).
        """
        if self.cuts:
            costs = np.array([np.stack(cut.cost_batch(assignments), axis=1) for cut in self.cuts])
            total = np.take_along_axis(costs, cheapest_run(costs)[None, :, None], axis=0)[0]
            return total[:, 0], total[:, 1]
        total = np.empty((len(assignments), 2))
        for start in range(0, len(assignments), _CHUNK):
            rows = slice(start, start + _CHUNK)
            # Small integers would overflow where two of them are combined.
            columns = np.ascontiguousarray(assignments[rows].T, dtype=np.intp)
            total[rows] = self._price(columns)
        return total[:, 0], total[:, 1]

    def _price(self, columns: np.ndarray) -> np.ndarray:
        """Latency and energy, shape (n_mappings, 2), of assignments of shape (n_units, n_mappings)."""
        total = np.tile(self.fixed, (columns.shape[1], 1))
        for table, targets in zip(self.unit, columns, strict=True):
            total += table.take(targets, axis=0)
        for (first, second), table in zip(self.pairs, self.pair, strict=True):
            both = columns[first] * len(self.targets) + columns[second]
            total += table.reshape(-1, 2).take(both, axis=0)
        return total


@runtime_checkable
class BoundsInBulk(Protocol):
    """A cost model whose cost is no sum, but is bounded by one, for some systems at least."""

    def shared_work(self, workload: Workload) -> SharedWork | None:
        """The coefficients of the sum, with which solvers look for mappings that the model then prices.

        Returns:
            None where the cost on this system is not bounded so.
        """
        ...


def shared_work(cost_model: object, workload: Workload) -> SharedWork | None:
    """The model's sum that bounds its cost; None where it has none."""
    return cost_model.shared_work(workload) if isinstance(cost_model, BoundsInBulk) else None
