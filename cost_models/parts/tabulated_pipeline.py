"""The tables of a pipeline: its stages on every target, and what they need at every interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lionheart_opt.cost_models.parts.pipeline import Graph
from lionheart_opt.cost_models.parts.replication import Stage
from lionheart_opt.pipeline_tables import PipelineTables
from lionheart_opt.system import System
from lionheart_opt.workload import Workload


@dataclass(frozen=True, kw_only=True)
class LayerWork:
    """What one copy of a layer does.

    Args:
        own_s: Time from receiving the input of a slice to delivering its result, for each way to build
            the layer's stage.
        energy_j: Energy of the whole layer.
    """

    own_s: tuple[float, ...]
    energy_j: float


def tabulate(
    system: System,
    workload: Workload,
    graph: Graph,
    stages: dict[str, list[str]],
    stage: Callable[[str, str], Stage],
    work: Callable[[str, str], LayerWork],
    *,
    room: int,
    memory_s: float,
    static_w: float,
) -> PipelineTables:
    """Price every stage on every target that can run it.

    Args:
        system: Its targets are the columns.
        workload: Its units are the rows.
        graph: Layers and their data flow.
        stages: Name of a stage -> its layers, which all belong to one unit, or to none.
        stage: The stage of that name on a target.
        work: What a layer does on a target.
        room: Clusters for all stages.
        memory_s: Interval that the memory imposes.
        static_w: Power that is drawn whatever runs.
    """
    targets = [target.name for target in system.targets]
    host = targets.index(system.host)
    rows = {unit.name: number for number, unit in enumerate(workload.units)}
    able = {unit.name: system.targets_of(workload, unit) for unit in workload.units}
    shape = len(rows), len(targets)

    def places(layer: str) -> tuple[int, list[int]]:
        """Number of the layer's unit, -1 without one, and the numbers of its targets."""
        unit = workload.unit_of.get(layer)
        if unit is None:
            return -1, [host]
        return rows[unit], [targets.index(name) for name in able[unit]]

    placed = [
        (row, column, stage(name, targets[column]))
        for name in stages
        for row, columns in [places(name)]
        for column in columns
    ]
    kinds = {each.kind: each for _, _, each in placed}
    times = [[option.time_s for option in each.options] for each in kinds.values()]
    candidates = np.unique(np.concatenate([[memory_s], *times]))
    intervals = candidates[candidates >= memory_s]
    needed = {kind: _cheapest(each, intervals) for kind, each in kinds.items()}
    ways = {
        (member, column): needed[each.kind][1]
        for _, column, each in placed
        for member in stages[each.name]
    }
    clusters = np.full((*shape, len(intervals)), np.inf)
    one_copy_s = np.zeros(shape)
    energy_j = np.full(shape, np.inf)
    for unit, names in able.items():
        columns = [targets.index(name) for name in names]
        clusters[rows[unit], columns] = 0.0
        energy_j[rows[unit], columns] = 0.0
    fixed_clusters, fixed_s, fixed_j = np.zeros(len(intervals)), memory_s, 0.0
    for row, column, each in placed:
        if row < 0:
            fixed_clusters += needed[each.kind][0]
            fixed_s = max(fixed_s, each.options[0].time_s)
        else:
            clusters[row, column] += needed[each.kind][0]
            one_copy_s[row, column] = max(one_copy_s[row, column], each.options[0].time_s)
    numbers = {name: number for number, name in enumerate(graph.layers)}
    own_s = np.full((len(intervals), len(numbers), len(targets)), np.inf)
    for name, number in numbers.items():
        row, columns = places(name)
        for column in columns:
            priced = work(name, targets[column])
            own = np.array(priced.own_s)[ways[name, column]]
            own_s[:, number, slice(None) if row < 0 else column] = own[:, None] if row < 0 else own
            if row < 0:
                fixed_j += priced.energy_j
            else:
                energy_j[row, column] += priced.energy_j
    return PipelineTables(
        units=tuple(rows),
        targets=tuple(targets),
        room=room,
        intervals=intervals,
        fixed_clusters=fixed_clusters,
        clusters=np.ascontiguousarray(np.moveaxis(clusters, -1, 0)),
        fixed_s=fixed_s,
        one_copy_s=one_copy_s,
        fixed_j=fixed_j,
        energy_j=energy_j,
        static_w=static_w,
        unit_of=np.array([places(name)[0] for name in numbers], dtype=np.intp),
        own_s=own_s,
        sources=tuple(
            tuple((numbers[source], share) for source, share in graph.slices_needed(name))
            for name in numbers
        ),
        rest=np.array([graph.rest[name] for name in numbers]),
    )


def _cheapest(stage: Stage, intervals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clusters and way of the cheapest option that keeps each interval; infinitely many if none does."""
    times_s = np.array([option.time_s for option in stage.options])
    faster = np.searchsorted(times_s[::-1], intervals * (1 + 1e-12), side="right")
    chosen = np.minimum(len(times_s) - faster, len(times_s) - 1)
    clusters = np.array([option.clusters for option in stage.options], dtype=float)[chosen]
    ways = np.array([option.way for option in stage.options])[chosen]
    return np.where(faster > 0, clusters, np.inf), ways
