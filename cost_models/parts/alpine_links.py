"""What links between targets add to the tables of a cost that is a sum over units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lionheart_opt.cost_tables import CostTables
from lionheart_opt.workload import Layer, Workload


def results_of(workload: Workload) -> tuple[Layer, ...]:
    """Layers whose results are those of the network: nothing reads them, and a core takes them."""
    read = {edge.source for edge in workload.edges}
    return tuple(layer for layer in workload.layers if layer.name not in read)


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

    def between(elements: int) -> np.ndarray:
        ends = tables.targets
        return np.array([[transfer(start, end, elements) for end in ends] for start in ends])

    for layer in results_of(workload):
        if layer.name in workload.unit_of:
            unit[number[workload.unit_of[layer.name]]] += between(layer.output_count)[:, column]
    for edge in workload.edges:
        first = workload.unit_of.get(edge.source)
        second = workload.unit_of.get(edge.layer.name)
        table = between(edge.element_count)
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
