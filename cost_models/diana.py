"""DIANA: a digital array and an SRAM in-memory-computing array on one chip, priced by open formulas.

Cycles: PLiNIO (eml-eda/plinio 3d6b5e0, `plinio/cost/diana_latency.py`); power: ODiMO (Risso et al.,
arXiv 2306.05060; eml-eda/odimo 2d9f139). The chip: K. Ueyoshi et al., ISSCC 2022 15.6.

The formulas cover convolutions and linear layers. They load the weights of the in-memory array for every
layer, so that it is never full, and have no term for moving between the arrays, which share an L1.
Where the formulas are silent, this model departs as little as it can: operations on elements take the
load and store term of the formulas, at the power of the digital array. Functions that need more than
additions and comparisons run on the RISC-V core, element by element.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod

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
from lionheart_opt.cost_models.parts.operations import (
    appended_elements,
    is_looked_up,
    operations,
)
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.cost_models.parts.reprogramming import refuse_reprogramming
from lionheart_opt.cost_models.parts.spilling import (
    SpillingParameters,
    bytes_of_inputs,
    with_memory,
)
from lionheart_opt.cost_models.parts.targets import check_kinds, one_analog_target, refuse_links
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System, Target
from lionheart_opt.workload import Layer, Workload


class MachineParameters(SpillingParameters):
    """`[machine]`: the clock in Hz, and the power in W while both arrays run, or while none does.

    `core_cycles_per_operation` is what the RISC-V core takes for an operation on an element: an
    addition, a comparison, or the look-up of an 8-bit function. Weights take `digital_weight_bits` and
    `analog_weight_bits`. Every layer loads its weights from the L2, which the formulas include, or from
    the DRAM, where the L2 cannot hold those of the whole network in 8 bits.
    """

    clock_hz: float = Field(gt=0)
    core_cycles_per_operation: float = Field(gt=0)
    digital_weight_bits: int = Field(gt=0)
    analog_weight_bits: int = Field(gt=0)
    both_power_w: float = Field(gt=0)
    waiting_power_w: float = Field(ge=0)


class DigitalParameters(Parameters):
    """The digital array: it computes `pixels` x `channels` of an output at once, and stores each once."""

    pixels: int = Field(gt=0)
    channels: int = Field(gt=0)
    store_bytes_per_cycle: int = Field(gt=0)
    power_w: float = Field(gt=0)


class AnalogParameters(Parameters):
    """The in-memory array.

    Attributes:
        rows: Rows of the array.
        columns: Columns of the array.
        least_channels: Fewest input channels that a window occupies.
        channels: Most input channels that a window can have.
        pixels: Most adjacent output pixels that it computes at once; their number is a power of two.
        mvm_latency_s: Time of one product.
        row_load_cycles: Cycles to write one row of weights.
        power_w: Power while it runs alone.
    """

    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    least_channels: int = Field(gt=0)
    channels: int = Field(gt=0)
    pixels: int = Field(gt=0)
    mvm_latency_s: float = Field(gt=0)
    row_load_cycles: int = Field(gt=0)
    power_w: float = Field(gt=0)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A layer as the formulas see it; `x` is the first spatial axis."""

    channels_in: int
    channels_out: int
    groups: int
    kernel_x: int
    kernel_y: int
    out_x: int
    out_y: int


def shape_of(layer: Layer) -> Shape | None:
    """The shape of a convolution or product; None for everything else.

    A linear layer is a convolution with one pixel for each token, and so is a product of activations. A
    transposed convolution is a convolution whose input is stretched with zeros. Axes after the first are
    one loop, and so are several images.
    """
    if layer.kind in ("linear", "matmul"):
        channels_out = layer.output_shape[-1]
        return Shape(
            channels_in=layer.macs // layer.output_count,
            channels_out=channels_out,
            groups=1,
            kernel_x=1,
            kernel_y=1,
            out_x=layer.output_count // channels_out,
            out_y=1,
        )
    if layer.kind.endswith(("conv1d", "conv2d", "conv3d")) or "conv_transpose" in layer.kind:
        return Shape(
            channels_in=layer.input_shapes[0][1],
            channels_out=layer.output_shape[1],
            groups=layer.groups,
            kernel_x=layer.kernel[0],
            kernel_y=prod(layer.kernel[1:]),
            out_x=layer.output_shape[2],
            out_y=layer.output_shape[0] * prod(layer.output_shape[3:]),
        )
    return None


