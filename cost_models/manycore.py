"""512 in-memory-computing clusters over which the layers of a network are pipelined.

N. Bruschi et al., "End-to-End DNN Inference on a Massively Parallel Analog In Memory Computing
Architecture", DATE 2023, arXiv 2211.12877. A cluster is that of `imc_cluster` with 16 cores.

Every layer has its own clusters. It works on one slice along the width of an image after the other, while
other layers work on other slices and other images. A matrix that is larger than a crossbar is cut; the
cores of further clusters add the partial sums of its row tiles in a tree. The slowest layers are
replicated, with copies that take turns at slices, so that results come at the shortest interval that the
clusters allow (`parts/replication.py`). Tensors that skip layers wait in the L1 of spare clusters, or in
the HBM.

`Cost.interval_s` is the time between two results. `Cost.latency_s` is the time of one image while the
pipeline is full. Each layer on the longest path contributes the wait for the slices that it needs to
begin, one slice of its own work, and its transfer; the rest overlaps. All clusters in use are reported as
`tiles` of every target that runs a unit, because a crossbar and its cores are occupied together.

Sources: platform, array and levels are from Table I of the paper. Rates of the cores and energies at
22 nm are those of `imc_cluster`, at twice the cores. `hbm_bytes_per_cycle` and `energy_scale` (22 nm to
5 nm) are fitted by `lionheart_opt.cost_models.calibration.manycore`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, log

from lionheart_opt.arrays import ArrayChange
from lionheart_opt.cost import Ceiling, Cost
from lionheart_opt.cost_models.parts.additive import layer_cost, target_of
from lionheart_opt.cost_models.parts.fusion import free
from lionheart_opt.cost_models.parts.manycore_plan import MachineParameters, Plan, Work
from lionheart_opt.cost_models.parts.pipeline import Graph, latencies, members_of, stages_of
from lionheart_opt.cost_models.parts.pulp_cluster import CoresParameters, ImaParameters
from lionheart_opt.cost_models.parts.replication import Stage, replicate
from lionheart_opt.cost_models.parts.tabulated_pipeline import LayerWork, tabulate
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.pipeline_tables import PipelineTables
from lionheart_opt.system import System, Target
from lionheart_opt.workload import INPUT, Layer, Workload


@dataclass(frozen=True, kw_only=True, eq=False)
class _Layout:
    """What all mappings of a workload share.

    Args:
        workload: The workload.
        graph: Its stages and their data flow.
        stage_of: Layer -> name of the stage that has its matrix.
        storage_clusters: Number of clusters whose L1 holds the tensors that skip layers.
        memory_s: Time that the memory is busy for an inference.
        works: (layer, target) -> what one copy does there, as far as it was asked for.
    """

    workload: Workload
    graph: Graph
    stage_of: dict[str, str]
    storage_clusters: int
    memory_s: float
    works: dict[tuple[str, str], Work]


@dataclass(frozen=True)
class Manycore:
    """Cost model of the family `manycore`.

    Its cost is not a sum over units, as units compete for clusters; it offers tables of the pipeline.

    Args:
        system: The host is the cores, the only analog target is the crossbars.

    Raises:
        InputError: The system lacks a number or has one that the family does not know, or it does not
            have one analog target.
    """

    system: System

    def __post_init__(self) -> None:
        self.system.refuse_software()
        _ = self.machine, self.cores, self.ima  # so that mistakes show at once

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
        names = self.system.analog_targets
        if len(names) != 1:
            raise InputError(
                f"{self.system.where}: {len(names)} analog targets; manycore has exactly one"
            )
        return self.system.target_as(names[0], ImaParameters)

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
            copies: Layer -> number of copies, 1 for layers that it does not name. None finds the best
                numbers within the budget.
        """
        machine = self.machine
        layout = self._layout(workload)
        graph, stage_of = layout.graph, layout.stage_of
        work = {name: self._work(layout, mapping, name) for name in graph.layers}
        storage, memory_s = layout.storage_clusters, layout.memory_s
        stages = [
            Stage(name=name, work=_shared_work(graph, work, members), clusters=work[name].clusters)
            for name, members in members_of(stage_of).items()
        ]
        if copies is None:
            best = replicate(stages, machine.clusters - storage, memory_s)
            copies = {stage.name: count for stage, count in zip(stages, best, strict=True)}
        copies = {name: copies.get(stage, 1) for name, stage in stage_of.items()}
        times = [stage.time_s(copies[stage.name]) for stage in stages]
        for name, stage in stage_of.items():
            if stage != name:  # its matrix is on the clusters of the stage already
                work[name] = replace(work[name], clusters=0)
        return Plan(
            graph=graph,
            work=work,
            copies=copies,
            storage_clusters=storage,
            interval_s=max([memory_s, *times]),
        )

    def pipeline_tables(self, workload: Workload) -> PipelineTables:
        """The same costs for many mappings at once.

        Raises:
            InputError: The model does not know an operator.
        """
        layout = self._layout(workload)
        members = members_of(layout.stage_of)

        def stage(name: str, target: str) -> Stage:
            work = {member: self._work_at(layout, member, target) for member in members[name]}
            shared = _shared_work(layout.graph, work, members[name])
            return Stage(name=name, work=shared, clusters=work[name].clusters)

        def layer_work(name: str, target: str) -> LayerWork:
            components = self._work_at(layout, name, target).components.values()
            return LayerWork(
                own_s=sum(latency_s for latency_s, _ in components),
                energy_j=sum(energy_j for _, energy_j in components),
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
        layers = []
        for layer in workload.layers:
            components = free()
            if layer.name in plan.work:
                components = {
                    part: (latency_s if layer.name in on_path else 0.0, energy_j)
                    for part, (latency_s, energy_j) in plan.work[layer.name].components.items()
                }
                components["wait"] = (waits.get(layer.name, 0.0), 0.0)
            target = target_of(self.system, workload, mapping, layer)
            layers.append(layer_cost(layer, target.name, components))
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
        if not self._layouts or self._layouts[0].workload is not workload:
            graph = Graph.of(workload)
            storage, memory_s = self._memory(graph)
            self._layouts[:] = [
                _Layout(
                    workload=workload,
                    graph=graph,
                    stage_of=stages_of(graph, workload),
                    storage_clusters=storage,
                    memory_s=memory_s,
                    works={},
                )
            ]
        return self._layouts[0]

    def _memory(self, graph: Graph) -> tuple[int, float]:
        """Clusters that store tensors, and the time that the memory is busy for an inference in s."""
        machine = self.machine
        skipping_bytes = sum(layer.output_count for layer in graph.skipping)
        traffic_bytes = sum(_memory_bytes(graph, layer, machine) for layer in graph.layers.values())
        storage = 0
        if machine.residuals == "l1":  # one tensor is read while the next is written
            storage = ceil(2 * skipping_bytes / machine.l1_bytes)
        return storage, traffic_bytes / (machine.hbm_bytes_per_cycle * machine.clock_hz)

    def _work(self, layout: _Layout, mapping: Mapping, name: str) -> Work:
        target = target_of(self.system, layout.workload, mapping, layout.graph.layers[name])
        return self._work_at(layout, name, target.name)

    def _work_at(self, layout: _Layout, name: str, target: str) -> Work:
        work = layout.works.get((name, target))
        if work is None:
            work = self._work_on(layout.graph, name, self.system.target(target))
            layout.works[name, target] = work
        return work

    def _work_on(self, graph: Graph, name: str, target: Target) -> Work:
        layer, slices = graph.layers[name], graph.slices[name]
        on_target = self._on_crossbars if target.numerics == "analog" else self._on_cores
        work = on_target(layer, slices)
        machine = self.machine
        link = machine.link_bytes_per_cycle * machine.clock_hz * slices
        inwards_s, outwards_s = layer.input_count / link, layer.output_count / link
        hops = 2 * machine.levels * machine.level_latency_cycles  # up the tree and down again
        return Work(
            clusters=work.clusters,
            slice_s=max(work.slice_s, inwards_s, outwards_s),
            components=work.components
            | {
                "transfer": (
                    outwards_s + hops / machine.clock_hz,
                    layer.output_count * machine.link_j_per_byte,
                ),
                # its time is the bound on the interval
                "memory": (0.0, _memory_bytes(graph, layer, machine) * machine.hbm_j_per_byte),
            },
        )

    def _on_cores(self, layer: Layer, slices: int) -> Work:
        """Split the layer over as many clusters as its weights (8 bit) need."""
        machine = self.machine
        clusters = max(1, ceil(layer.weight_count / machine.l1_bytes))
        cycles, energy_j = self.cores.work(
            layer, f"system {self.system.name!r}", self.system.operators
        )
        slice_s = cycles / (clusters * slices * machine.clock_hz)
        return Work(
            clusters=clusters,
            slice_s=slice_s,
            components={"compute": (slice_s, energy_j * machine.energy_scale)},
        )

    def _on_crossbars(self, layer: Layer, slices: int) -> Work:
        """One cluster for each tile of the matrix, and a tree of adders for each column of tiles.

        A cluster of the tree adds as many partial sums as it has ports. While it adds those of one
        slice, the crossbars compute the next.
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

        sums = row_tiles - 1
        adders = ceil(sums / (machine.ports - 1))
        width = min(layer.mvm.columns, ima.columns)
        sum_s = jobs * width / (machine.sum_ops_per_cycle * machine.clock_hz)
        sum_j = sums * layer.mvm.count * layer.mvm.columns * self.cores.element_op_energy_j
        levels = ceil(round(log(row_tiles, machine.ports), 9))
        return Work(
            clusters=len(tiles) + column_tiles * adders,
            slice_s=max(mvm_s, min(sums, machine.ports - 1) * sum_s),
            components={
                "mvm": (mvm_s, mvm_j * machine.energy_scale),
                "sums": (
                    min(sums, levels * (machine.ports - 1)) * sum_s,
                    sum_j * machine.energy_scale,
                ),
            },
        )


def _memory_bytes(graph: Graph, layer: Layer, machine: MachineParameters) -> int:
    """Bytes of 8-bit activations that a layer moves from and to the memory.

    A layer that reads the network's input again reads it from memory again. Tensors that skip layers are
    written once and read once where they wait in memory.
    """
    read = sum(edge.element_count for edge in layer.edges if edge.source == INPUT)
    waits = machine.residuals == "hbm" and layer in graph.skipping
    return read + (2 * layer.output_count if waits else 0)


def _shared_work(graph: Graph, work: dict[str, Work], layers: list[str]) -> dict[float, int]:
    """Time for a slice -> number of such slices of all layers together."""
    slices: dict[float, int] = {}
    for name in layers:
        slice_s = work[name].slice_s
        slices[slice_s] = slices.get(slice_s, 0) + graph.slices[name]
    return slices
