"""What links between targets add to the tables of a cost that is a sum over units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lionheart_opt.cost_tables import CostTables
from lionheart_opt.workload import Workload


def with_links(
    workload: Workload,
    tables: CostTables,
    host: str,
    transfer: Callable[[str, str, int], tuple[float, float]],
) -> CostTables:
    """Add the cost of links to the coefficients of units and of pairs of units.

    Args:
        workload: What runs.
        tables: The coefficients without links.
        host: Target of the layers that no unit holds.
        transfer: Latency in s and energy in J of so many elements from one target to another.
    """
    number = {unit: k for k, unit in enumerate(tables.units)}
    column = tables.targets.index(host)
    unit = tables.unit.copy()
    pair: dict[tuple[int, int], np.ndarray] = {}
    for edge in workload.edges:
        first = workload.unit_of.get(edge.source)
        second = workload.unit_of.get(edge.layer.name)
        table = np.array(
            [
                [transfer(start, end, edge.element_count) for end in tables.targets]
                for start in tables.targets
            ]
        )
        if first and second:
            if first != second:
                ends = number[first], number[second]
                pair[ends] = pair.get(ends, 0.0) + table
        elif first:
            unit[number[first]] += table[:, column]
        elif second:
            unit[number[second]] += table[column]
    return replace(
        tables,
        unit=unit,
        pairs=np.array(list(pair), dtype=np.intp).reshape(-1, 2),
        pair=np.array(list(pair.values())).reshape(-1, *table.shape),
    )