@dataclass(frozen=True)
class Diana:
    """Cost model of the family `diana`.

    Args:
        system: The host, which is the digital array, and one analog target.

    Raises:
        InputError: The system lacks a number or has one that the family does not know.
    """

    system: System

    def __post_init__(self) -> None:
        self.system.refuse_software()
        refuse_links(self.system)
        check_kinds(self.system)
        refuse_reprogramming(self.system, "the price of a layer includes loading its weights")
        _ = self.machine, self.digital, self.analog  # so that mistakes show at once

    @cached_property
    def machine(self) -> MachineParameters:
        """Parameters of the machine."""
        return self.system.machine_as(MachineParameters)

    @cached_property
    def digital(self) -> DigitalParameters:
        """Parameters of the digital array."""
        return self.system.target_as(self.system.host, DigitalParameters)

    @cached_property
    def analog(self) -> AnalogParameters:
        """Parameters of the in-memory array."""
        return self.system.target_as(self._array, AnalogParameters)

    @cached_property
    def _array(self) -> str:
        """Name of the in-memory array."""
        return one_analog_target(self.system).name

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
        layers = layer_costs(self.system, workload, mapping, self._pricer(workload))
        # the one array holds the weights of one layer at a time
        return Cost(layers=layers, tiles={self._array: int(bool(mapping.units_on(self._array)))})

    @tables_of_whole_batches
    def tables(self, workload: Workload) -> CostTables:
        """The coefficients of the same cost; units take turns on the array, so that none occupies it."""
        return additive_tables(self.system, workload, self._pricer(workload), lambda *_: 0.0)

    def ceilings(self) -> tuple[Ceiling, ...]:
        """All cells of both arrays. The formulas know no memory that could be slower."""
        digital, analog, clock_hz = self.digital, self.analog, self.machine.clock_hz
        of_host = Ceiling(
            target=self.system.host, ops_per_s=2 * digital.pixels * digital.channels * clock_hz
        )
        of_analog = Ceiling(
            target=self._array, ops_per_s=2 * analog.rows * analog.columns / analog.mvm_latency_s
        )
        return tuple(
            of_host if target.name == self.system.host else of_analog
            for target in self.system.targets
        )

    def digital_cycles(self, shape: Shape) -> float:
        """Cycles of a convolution on the digital array, load and store included."""
        array = self.digital
        return _ceil(shape.channels_out / shape.groups, array.channels) * (
            shape.channels_in
            * _ceil(shape.out_x, array.pixels)
            * shape.out_y
            * shape.kernel_x
            * shape.kernel_y
        ) + (
            shape.out_x
            * shape.out_y
            * (shape.channels_out + shape.channels_in)
            / array.store_bytes_per_cycle
        )

    def analog_cycles(self, shape: Shape) -> tuple[float, int]:
        """Cycles of a convolution on the in-memory array: of its products, and of loading its weights."""
        array = self.analog
        channels = max(array.least_channels, shape.channels_in)
        unroll = max(
            pixels
            for pixels in (2**power for power in range(array.pixels.bit_length()))
            if pixels == 1
            or (
                pixels * shape.channels_out <= array.columns
                and (pixels + shape.kernel_x - 1) * channels * shape.kernel_y <= array.rows
            )
        )
        products = (
            _ceil(shape.channels_out, array.columns)
            * _ceil(shape.channels_in, array.channels)
            * shape.out_x
            * shape.out_y
            / unroll
        )
        load = array.row_load_cycles * shape.channels_in * shape.kernel_x * shape.kernel_y
        return products * array.mvm_latency_s * self.machine.clock_hz, load

    def energy_j(self, analog_s: float, digital_s: float) -> float:
        """Energy in J of work on both arrays that starts at the same time (ODiMO).

        Args:
            analog_s: How long the in-memory array works.
            digital_s: How long the digital array works.
        """
        alone_w = self.analog.power_w if analog_s > digital_s else self.digital.power_w
        return self.machine.both_power_w * min(analog_s, digital_s) + alone_w * abs(
            analog_s - digital_s
        )

    def _pricer(self, workload: Workload) -> Price:
        """The price of every layer of a workload, memory beyond the L1 included."""
        machine, inputs_bytes = self.machine, bytes_of_inputs(workload)
        is_far = workload.weight_count > machine.l2_bytes

        def price(layer: Layer, target: Target) -> Components:
            components = self._price(layer, target)
            time_s, energy_j = machine.spilled(layer, inputs_bytes, 0)
            if is_far and layer.weight_count and layer.macs:
                is_analog = target.numerics == "analog"
                bits = machine.analog_weight_bits if is_analog else machine.digital_weight_bits
                weights_s, weights_j = machine.transfer(layer.weight_count * bits / 8, is_far=True)
                time_s, energy_j = time_s + weights_s, energy_j + weights_j
            return with_memory(components, time_s, energy_j, machine.waiting_power_w)

        return unless_fused(workload, price, own=self.system.operators, has_tables=False)

    def _price(self, layer: Layer, target: Target) -> Components:
        """The price of a layer whose operands are in the L1."""
        clock_hz, shape = self.machine.clock_hz, shape_of(layer)
        if target.numerics == "analog" and "transpose" in layer.kind:
            raise self._no_price(layer)
        if target.numerics == "analog" and shape is not None:
            mvm, load = (cycles / clock_hz for cycles in self.analog_cycles(shape))
            return {
                "mvm": (mvm, self.energy_j(mvm, 0.0)),
                "weights": (load, self.energy_j(load, 0.0)),
            }
        if layer.kind in self.system.operators:
            return self._on_core(layer)
        if shape is not None:
            return self._digitally("compute", self.digital_cycles(shape))
        return self._elements(layer)

    def _on_core(self, layer: Layer) -> Components:
        """A layer on the RISC-V core, one operation after the other; functions are looked up."""
        count = operations(layer, f"system {self.system.name!r}", self.system.operators)
        n_operations = count.linear_macs + count.simple + count.transcendental
        if is_looked_up(layer) and layer.kind not in self.system.operators:
            n_operations = layer.output_count
        return self._digitally("core", n_operations * self.machine.core_cycles_per_operation)

    def _elements(self, layer: Layer) -> Components:
        """A layer without products: at the arrays' ports, or on the core if it is more than a sum."""
        count = operations(layer, f"system {self.system.name!r}")
        if layer.macs:
            raise self._no_price(layer)
        if count.transcendental:
            return self._on_core(layer)
        kept = layer.output_count - appended_elements(layer)  # of a cache, which stays in place
        moved = layer.input_count + layer.output_count - 2 * kept
        return self._digitally("move", moved / self.digital.store_bytes_per_cycle)

    def _no_price(self, layer: Layer) -> InputError:
        return InputError(
            f"system {self.system.name!r}: layer {layer.name!r}: no published cost of {layer.kind!r}"
        )

    def _digitally(self, component: str, cycles: float) -> Components:
        time_s = cycles / self.machine.clock_hz
        return {component: (time_s, self.energy_j(0.0, time_s))}


def _ceil(amount: float, step: int) -> int:
    """`floor((amount + step - 1) / step)`, as the formulas round."""
    return int((amount + step - 1) // step)
