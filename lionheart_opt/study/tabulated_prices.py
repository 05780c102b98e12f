"""What mappings cost by the tables of a cost model: ten thousand in the time of a hundred."""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, isclose

import numpy as np

from lionheart_opt.cost import Totals, cost_tables
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping

#: Relative difference up to which costs are the same, but for rounding.
ROUNDING = 1e-9
#: Mappings of which the cost model itself is asked whether its tables are right.
N_ASKED = 8


@dataclass(frozen=True, kw_only=True)
class TabulatedPrices:
    """Prices as sums over units and pairs of units.

    Args:
        fixed: Latency in s and energy in J of the layers that belong to no unit.
        unit: (unit, target) -> latency, energy, and crossbars.
        pairs: (producer, consumer, its target, its target) -> latency and energy, for each pair.
        analog: Targets whose crossbars are counted.
        batch: Inferences that run together.
        capacities: As for `Totals`.
    """

    fixed: tuple[float, float]
    unit: dict[str, dict[str, tuple[float, float, int]]]
    pairs: list[tuple[str, str, dict[tuple[str, str], tuple[float, float]]]]
    analog: tuple[str, ...]
    batch: int
    capacities: dict[str, int] | None

    @staticmethod
    def of(problem: Problem) -> TabulatedPrices | None:
        """The prices of a problem; None where its cost model has no tables, or they do not say all.

        Some mappings are priced by the model itself, and their totals must be the same.
        """
        tables = cost_tables(problem.cost_model, problem.workload)
        if tables is None or (tables.tiles != np.rint(tables.tiles)).any():
            return None
        rng = np.random.default_rng(0)
        asked = [problem.all_digital, problem.all_analog]
        asked += [random_mapping(problem, rng) for _ in range(N_ASKED)]
        priced = [problem.totals(mapping) for mapping in asked]
        prices = TabulatedPrices(
            fixed=(float(tables.fixed[0]), float(tables.fixed[1])),
            unit={
                unit: {
                    target: (*tables.unit[row, column].tolist(), int(tables.tiles[row, column]))
                    for column, target in enumerate(tables.targets)
                }
                for row, unit in enumerate(tables.units)
            },
            pairs=[
                (
                    tables.units[first],
                    tables.units[second],
                    {
                        (a, b): tuple(table[i, j].tolist())
                        for i, a in enumerate(tables.targets)
                        for j, b in enumerate(tables.targets)
                    },
                )
                for (first, second), table in zip(tables.pairs.tolist(), tables.pair, strict=True)
            ],
            analog=tuple(priced[0].tiles),
            batch=problem.workload.batch,
            capacities=priced[0].capacities,
        )
        tabulated = map(prices.totals, asked)
        return prices if all(map(_agree, priced, tabulated)) else None

    def totals(self, mapping: Mapping) -> Totals | None:
        """What a mapping costs; None where it has not the units and targets of the tables."""
        if len(mapping) != len(self.unit):
            return None
        try:
            parts = [self.unit[unit][target] for unit, target in mapping.items()]
        except KeyError:
            return None
        moves = [table[mapping[first], mapping[second]] for first, second, table in self.pairs]
        latencies, energies, counts = zip(*parts, strict=True) if parts else ((), (), ())
        latency_s = fsum([self.fixed[0], *latencies, *(latency_s for latency_s, _ in moves)])
        energy_j = fsum([self.fixed[1], *energies, *(energy_j for _, energy_j in moves)])
        tiles = dict.fromkeys(self.analog, 0)
        for target, count in zip(mapping.values(), counts, strict=True):
            if count:
                tiles[target] = tiles.get(target, 0) + count
        return Totals(
            latency_s=latency_s,
            energy_j=energy_j,
            interval_s=latency_s / self.batch if self.batch > 1 else None,
            tiles=tiles,
            capacities=self.capacities,
        )


def _agree(a: Totals, b: Totals | None) -> bool:
    """Whether totals are the same, but for rounding."""
    if b is None:
        return False
    pairs = [(a.latency_s, b.latency_s), (a.energy_j, b.energy_j)]
    if a.interval_s is not None and b.interval_s is not None:
        pairs.append((a.interval_s, b.interval_s))
    return (
        (a.interval_s is None) == (b.interval_s is None)
        and a.tiles == b.tiles
        and all(isclose(first, second, rel_tol=ROUNDING) for first, second in pairs)
    )
