"""What links add to tables, term by term."""

from __future__ import annotations

import numpy as np

from lionheart_opt.cost_models.parts.alpine_links import results_of, with_links
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.synthetic import convolutional_workload


def test_each_transfer_counts_where_its_ends_are() -> None:
    workload = convolutional_workload()
    units = tuple(unit.name for unit in workload.units)
    targets = ("core", "tile")
    tables = CostTables(
        units=units,
        targets=targets,
        fixed=np.zeros(2),
        unit=np.zeros((len(units), 2, 2)),
        pairs=np.zeros((0, 2), dtype=np.intp),
        pair=np.zeros((0, 2, 2, 2)),
        tiles=np.zeros((len(units), 2)),
    )

    def transfer(start: str, end: str, elements: int) -> tuple[float, float]:
        return (float(elements), 2.0 * elements) if start != end else (0.0, 0.0)

    linked = with_links(workload, tables, "core", transfer)
    all_on_tiles = linked.cost_batch(np.ones((1, len(units)), dtype=np.intp))
    crossing = sum(
        edge.element_count
        for edge in workload.edges
        if (edge.source in workload.unit_of) != (edge.layer.name in workload.unit_of)
    )
    crossing += sum(
        layer.output_count for layer in results_of(workload) if layer.name in workload.unit_of
    )
    assert (all_on_tiles[0][0], all_on_tiles[1][0]) == (crossing, 2 * crossing)
    on_the_host = linked.cost_batch(np.zeros((1, len(units)), dtype=np.intp))
    assert (on_the_host[0][0], on_the_host[1][0]) == (0.0, 0.0)


def test_the_result_of_the_network_comes_back() -> None:
    workload = convolutional_workload()
    assert [layer.name for layer in results_of(workload)] == [workload.layers[-1].name]
