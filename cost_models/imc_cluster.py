"""One heterogeneous in-memory-computing cluster: RISC-V cores, a crossbar, a depthwise engine.

A. Garofalo et al., "A Heterogeneous In-Memory Computing Cluster For Flexible End-to-End Inference of
Real-World Deep Neural Networks", IEEE JETCAS 12(2), 2022, doi 10.1109/JETCAS.2022.3170152.

Layers run one after the other. As in the paper, activations stay in the shared L1, where the three
engines read and write the same layout, so that changing the engine costs nothing beyond what the rows of
the table already contain (the marshalling that software depthwise needs is part of its rate). Weights and
inputs of the network that do not fit are fetched (`parts/spilling.py`). Weights of analog layers stay in
the crossbars. The partial sums of a matrix that is cut into several row tiles are added inside the
accelerator (the table leaves no time for it).
The number of crossbars is the number that packing
needs.

Sources: the jobs, the bus and the latency of the array are published. The rates of the depthwise engine
and of additions reproduce the table. Energies and the rates of software convolutions are fitted by
`lionheart_opt.cost_models.calibration.imc_cluster`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import prod
from typing import Literal

from pydantic import Field

from lionheart_opt.batches import BatchOrder
from lionheart_opt.cost import Ceiling, Cost
from lionheart_opt.cost_models.parts.additive import (
    Components,
    Price,
    additive_tables,
    layer_costs,
)
from lionheart_opt.cost_models.parts.batches import tables_of_whole_batches, whole_batches
from lionheart_opt.cost_models.parts.fusion import unless_fused
from lionheart_opt.cost_models.parts.packing import crossbars, own_crossbars
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.cost_models.parts.pulp_cluster import CoresParameters, ImaParameters
from lionheart_opt.cost_models.parts.reprogramming import (
    Layout,
    Matrix,
    holds_all,
    matrix_of,
    with_reprogramming,
)
from lionheart_opt.cost_models.parts.spilling import (
    SpillingParameters,
    bytes_of_inputs,
    weights_read,
    with_memory,
)
from lionheart_opt.cost_models.parts.targets import check_kinds, refuse_links
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.hardware.arrays import ArrayChange
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System, Target
from lionheart_opt.workload import Layer, Unit, Workload


class MachineParameters(SpillingParameters):
    """`[machine]`.

    Attributes:
        clock_hz: Clock of cores, accelerator and engine.
        bus_bytes_per_cycle: Rate between the L1 and accelerator or engine, both directions together.
        jobs: Whether the streams of consecutive jobs overlap with the computation.
        leakage_w: Leakage of the whole cluster, whichever of its parts work.
    """

    clock_hz: float = Field(gt=0)
    bus_bytes_per_cycle: int = Field(gt=0)
    jobs: Literal["pipelined", "sequential"]
    leakage_w: float = Field(ge=0)


class EngineParameters(Parameters):
    """A depthwise engine: mean `macs_per_cycle`, and `mac_energy_j` of the whole cluster for each MAC."""

    macs_per_cycle: float = Field(gt=0)
    mac_energy_j: float = Field(ge=0)


_Parameters = CoresParameters | ImaParameters | EngineParameters


@dataclass(frozen=True)
class ImcCluster:
    """Cost model of the family `imc_cluster`.

    Args:
        system: Analog targets are accelerators, the host is the cores, and any other target is a
            depthwise engine.

    Raises:
        InputError: The system lacks a number or has one that the family does not know.
    """

    system: System

    def __post_init__(self) -> None:
        self.system.refuse_software()
        refuse_links(self.system)
        check_kinds(self.system)
        _ = self.machine, self._parameters  # so that mistakes show at once

    @cached_property
    def machine(self) -> MachineParameters:
        """Parameters of the machine."""
        return self.system.machine_as(MachineParameters)

    @cached_property
    def _parameters(self) -> dict[str, _Parameters]:
        return {target.name: self._parse(target) for target in self.system.targets}

    def _parse(self, target: Target) -> _Parameters:
        if target.numerics == "analog":
            return self.system.target_as(target.name, ImaParameters)
        if target.name == self.system.host:
            return self.system.target_as(target.name, CoresParameters)
        return self.system.target_as(target.name, EngineParameters)

    @property
    def batch_order(self) -> BatchOrder:
        """See `RunsBatches`."""
        return "layer by layer"

    @cached_property
    def of_batches(self) -> ImcCluster:
        """The model that lets activations move where they do not fit: those of a whole batch do not."""
        machine = self.system.machine
        if machine is None or self.machine.activations == "spill":
            return self
        parameters = {**machine.parameters, "activations": "spill"}
        machine = machine.model_copy(update={"parameters": parameters})
        return replace(self, system=self.system.model_copy(update={"machine": machine}))

    @whole_batches
    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """Price one inference as the sum of its layers.

        Raises:
            InputError: The model does not know an operator, or a target cannot run it.
        """
        layers = layer_costs(self.system, workload, mapping, self._pricer(workload))
        used = {
            name: self._crossbars(workload, name, mapping.units_on(name))
            for name in self.system.analog_targets
        }
        cost = Cost(layers=layers, tiles=used)

        def layouts(target: str) -> list[Layout]:
            matrices = _matrices(workload, mapping.units_on(target))
            array = self._ima(target).array
            packed, shared = own_crossbars(matrices, array)
            alone = {key: crossbars([matrix], array) for key, matrix in matrices.items()}
            return [Layout(own=packed, shared=shared), Layout(own=alone)]

        waiting_w = self.machine.leakage_w
        return with_reprogramming(cost, self.system, workload, mapping, layouts, waiting_w)

    @tables_of_whole_batches
    def tables(self, workload: Workload) -> CostTables | None:
        """The coefficients of the same cost.

        `tiles` are the shares of a crossbar that units fill; packing needs at least their sum.

        Returns:
            None where crossbars are reprogrammed as they cannot hold all units.
        """
        if not holds_all(self.system, workload, partial(self._crossbars, workload)):
            return None

        def share(unit: Unit, target: Target) -> float:
            if target.numerics != "analog":
                return 0.0
            cells = sum(
                rows * columns for rows, columns in _matrices(workload, [unit.name]).values()
            )
            return cells / prod(self._ima(target.name).array)

        return additive_tables(self.system, workload, self._pricer(workload), share)

    def ceilings(self) -> tuple[Ceiling, ...]:
        """Rates of the cores and of the engine, one job of a whole crossbar at a time, and the bus."""
        clock_hz = self.machine.clock_hz
        bus = {"bus": self.machine.bus_bytes_per_cycle * clock_hz}
        ceilings = []
        for name, parameters in self._parameters.items():
            if isinstance(parameters, ImaParameters):
                ops_per_s = parameters.ops_per_s(clock_hz)
                ceiling = Ceiling(
                    target=name, ops_per_s=ops_per_s, bytes_per_s=bus, keeps_weights=True
                )
            elif isinstance(parameters, EngineParameters):
                ops_per_s = 2 * parameters.macs_per_cycle * clock_hz
                ceiling = Ceiling(target=name, ops_per_s=ops_per_s, bytes_per_s=bus)
            else:  # the cores work on what is in the L1
                ops_per_s = 2 * parameters.fastest_macs_per_cycle * clock_hz
                ceiling = Ceiling(target=name, ops_per_s=ops_per_s)
            ceilings.append(ceiling)
        return tuple(ceilings)

    @property
    def coupled(self) -> dict[str, tuple[str, ...]]:
        """See `RescalesArrays`: all numbers can be chosen freely."""
        return {}

    def rescaled(self, target: str, factors: ArrayChange) -> dict[str, float]:
        """See `RescalesArrays`."""
        return self._ima(target).rescaled(factors)

    def _crossbars(self, workload: Workload, target: str, units: Sequence[str]) -> int:
        """Crossbars onto which the matrices of units are packed."""
        return crossbars(_matrices(workload, units).values(), self._ima(target).array)

    def _ima(self, target: str) -> ImaParameters:
        parameters = self._parameters[target]
        assert isinstance(parameters, ImaParameters)
        return parameters

    def _pricer(self, workload: Workload) -> Price:
        """The price of every layer of a workload, memory beyond the L1 included."""
        inputs_bytes = bytes_of_inputs(workload)

        def price(layer: Layer, target: Target) -> Components:
            components = self._price(layer, target)
            weight_bytes = 0 if target.numerics == "analog" else weights_read(layer)
            moves = self.machine.spilled(layer, inputs_bytes, weight_bytes)
            components = with_memory(components, *moves)
            time_s = sum(each for each, _ in components.values())
            return components | {"static": (0.0, time_s * self.machine.leakage_w)}

        return unless_fused(workload, price, own=self.system.operators)

    def _price(self, layer: Layer, target: Target) -> Components:
        """The price of a layer whose operands are in the L1."""
        where = f"system {self.system.name!r}"
        parameters = self._parameters[target.name]
        if isinstance(parameters, ImaParameters):
            return self._jobs(layer, parameters, where)
        if isinstance(parameters, EngineParameters):
            cycles = layer.macs / parameters.macs_per_cycle
            energy_j = layer.macs * parameters.mac_energy_j
        else:
            cycles, energy_j = parameters.work(layer, where, self.system.operators)
        return {"compute": (cycles / self.machine.clock_hz, energy_j)}

    def _jobs(self, layer: Layer, ima: ImaParameters, where: str) -> Components:
        """All jobs of a layer: `mvm` is the arrays' time, `stream` what does not overlap with it."""
        machine = self.machine
        mvm_cycles, stream_cycles, energy_j = 0, 0, 0.0
        tiles = ima.tiles(layer, where)
        count = layer.mvm.count if layer.mvm else 0
        for tile in tiles:
            compute, stream = ima.job_cycles(tile, machine.clock_hz, machine.bus_bytes_per_cycle)
            mvm_cycles += count * compute
            stream_cycles += count * (
                max(0, stream - compute) if machine.jobs == "pipelined" else stream
            )
            energy_j += count * ima.job_energy(tile, layer)
        return {
            "mvm": (mvm_cycles / machine.clock_hz, energy_j),
            "stream": (stream_cycles / machine.clock_hz, 0.0),
        }


def _matrices(workload: Workload, units: Sequence[str]) -> dict[Matrix, tuple[int, int]]:
    """Rows and columns of each weight matrix of units."""
    return {
        matrix_of(layer): (layer.mvm.rows, layer.mvm.columns)
        for unit in units
        for layer in workload.matrices_of(workload.unit(unit))
        if layer.mvm
    }
