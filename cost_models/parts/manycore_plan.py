"""The numbers of a many-core, and how a network is laid out on its clusters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from lionheart_opt.cost_models.parts.additive import Components
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.cost_models.parts.pipeline import Graph


class MachineParameters(Parameters):
    """`[machine]`.

    Attributes:
        clock_hz: The clock of the whole chip.
        clusters: Number of clusters.
        l1_bytes: Size of the L1 of one cluster.
        ports: Number of partial sums that can stream into a cluster at once.
        sum_ops_per_cycle: Partial sums that the cores of one cluster add in a cycle.
        link_bytes_per_cycle: Rate at every level of the interconnect.
        levels: Levels of the tree between a cluster and the HBM controller.
        level_latency_cycles: Latency of each level.
        hbm_bytes_per_cycle: What the memory sustains under this traffic, reads and writes together.
        residuals: Where tensors that skip layers wait.
        energy_scale: Factor on the energies of the targets.
        hbm_j_per_byte: Energy of a byte that is read from the memory or written to it.
        link_j_per_byte: Energy of a byte that goes from one cluster to another.
    """

    clock_hz: float = Field(gt=0)
    clusters: int = Field(gt=0)
    l1_bytes: int = Field(gt=0)
    ports: int = Field(gt=1)
    sum_ops_per_cycle: float = Field(gt=0)
    link_bytes_per_cycle: int = Field(gt=0)
    levels: int = Field(gt=0)
    level_latency_cycles: int = Field(ge=0)
    hbm_bytes_per_cycle: float = Field(gt=0)
    residuals: Literal["l1", "hbm"]
    energy_scale: float = Field(gt=0)
    hbm_j_per_byte: float = Field(ge=0)
    link_j_per_byte: float = Field(ge=0)


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
