"""Several ALPINE cores: where layers run, what handing over costs, the critical path and the pace.

Cores work on one inference after another, each on its own layers, in execution order. A result that a
layer on another core reads is handed over whole, through memory: the core that computed it takes a lock
and writes it, once; every core that reads it fetches it, once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from lionheart_opt.cost_models.parts.alpine_layers import Core, Run
from lionheart_opt.cost_models.parts.placement import Passed, place
from lionheart_opt.workload import INPUT, Layer, Workload


@dataclass(frozen=True, kw_only=True)
class Pipelined:
    """What a network costs on several cores.

    Args:
        runs: Layer -> its run, hand-overs included.
        path: Layers on the critical path of one inference on idle cores. Their times add up to its
            latency.
        last: The layer on which that path ends.
        busy_s: Core -> time in s that it works for one inference.
        memory_s: Time in s that the memory works for one inference.
    """

    runs: dict[str, Run]
    path: frozenset[str]
    last: str
    busy_s: dict[str, float]
    memory_s: float

    @property
    def interval_s(self) -> float:
        """Time in s between two results: the pace of the busiest core, or of the memory."""
        return max(*self.busy_s.values(), self.memory_s)


@dataclass(frozen=True, kw_only=True)
class PlacedLayers:
    """Where layers run.

    Args:
        core_of: Layer -> number of its core, counted from 1.
        bound_s: No placement has a busiest core that works less for one inference, in s.
    """

    core_of: dict[str, int]
    bound_s: float


def placed(workload: Workload, runs: dict[str, Run], core: Core) -> PlacedLayers:
    """Place the layers of a workload on the cores of the machine.

    The layers of a unit stay together, as they share weights. Layers without weights stay with their
    first input.

    Args:
        workload: What must run.
        runs: Layer -> its run without hand-overs.
        core: One of the cores, which are alike.
    """
    group_of = _groups(workload)
    number = {group: k for k, group in enumerate(dict.fromkeys(group_of.values()))}
    work_s = [0.0] * len(number)
    for layer in workload.layers:
        work_s[number[group_of[layer.name]]] += runs[layer.name].latency_s
    readers: dict[str, set[int]] = defaultdict(set)
    for edge in workload.edges:
        if edge.source != INPUT and group_of[edge.source] != group_of[edge.layer.name]:
            readers[edge.source].add(number[group_of[edge.layer.name]])
    passed = [
        Passed(
            source=number[group_of[name]],
            readers=tuple(sorted(reading)),
            send_s=core.send(workload.layer(name).output_count)[0],
            receive_s=core.receive(workload.layer(name).output_count)[0],
        )
        for name, reading in readers.items()
    ]
    placement = place(work_s, passed, core.machine.cores)
    return PlacedLayers(
        core_of={name: placement.cores[number[group]] + 1 for name, group in group_of.items()},
        bound_s=placement.bound_s,
    )


def _groups(workload: Workload) -> dict[str, str]:
    """Layer -> name of its group, in execution order."""
    group_of: dict[str, str] = {}
    for layer in workload.layers:
        unit = workload.unit_of.get(layer.name)
        source = next((name for name in layer.inputs if name != INPUT), None)
        if unit is not None:
            group_of[layer.name] = f"unit {unit}"
        elif source is not None:
            group_of[layer.name] = group_of[source]
        else:
            group_of[layer.name] = f"layer {layer.name}"
    return group_of


def pipelined(
    workload: Workload, runs: dict[str, Run], core_of: dict[str, str], core: Core
) -> Pipelined:
    """Price a workload whose layers are placed.

    Args:
        workload: What must run.
        runs: Layer -> its run without hand-overs.
        core_of: Layer -> the core that is busy while it runs.
        core: One of the cores, which are alike.
    """
    runs = dict(runs)
    for name, handed in _handed(workload, core_of, core):
        runs[name] = runs[name].plus({"handoff": handed})
    busy_s: dict[str, float] = defaultdict(float)
    for name, run in runs.items():
        busy_s[core_of[name]] += run.latency_s
    traffic = sum(run.dram_bytes for run in runs.values())
    last, *before = _critical_path(workload.layers, runs, core_of)
    return Pipelined(
        runs=runs,
        path=frozenset((last, *before)),
        last=last,
        busy_s=dict(busy_s),
        memory_s=traffic / core.machine.dram_bytes_per_s,
    )


def _handed(
    workload: Workload, core_of: dict[str, str], core: Core
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Layers that send or receive a result, and what that costs: (time in s, energy in J)."""
    sent: set[str] = set()
    received: set[tuple[str, str]] = set()
    for edge in workload.edges:
        source, reader = edge.source, edge.layer.name
        if source == INPUT or core_of[source] == core_of[reader]:
            continue
        elements = workload.layer(source).output_count
        if source not in sent:
            sent.add(source)
            yield source, core.send(elements)
        if (source, core_of[reader]) not in received:
            received.add((source, core_of[reader]))
            yield reader, core.receive(elements)


def _critical_path(
    layers: tuple[Layer, ...], runs: dict[str, Run], core_of: dict[str, str]
) -> list[str]:
    """The layers that one inference waits for, the last first, where cores run theirs in execution order.

    A layer starts when its inputs are there and its core has ended the layer before.
    """
    end_s: dict[str, float] = {}
    before: dict[str, str | None] = {}
    last_on: dict[str, str] = {}
    for layer in layers:
        awaited = [name for name in layer.inputs if name != INPUT]
        if core_of[layer.name] in last_on:
            awaited.append(last_on[core_of[layer.name]])
        latest = max(awaited, key=end_s.__getitem__, default=None)
        before[layer.name] = latest
        end_s[layer.name] = (end_s[latest] if latest else 0.0) + runs[layer.name].latency_s
        last_on[core_of[layer.name]] = layer.name
    step: str | None = max(end_s, key=end_s.__getitem__)
    path = []
    while step is not None:
        path.append(step)
        step = before[step]
    return path
