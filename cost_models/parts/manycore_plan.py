"""The numbers of a many-core, and how a network is laid out on its clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, log
from typing import Literal

from pydantic import Field

from lionheart_opt.cost_models.parts.additive import Components
from lionheart_opt.cost_models.parts.operations import is_pointwise
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.cost_models.parts.pipeline import Graph
from lionheart_opt.workload import INPUT, Layer


class MachineParameters(Parameters):
    """`[machine]`.

    Attributes:
        clock_hz: The clock of the whole chip.
        clusters: Number of clusters.
        l1_bytes: Size of the L1 of one cluster.
        ports: Number of partial sums that can stream into a cluster at once.
        trees: How many partial sums a cluster adds: as many as it has ports, or as many as pays.
        sum_ops_per_cycle: Partial sums that the cores of one cluster add in a cycle.
        link_bytes_per_cycle: Rate at every level of the interconnect.
        levels: Levels of the tree between a cluster and the HBM controller.
        level_latency_cycles: Latency of each level.
        hbm_bytes_per_cycle: What the memory sustains under this traffic, reads and writes together.
        residuals: Where tensors that skip layers wait.
        energy_scale: Factor on the energies of the targets.
        hbm_j_per_byte: Energy of a byte that is read from the memory or written to it.
        link_j_per_byte: Energy of a byte that goes from one cluster to another.
        hbm_w: Power of the memory without traffic: standby and refresh.
        cluster_leakage_w: Leakage of a cluster; all clusters leak, whether they are in use or not.
    """

    clock_hz: float = Field(gt=0)
    clusters: int = Field(gt=0)
    l1_bytes: int = Field(gt=0)
    ports: int = Field(gt=1)
    trees: Literal["widest", "chosen"]
    sum_ops_per_cycle: float = Field(gt=0)
    link_bytes_per_cycle: int = Field(gt=0)
    levels: int = Field(gt=0)
    level_latency_cycles: int = Field(ge=0)
    hbm_bytes_per_cycle: float = Field(gt=0)
    residuals: Literal["l1", "hbm"]
    energy_scale: float = Field(gt=0)
    hbm_j_per_byte: float = Field(ge=0)
    link_j_per_byte: float = Field(ge=0)
    hbm_w: float = Field(ge=0)
    cluster_leakage_w: float = Field(ge=0)

    @property
    def static_w(self) -> float:
        """Power that the chip and its memory draw whatever they do."""
        return self.hbm_w + self.clusters * self.cluster_leakage_w


@dataclass(frozen=True, kw_only=True)
class Tree:
    """Clusters that add the partial sums of a column of tiles.

    Args:
        clusters: Number of clusters.
        sums: Sums for each result in the cluster that adds the most.
        path_sums: Sums for each result one after the other, from the tiles to the result.
    """

    clusters: int
    sums: int
    path_sums: int


def trees(row_tiles: int, machine: MachineParameters) -> Iterator[Tree]:
    """Ways to add the results of a column of tiles, from the fewest clusters on.

    A matrix of one row of tiles needs none. Wider ports allow all trees that narrower ones do.
    """
    sums = row_tiles - 1
    widest = min(sums, machine.ports - 1)
    fewest = ceil(sums / max(widest, 1))
    if machine.trees == "widest" or sums == 0:
        yield _tree(row_tiles, fewest, machine.ports - 1)
        return
    for each in sorted({ceil(sums / clusters) for clusters in range(fewest, sums + 1)})[::-1]:
        yield _tree(row_tiles, ceil(sums / each), each)


def _tree(row_tiles: int, clusters: int, sums: int) -> Tree:
    """The tree of clusters that add that many sums each."""
    levels = ceil(round(log(row_tiles, sums + 1), 9))
    most = row_tiles - 1
    return Tree(clusters=clusters, sums=min(most, sums), path_sums=min(most, levels * sums))


def splits(layer: Layer, l1_bytes: int) -> Iterator[tuple[int, float]]:
    """Ways to split a layer over the cores of clusters that hold its weights (8 bit), the fewest first.

    A cluster has whole columns of a matrix, or whole channels. Where one of them is larger than an L1, or
    where the layer cannot be split, weights may lie in further clusters, which do not share the work.

    Args:
        layer: The layer.
        l1_bytes: Size of the L1 of a cluster.

    Yields:
        Number of clusters, and the share of the work of the one that has the most.
    """
    columns, weight_bytes = _columns(layer), layer.weight_count
    clusters = 0
    for most in sorted({ceil(columns / count) for count in range(1, columns + 1)})[::-1]:
        if most * weight_bytes <= l1_bytes * columns:
            clusters = ceil(columns / most)
            yield clusters, most / columns
    if not clusters:
        yield ceil(weight_bytes / l1_bytes), 1 / columns


def _columns(layer: Layer) -> int:
    """Parts of a layer that need nothing of each other; 1 where there are none or they are not known."""
    if layer.mvm is not None:
        return layer.mvm.columns
    if layer.macs and layer.weight_count:
        reads = max(1, layer.macs // layer.output_count)
        return max(1, min(layer.weight_count // reads, layer.output_count))
    shape = layer.output_shape
    if len(shape) > 1 and (layer.macs or is_pointwise(layer.kind) or "_pool" in layer.kind):
        return max(1, shape[1] if len(shape) > 3 or layer.kind.endswith("1d") else shape[-1])
    return 1


def input_bytes(layer: Layer) -> int:
    """Bytes of the network's input that a layer reads."""
    return sum(edge.element_count for edge in layer.edges if edge.source == INPUT)


def memory_bytes(graph: Graph, layer: Layer, machine: MachineParameters) -> int:
    """Bytes of 8-bit activations that a layer moves from and to the memory.

    A layer that reads the network's input again reads it from memory again. Tensors that skip layers are
    written once and read once where they wait in memory.
    """
    waits = machine.residuals == "hbm" and layer in graph.skipping
    return input_bytes(layer) + (2 * layer.output_count if waits else 0)


def storage_and_memory(graph: Graph, machine: MachineParameters) -> tuple[int, float]:
    """Clusters that store tensors, and the time that the memory is busy for an inference in s."""
    skipping_bytes = sum(layer.output_count for layer in graph.skipping)
    traffic_bytes = sum(memory_bytes(graph, layer, machine) for layer in graph.layers.values())
    storage = 0
    if machine.residuals == "l1":  # one tensor is read while the next is written
        storage = ceil(2 * skipping_bytes / machine.l1_bytes)
    return storage, traffic_bytes / (machine.hbm_bytes_per_cycle * machine.clock_hz)


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one copy of a layer does.

    Args:
        clusters: Clusters that it occupies; 0 where a layer before it has the same matrix.
        slice_s: Time for a slice: the longest of its overlapping parts.
        components: Part -> (time for a slice in s, energy for the whole layer in J).
    """

    clusters: int
    slice_s: float
    components: Components


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a network is laid out on the clusters.

    Args:
        graph: Layers and their data flow.
        work: Layer -> what one copy of it does.
        copies: Layer -> number of copies.
        storage_clusters: Number of clusters whose L1 holds the tensors that skip layers.
        interval_s: Time between two results.
    """

    graph: Graph
    work: dict[str, Work]
    copies: dict[str, int]
    storage_clusters: int
    interval_s: float

    def clusters_of(self, layer: str) -> int:
        """Clusters of all copies of a layer."""
        return self.copies[layer] * self.work[layer].clusters

    @property
    def clusters(self) -> int:
        """Clusters in use."""
        return self.storage_clusters + sum(map(self.clusters_of, self.copies))
