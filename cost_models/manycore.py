"""512 in-memory-computing clusters over which the layers of a network are pipelined.

N. Bruschi et al., "End-to-End DNN Inference on a Massively Parallel Analog In Memory Computing
Architecture", DATE 2023, arXiv 2211.12877. A cluster is that of `imc_cluster` with 16 cores.

Every layer has its own clusters. It works on one slice along the width of an image after the other, while
other layers work on other slices and other images. A matrix that is larger than a crossbar is cut; the
cores of further clusters add the partial sums of its row tiles in a tree. Layers on cores are split by
columns or channels. The slowest layers are replicated, with copies that take turns at slices. Trees,
splits and copies of all layers are chosen together, so that results come at the shortest interval that
the clusters allow (`parts/replication.py`). Tensors that skip layers wait in the L1 of spare clusters, or
in the HBM.

`Cost.interval_s` is the time between two results. `Cost.latency_s` is the time of one image while the
pipeline is full. Each layer on the longest path contributes the wait for the slices that it needs to
begin, one slice of its own work, and its transfer; the rest overlaps. All clusters in use are reported as
`tiles` of every target that runs a unit, because a crossbar and its cores are occupied together.

Static power of all clusters and of the memory is drawn for an interval of each inference. Layers share
it by their clusters.

Sources: platform, array and levels are from Table I of the paper. Rates of the cores and energies at
22 nm are those of `imc_cluster`, at twice the cores. `hbm_bytes_per_cycle` and `energy_scale` (22 nm to
5 nm) are fitted by `lionheart_opt.cost_models.calibration.manycore`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil

from lionheart_opt.batches import BatchOrder
from lionheart_opt.cost import Ceiling, Cost
from lionheart_opt.cost_models.parts.additive import layer_cost, target_of
from lionheart_opt.cost_models.parts.fusion import free
from lionheart_opt.cost_models.parts.manycore_plan import (
    MachineParameters,
    Plan,
    Work,
    input_bytes,
    memory_bytes,
    splits,
    storage_and_memory,
    trees,
)
from lionheart_opt.cost_models.parts.pipeline import Graph, latencies, members_of, stages_of
from lionheart_opt.cost_models.parts.pulp_cluster import CoresParameters, ImaParameters
from lionheart_opt.cost_models.parts.replication import Stage, Way, replicate
from lionheart_opt.cost_models.parts.reprogramming import refuse_reprogramming
from lionheart_opt.cost_models.parts.tabulated_pipeline import LayerWork, tabulate
from lionheart_opt.cost_models.parts.targets import check_kinds, one_analog_target, refuse_links
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.arrays import ArrayChange
from lionheart_opt.mapping import Mapping
from lionheart_opt.pipeline_tables import WAIT, PipelineTables
from lionheart_opt.system import System, Target
from lionheart_opt.workload import Layer, Workload


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layout:
    """What all mappings of a workload share.

    Args:
        workload: The workload.
        graph: Its stages and their data flow.
        stage_of: Layer -> name of the stage that has its matrix.
        storage_clusters: Number of clusters whose L1 holds the tensors that skip layers.
        memory_s: Time that the memory is busy for an inference.
        works: (layer, target) -> what one copy does there, for each way to build it, as far as it was
            asked for.
        stages: (name of a stage, target) -> the stage there, as far as it was asked for.
    """

    workload: Workload
    graph: Graph
    stage_of: dict[str, str]
    storage_clusters: int
    memory_s: float
    works: dict[tuple[str, str], tuple[Work, ...]]
    stages: dict[tuple[str, str], Stage]


@dataclass(frozen=True)
class Manycore:
    """Cost model of the family `manycore`.

    Its cost is not a sum over units, as units compete for clusters; it offers tables of the pipeline.

    Args:
        system: The host is the cores, the only analog target is the crossbars.

    Raises:
        InputError: The system lacks a number or has one that the family does not know, does not have one
            analog target, or has targets without a tile for each cluster.
    """

    system: System

    def __post_init__(self) -> None:
        self.system.refuse_software()
        refuse_links(self.system)
        check_kinds(self.system)
        refuse_reprogramming(self.system, "in a pipeline, layers do not take turns")
        _ = self.machine, self.cores, self.ima  # so that mistakes show at once
        for target in self.system.targets:
            if target.tiles != self.machine.clusters:
                raise InputError(
                    f"{self.system.where}: [targets.{target.name}]: tiles: got {target.tiles}; must be "
                    f"{self.machine.clusters}, the `clusters` of [machine]"
                )

    @cached_property
    def machine(self) -> MachineParameters:
        """Parameters of the machine."""
        return self.system.machine_as(MachineParameters)

    @cached_property
    def cores(self) -> CoresParameters:
        """Parameters of the cores of a cluster."""
        return self.system.target_as(self.system.host, CoresParameters)

    @cached_property
    def ima(self) -> ImaParameters:
        """Parameters of the crossbar of a cluster."""
        return self.system.target_as(one_analog_target(self.system).name, ImaParameters)

    @property
    def batch_order(self) -> BatchOrder:
        """See `RunsBatches`."""
        return "pipelined"

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """Price one inference in the full pipeline.

        Raises:
            InputError: The model does not know an operator, or a target cannot run it.
        """
        return self.cost_of(workload, mapping, self.plan(workload, mapping))

    def plan(
        self, workload: Workload, mapping: Mapping, copies: dict[str, int] | None = None
    ) -> Plan:
        """Clusters and copies of every layer.

        Args:
            workload: What must run.
            mapping: Where each unit runs.
            copies: Layer -> number of copies, 1 for layers that it does not name, built in the way that
                takes the fewest clusters. None finds the best ways and numbers within the budget.
        """
        machine = self.machine
        layout = self._layout(workload)
        graph, stage_of = layout.graph, layout.stage_of
        storage, memory_s = layout.storage_clusters, layout.memory_s
        target = {
            name: target_of(self.system, workload, mapping, layer).name
            for name, layer in graph.layers.items()
        }
        stages = [
            self._stage(layout, name, members, target[name])
            for name, members in members_of(stage_of).items()
        ]
        if copies is None:
            best = replicate(stages, machine.clusters - storage, memory_s)
        else:
            best = tuple(stage.smallest(copies.get(stage.name, 1)) for stage in stages)
        chosen = {stage.name: option for stage, option in zip(stages, best, strict=True)}
        work = {
            name: self._works_at(layout, name, target[name])[chosen[stage].way]
            for name, stage in stage_of.items()
        }
        for name, stage in stage_of.items():
            if stage != name:  # its matrix is on the clusters of the stage already
                work[name] = replace(work[name], clusters=0)
        return Plan(
            graph=graph,
            work=work,
            copies={name: chosen[stage].copies for name, stage in stage_of.items()},
            storage_clusters=storage,
            interval_s=max([memory_s, *(option.time_s for option in best)]),
        )

    def pipeline_tables(self, workload: Workload) -> PipelineTables:
        """The same costs for many mappings at once.

        Raises:
            InputError: The model does not know an operator.
        """
        layout = self._layout(workload)
        members = members_of(layout.stage_of)

        def stage(name: str, target: str) -> Stage:
            return self._stage(layout, name, members[name], target)

        def layer_work(name: str, target: str) -> LayerWork:
            ways = [work.components.values() for work in self._works_at(layout, name, target)]
            return LayerWork(
                own_s=tuple(sum(latency_s for latency_s, _ in way) for way in ways),
                energy_j=sum(energy_j for _, energy_j in ways[0]),
            )

        return tabulate(
            self.system,
            workload,
            layout.graph,
            members,
            stage,
            layer_work,
            room=self.machine.clusters - layout.storage_clusters,
            memory_s=layout.memory_s,
            static_w=self.machine.static_w,
        )

    def ceilings(self) -> tuple[Ceiling, ...]:
        """All clusters at once: their cores, their crossbars, and the links into them."""
        machine = self.machine
        links = {"links": machine.clusters * machine.link_bytes_per_cycle * machine.clock_hz}
        of_cores = 2 * self.cores.fastest_macs_per_cycle * machine.clock_hz
        of_crossbar = self.ima.ops_per_s(machine.clock_hz)
        return tuple(
            Ceiling(
                target=target.name,
                ops_per_s=machine.clusters
                * (of_crossbar if target.numerics == "analog" else of_cores),
                bytes_per_s=links,
                keeps_weights=True,
            )
            for target in self.system.targets
        )

    def rescaled(self, target: str, factors: ArrayChange) -> dict[str, float]:  # noqa: ARG002
        """See `RescalesArrays`."""
        return self.ima.rescaled(factors)

    @property
    def coupled(self) -> dict[str, tuple[str, ...]]:
        """See `RescalesArrays`: every cluster has one crossbar and its cores."""
        tiles = (target.name for target in self.system.targets if target.tiles is not None)
        return {"machine.clusters": tuple(f"targets.{name}.tiles" for name in tiles)}

    def cost_of(self, workload: Workload, mapping: Mapping, plan: Plan) -> Cost:
        """Price one inference under a given plan."""
        own = {
            name: sum(latency for latency, _ in work.components.values())
            for name, work in plan.work.items()
        }
        waits, on_path = latencies(plan.graph, own, plan.interval_s)
        of_layers = sum(map(plan.clusters_of, plan.copies))
        layers = []
        for layer in workload.layers:
            components, aside_s = free(), 0.0
            if layer.name in plan.work:
                aside_s = 0.0 if layer.name in on_path else own[layer.name]
                components = {
                    part: (latency_s if layer.name in on_path else 0.0, energy_j)
                    for part, (latency_s, energy_j) in plan.work[layer.name].components.items()
                }
                components[WAIT] = (waits.get(layer.name, 0.0), 0.0)
                share = plan.clusters_of(layer.name) / of_layers
                components["static"] = (0.0, share * self.machine.static_w * plan.interval_s)
            target = target_of(self.system, workload, mapping, layer)
            layers.append(replace(layer_cost(layer, target.name, components), aside_s=aside_s))
        used = {
            target.name: plan.clusters if mapping.units_on(target.name) else 0
            for target in self.system.targets
        }
        return Cost(layers=tuple(layers), interval_s=plan.interval_s, tiles=used)

    @cached_property
    def _layouts(self) -> list[_Layout]:
        """The layout of the workload that was priced last."""
        return []

    def _layout(self, workload: Workload) -> _Layout:
        layout = self._layouts[0] if self._layouts else None
        if layout is None or layout.workload is not workload:
            graph = Graph.of(workload, self.system.operators)
            storage, memory_s = storage_and_memory(graph, self.machine)
            layout = _Layout(
                workload=workload,
                graph=graph,
                stage_of=stages_of(graph, workload),
                storage_clusters=storage,
                memory_s=memory_s,
                works={},
                stages={},
            )
            self._layouts[:] = [layout]  # another thread may turn to another workload at any time
        return layout

    def _stage(self, layout: _Layout, name: str, members: list[str], target: str) -> Stage:
        stage = layout.stages.get((name, target))
        if stage is None:
            works = [self._works_at(layout, member, target) for member in members]
            ways = tuple(
                Way(
                    work=_shared_work(layout.graph, dict(zip(members, way, strict=True))),
                    clusters=max(work.clusters for work in way),
                )
                for way in zip(*works, strict=False)  # one matrix has the same ways everywhere
            )
            stage = Stage(name=name, ways=ways, room=self.machine.clusters)
            layout.stages[name, target] = stage
        return stage

    def _works_at(self, layout: _Layout, name: str, target: str) -> tuple[Work, ...]:
        works = layout.works.get((name, target))
        if works is None:
            works = tuple(self._works_on(layout.graph, name, self.system.target(target)))
            layout.works[name, target] = works
        return works

    def _works_on(self, graph: Graph, name: str, target: Target) -> Iterator[Work]:
        layer, slices = graph.layers[name], graph.slices[name]
        on_target = self._on_crossbars if target.numerics == "analog" else self._on_cores
        machine = self.machine
        link = machine.link_bytes_per_cycle * machine.clock_hz * slices
        inwards_s, outwards_s = layer.input_count / link, layer.output_count / link
        hops = 2 * machine.levels * machine.level_latency_cycles  # up the tree and down again
        moves = {
            "transfer": (
                outwards_s + hops / machine.clock_hz,
                layer.output_count * machine.link_j_per_byte,
            ),
            # of the network's input; what waits there only bounds the interval
            "memory": (
                input_bytes(layer) / (machine.hbm_bytes_per_cycle * machine.clock_hz * slices),
                memory_bytes(graph, layer, machine) * machine.hbm_j_per_byte,
            ),
        }
        for work in on_target(layer, slices):
            yield Work(
                clusters=work.clusters,
                slice_s=max(work.slice_s, inwards_s, outwards_s),
                components=work.components | moves,
            )

    def _on_cores(self, layer: Layer, slices: int) -> Iterator[Work]:
        """Split over one cluster or several, as far as the layer and the L1 allow."""
        machine = self.machine
        cycles, energy_j = self.cores.work(
            layer, f"system {self.system.name!r}", self.system.operators
        )
        for clusters, share in splits(layer, machine.l1_bytes):
            slice_s = cycles * share / (slices * machine.clock_hz)
            yield Work(
                clusters=clusters,
                slice_s=slice_s,
                components={"compute": (slice_s, energy_j * machine.energy_scale)},
            )

    def _on_crossbars(self, layer: Layer, slices: int) -> Iterator[Work]:
        """One cluster for each tile of the matrix, and a tree of adders for each column of tiles.

        While the clusters of the tree add the partial sums of one slice, the crossbars compute the next.
        """
        machine, ima = self.machine, self.ima
        tiles = ima.tiles(layer, f"system {self.system.name!r}")
        assert layer.mvm is not None
        row_tiles = ceil(layer.mvm.rows / ima.rows)
        column_tiles = ceil(layer.mvm.columns / ima.columns)
        cycles = max(
            max(ima.job_cycles(tile, machine.clock_hz, machine.link_bytes_per_cycle))
            for tile in tiles
        )
        jobs = layer.mvm.count / slices
        mvm_s = jobs * cycles / machine.clock_hz
        mvm_j = layer.mvm.count * sum(ima.job_energy(tile, layer) for tile in tiles)

        width = min(layer.mvm.columns, ima.columns)
        sum_s = jobs * width / (machine.sum_ops_per_cycle * machine.clock_hz)
        sum_j = (
            (row_tiles - 1) * layer.mvm.count * layer.mvm.columns * self.cores.element_op_energy_j
        )
        for tree in trees(row_tiles, machine):
            yield Work(
                clusters=len(tiles) + column_tiles * tree.clusters,
                slice_s=max(mvm_s, tree.sums * sum_s),
                components={
                    "mvm": (mvm_s, mvm_j * machine.energy_scale),
                    "sums": (tree.path_sums * sum_s, sum_j * machine.energy_scale),
                },
            )


def _shared_work(graph: Graph, work: dict[str, Work]) -> dict[float, int]:
    """Time for a slice -> number of such slices of all layers together."""
    slices: dict[float, int] = {}
    for name, each in work.items():
        slice_s = each.slice_s
        slices[slice_s] = slices.get(slice_s, 0) + graph.slices[name]
    return slices
