"""A fabric of cores: each has an in-memory array and a digital unit; links carry what the units put out.

M. Le Gallo et al., "A 64-core mixed-signal in-memory compute chip based on phase-change memory for deep
neural network inference", Nature Electronics 6, 2023, doi 10.1038/s41928-023-01010-1; arXiv 2212.02872.

A matrix is cut into the fewest equal parts that fit into an array, one part a core. All of them multiply
one vector at once. Then the digital unit of each core puts out one result after the other, and each block
of rows adds a hop to the way of the partial sums. Vectors and layers run one after the other, as they
were measured.

In a fabric whose branches run at once (`branches`), layers that do not read each other's results overlap
where they are on cores, and the latency is that of the longest path. What the stages of such a pipeline
save beyond that is one factor on the time of products (`overlap`).

A core in use draws a constant power beside the energy of its array, for its digital unit and its links.
Functions of single elements are applied to results that pass by: the measured LSTM step leaves no time
for its gates. They take time only where the global digital unit is slower than the cores. So they are
priced where the host computes the products, too, so that costs stay sums over layers. The unit runs
everything else, one operation after the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod
from typing import Literal

from pydantic import Field

from lionheart_opt.batches import BatchOrder
from lionheart_opt.cost import Ceiling, Cost, LayerCost
from lionheart_opt.cost_models.parts.additive import (
    Components,
    LayerPrices,
    Price,
    additive_tables,
)
from lionheart_opt.cost_models.parts.batches import tables_of_whole_batches, whole_batches
from lionheart_opt.cost_models.parts.fusion import unless_fused
from lionheart_opt.cost_models.parts.operations import is_pointwise, operations
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.cost_models.parts.reprogramming import refuse_reprogramming
from lionheart_opt.cost_models.parts.targets import check_kinds, one_analog_target, refuse_links
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System, Target
from lionheart_opt.workload import Layer, Mvm, Unit, Workload


class MachineParameters(Parameters):
    """`[machine]`.

    Attributes:
        clock_hz: Clock of all digital units.
        branches: Whether layers on cores that do not read each other's results run at once or in turn.
    """

    clock_hz: float = Field(gt=0)
    branches: Literal["at once", "in turn"]


class DigitalParameters(Parameters):
    """The global digital unit, which is the host.

    Attributes:
        slices: Parts that work at once.
        cycles_per_operation: Cycles that a slice takes for an operation, or an element that passes by.
        slice_w: Power of a slice that works.
    """

    slices: int = Field(gt=0)
    cycles_per_operation: float = Field(gt=0)
    slice_w: float = Field(ge=0)


class CoreParameters(Parameters):
    """The cores.

    Attributes:
        rows: Rows of an array.
        columns: Columns of an array.
        mvm_latency_s: Time of one product.
        mvm_energy_j: Energy of one product of the whole array.
        energy_of: What takes this energy: the whole array, however much of it is in use, or each of its
            columns that is in use its part.
        overlap: Share of the time of products that remains where layers overlap.
        cycles_per_result: Cycles between two results of a local digital unit; 0 where products hide them.
        hop_s: Delay of partial sums or results on their way from core to core.
        beside_w: Power of a core in use without its array: digital unit and links.
    """

    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    mvm_latency_s: float = Field(gt=0)
    mvm_energy_j: float = Field(ge=0)
    energy_of: Literal["array", "columns"]
    overlap: float = Field(gt=0, le=1)
    cycles_per_result: int = Field(ge=0)
    hop_s: float = Field(ge=0)
    beside_w: float = Field(gt=0)

    def blocks(self, matrix: Mvm) -> tuple[int, int]:
        """Equal parts of a matrix, one a core: blocks of rows, and of columns."""
        return ceil(matrix.rows / self.rows), ceil(matrix.columns / self.columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Kept:
    """What all mappings of a workload share.

    Args:
        workload: The workload.
        prices: Of its layers.
        occupied: Unit -> the cores that hold its matrices.
    """

    workload: Workload
    prices: LayerPrices
    occupied: dict[str, int]


@dataclass(frozen=True)
class Fabric:
    """Cost model of the family `fabric`.

    Args:
        system: One analog target, the cores, and the host, the global digital unit.

    Raises:
        InputError: The system has other targets, lacks a number, or has one that the family does not
            know.
    """

    system: System

    def __post_init__(self) -> None:
        self.system.refuse_software()
        refuse_links(self.system)
        check_kinds(self.system)
        refuse_reprogramming(self.system, "a fabric keeps its weights")
        _ = self.machine, self.digital, self.cores  # so that mistakes show at once

    @cached_property
    def machine(self) -> MachineParameters:
        """Parameters of the machine."""
        return self.system.machine_as(MachineParameters)

    @cached_property
    def digital(self) -> DigitalParameters:
        """Parameters of the global digital unit."""
        return self.system.target_as(self.system.host, DigitalParameters)

    @cached_property
    def cores(self) -> CoreParameters:
        """Parameters of the cores."""
        return self.system.target_as(self._cores.name, CoreParameters)

    @cached_property
    def _cores(self) -> Target:
        return one_analog_target(self.system)

    @property
    def batch_order(self) -> BatchOrder:
        """See `RunsBatches`."""
        return "layer by layer"

    @whole_batches
    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """Price one inference as the sum of its layers.

        Raises:
            InputError: The model does not know an operator, or a target cannot run it.
        """
        kept = self._kept(workload)
        layers = kept.prices.of(mapping)
        if self.machine.branches == "at once":
            layers = self._at_once(workload, layers)
        name = self._cores.name
        used = sum(kept.occupied[unit] for unit in mapping.units_on(name))
        return Cost(layers=layers, tiles={name: used})

    @tables_of_whole_batches
    def tables(self, workload: Workload) -> CostTables | None:
        """The coefficients of the same cost. No two matrices share a core.

        Returns:
            None where branches run at once: the latency is then no sum.
        """
        if self.machine.branches == "at once":
            return None

        def share(unit: Unit, target: Target) -> float:
            return self._occupied(workload, unit) if target.numerics == "analog" else 0.0

        return additive_tables(self.system, workload, self._pricer(workload), share)

    def ceilings(self) -> tuple[Ceiling, ...]:
        """All slices, and products of all cores at once, with nothing between them."""
        cores = self.cores
        of_host = 2 * self._operations_per_s
        of_core = 2 * cores.rows * cores.columns / cores.mvm_latency_s
        count = self._cores.tiles
        of_cores = None if count is None else count * of_core
        return tuple(
            Ceiling(target=target.name, ops_per_s=of_cores, keeps_weights=True)
            if target.numerics == "analog"
            else Ceiling(target=target.name, ops_per_s=of_host)
            for target in self.system.targets
        )

    @cached_property
    def _last(self) -> list[_Kept]:
        """What mappings share of the workload that was priced last."""
        return []

    def _kept(self, workload: Workload) -> _Kept:
        kept = self._last[0] if self._last else None
        if kept is None or kept.workload is not workload:
            kept = _Kept(
                workload=workload,
                prices=LayerPrices(self.system, workload, self._pricer(workload)),
                occupied={unit.name: self._occupied(workload, unit) for unit in workload.units},
            )
            self._last[:] = [kept]  # another thread may turn to another workload at any time
        return kept

    def _at_once(self, workload: Workload, layers: tuple[LayerCost, ...]) -> tuple[LayerCost, ...]:
        """Only layers on the longest path have a latency; those on the host run one after the other."""
        ends_s: dict[str, float] = {}
        waited_for: dict[str, str | None] = {}
        on_host: list[str] = []
        for layer, cost in zip(workload.layers, layers, strict=True):
            is_on_host = cost.target == self.system.host and cost.latency_s > 0
            before = [name for name in layer.inputs if name in ends_s] + on_host[-1:] * is_on_host
            last = max(before, key=ends_s.__getitem__, default=None)
            ends_s[layer.name] = cost.latency_s + (0.0 if last is None else ends_s[last])
            waited_for[layer.name] = last
            if is_on_host:
                on_host.append(layer.name)
        on_path = set()
        name = max(ends_s, key=ends_s.__getitem__, default=None)
        while name is not None:
            on_path.add(name)
            name = waited_for[name]
        return tuple(cost if cost.name in on_path else _aside(cost) for cost in layers)

    def _occupied(self, workload: Workload, unit: Unit) -> int:
        """Cores that hold the matrices of a unit."""
        matrices = (layer.mvm for layer in workload.matrices_of(unit))
        return sum(prod(self.cores.blocks(matrix)) for matrix in matrices if matrix)

    def _pricer(self, workload: Workload) -> Price:
        """The price of every layer of a workload."""
        streams_s = self._streams_s(workload)

        def price(layer: Layer, target: Target) -> Components:
            if target.numerics == "analog" and layer.mvm is not None:
                if "transpose" in layer.kind:  # nobody says who adds up what overlaps
                    raise InputError(
                        f"system {self.system.name!r}: layer {layer.name!r}: no published cost of "
                        f"{layer.kind!r}"
                    )
                return self._products(layer.mvm)
            if layer.mvm is None and layer.name in streams_s:
                passing_s = layer.output_count / self._operations_per_s
                return self._digitally("stream", max(0.0, passing_s - streams_s[layer.name]))
            count = operations(layer, f"system {self.system.name!r}", self.system.operators)
            macs = count.linear_macs + count.convolution_macs + count.sparse_macs
            n_operations = macs + count.simple + count.transcendental
            return self._digitally("compute", n_operations / self._operations_per_s)

        return unless_fused(workload, price, own=self.system.operators, has_tables=False)

    def _products(self, matrix: Mvm) -> Components:
        """All products of a layer: in the arrays, and what the digital units do with their results."""
        cores, n_cores = self.cores, prod(self.cores.blocks(matrix))
        mvm_s = matrix.count * cores.mvm_latency_s
        columns = matrix.columns / cores.columns  # of all blocks of columns together
        whole = n_cores if cores.energy_of == "array" else cores.blocks(matrix)[0] * columns
        hops_s = matrix.count * cores.blocks(matrix)[0] * cores.hop_s
        results_s = hops_s + self._results_s(matrix)
        mvm_j = matrix.count * whole * cores.mvm_energy_j + n_cores * mvm_s * cores.beside_w
        return {
            "mvm": (cores.overlap * mvm_s, mvm_j),
            "results": (results_s, n_cores * results_s * cores.beside_w),
        }

    def _results_s(self, matrix: Mvm) -> float:
        """Time in which the local digital units put out the results of all vectors."""
        width = ceil(matrix.columns / self.cores.blocks(matrix)[1])
        return matrix.count * width * self.cores.cycles_per_result / self.machine.clock_hz

    def _streams_s(self, workload: Workload) -> dict[str, float]:
        """Layers whose results pass by -> how long that takes.

        These are the layers with products on cores, and functions of single elements of their results.
        """
        streams_s: dict[str, float] = {}
        for layer in workload.layers:
            if layer.mvm is not None:
                streams_s[layer.name] = self._results_s(layer.mvm)
            elif is_pointwise(layer.kind) and layer.kind not in self.system.operators:
                passing = [streams_s[name] for name in layer.inputs if name in streams_s]
                if passing:
                    streams_s[layer.name] = max(passing)
        return streams_s

    def _digitally(self, component: str, time_s: float) -> Components:
        """Work of all slices for so long."""
        return {component: (time_s, time_s * self.digital.slices * self.digital.slice_w)}

    @property
    def _operations_per_s(self) -> float:
        """Operations of all slices of the global digital unit."""
        digital = self.digital
        return digital.slices * self.machine.clock_hz / digital.cycles_per_operation


def _aside(cost: LayerCost) -> LayerCost:
    """A layer that the inference does not wait for."""
    components = {name: (0.0, energy_j) for name, (_, energy_j) in cost.components.items()}
    return replace(cost, components=components, aside_s=cost.latency_s)
