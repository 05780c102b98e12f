"""Data flow of a pipelined network: its stages, the tensors that skip stages, the time of an image."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import cached_property

from lionheart_opt.cost_models.parts.fusion import fused
from lionheart_opt.workload import INPUT, Layer, Workload


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The layers that are stages, in execution order. Layers that are fused into others are left out.

    Args:
        layers: Name of a stage -> its layer.
        sources: Name of a stage -> names of the stages that it reads; the network's input is left out.
        batch: Inferences that follow each other; the latency is that of all of them.
    """

    layers: dict[str, Layer]
    sources: dict[str, tuple[str, ...]]
    batch: int = 1

    @staticmethod
    def of(workload: Workload, own: Container[str] = ()) -> Graph:
        """The stages of a workload; kinds in `own`, which the system's file prices, are never fused."""
        fused_layers = fused(workload, own=own)
        stage_of = {INPUT: INPUT}
        layers: dict[str, Layer] = {}
        sources: dict[str, tuple[str, ...]] = {}
        for layer in workload.layers:
            if layer.name in fused_layers:
                stage_of[layer.name] = stage_of[layer.inputs[0]]
                continue
            stage_of[layer.name] = layer.name
            layers[layer.name] = layer
            read = dict.fromkeys(stage_of[name] for name in layer.inputs)
            sources[layer.name] = tuple(name for name in read if name != INPUT)
        return Graph(layers=layers, sources=sources, batch=workload.batch)

    @cached_property
    def slices(self) -> dict[str, int]:
        """Slices of each result: columns of an image, tokens of a sequence, otherwise one."""
        return {name: _slices(layer) for name, layer in self.layers.items()}

    @cached_property
    def skipping(self) -> tuple[Layer, ...]:
        """Layers whose result is read by a stage that is not the next one."""
        depth: dict[str, int] = {}
        for name, read in self.sources.items():
            depth[name] = 1 + max((depth[source] for source in read), default=0)
        skipping = {
            source
            for name, read in self.sources.items()
            for source in read
            if depth[name] - depth[source] > 1
        }
        return tuple(layer for name, layer in self.layers.items() if name in skipping)

    @cached_property
    def rest(self) -> dict[str, float]:
        """Share of its results that each stage delivers after the first slice; 1 is one inference."""
        return {name: 1 - 1 / count + (self.batch - 1) for name, count in self.slices.items()}

    def slices_needed(self, name: str) -> Iterator[tuple[str, float]]:
        """Stages that a stage reads, each with the share of its result that must be there to begin.

        The first slice is not counted. A window needs the slices that it covers to one side. A layer
        whose result has one slice, or that multiplies two activations, needs all of them.
        """
        layer = self.layers[name]
        for source in self.sources[name]:
            slices = self.slices[source]
            if self.slices[name] == 1 or layer.kind == "matmul":
                needed = slices - 1
            elif layer.kernel:
                padding = layer.padding[-1] if layer.padding else 0
                needed = min(max(0, layer.kernel[-1] - 1 - padding), slices - 1)
            else:
                needed = 0
            yield source, needed / slices


def _slices(layer: Layer) -> int:
    shape = layer.output_shape
    if len(shape) == 4 or layer.kind.endswith("1d"):
        return shape[-1]
    return shape[1] if len(shape) == 3 else 1


def latencies(
    graph: Graph, own_s: dict[str, float], interval_s: float
) -> tuple[dict[str, float], frozenset[str]]:
    """The longest path of an image, or of a batch of them, through a full pipeline.

    Every stage delivers its slices evenly over the interval, so that waiting for a share of them takes
    that share of the interval.

    Args:
        graph: The stages.
        own_s: Name of a stage -> time from receiving the input of a slice to delivering its result.
        interval_s: Time between two images.

    Returns:
        For each stage on the longest path, the time in s that it waits for its input (for the last one,
        also the time to deliver the rest of its slices), and the names of these stages.
    """
    first: dict[str, float] = {}
    wait: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for name in graph.layers:
        arrivals = [
            (first[source] + share * interval_s, share * interval_s, source)
            for source, share in graph.slices_needed(name)
        ]
        start, wait[name], before[name] = max(arrivals, default=(0.0, 0.0, None))
        first[name] = start + own_s[name]
    rest = {name: graph.rest[name] * interval_s for name in graph.layers}
    last = max(graph.layers, key=lambda name: first[name] + rest[name])
    wait[last] += rest[last]
    path: list[str] = []
    step: str | None = last
    while step is not None:
        path.append(step)
        step = before[step]
    return {name: wait[name] for name in path}, frozenset(path)


def stages_of(graph: Graph, workload: Workload) -> dict[str, str]:
    """Layer -> name of its stage: the first layer with the same matrix."""
    matrix_of = {
        layer.name: (unit.name, layer.module, layer.weight_count)
        for unit in workload.units
        for layer in workload.layers_of(unit)
    }
    first: dict[object, str] = {}
    return {name: first.setdefault(matrix_of.get(name, name), name) for name in graph.layers}


def members_of(stage_of: dict[str, str]) -> dict[str, list[str]]:
    """Name of a stage -> its layers."""
    members: dict[str, list[str]] = {}
    for name, stage in stage_of.items():
        members.setdefault(stage, []).append(name)
    return members
