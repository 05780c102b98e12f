"""Memory of small chips: what does not fit beside the arrays moves, while they compute."""

from __future__ import annotations

from math import prod
from typing import Literal

from pydantic import Field

from lionheart_opt.cost_models.parts.additive import Components
from lionheart_opt.cost_models.parts.operations import reads_rows
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.workload import INPUT, Layer, Workload


class SpillingParameters(Parameters):
    """Keys of `[machine]`: an L1 that the arrays share, an L2 on the chip, and a DRAM beside it.

    A layer whose operands and result do not fit into the L1 together moves all of them once, from and to
    the smallest memory that holds them. So do the inputs of the network, such as a key-value cache, if
    all of them together do not fit. Transfers overlap with computing.

    Attributes:
        activations: `spill`, or `l1` where activations between layers are assumed to fit into the L1, and
            only weights and the network's inputs may not.
        l1_bytes: Size of the L1.
        l2_bytes: Size of the L2.
        l2_bytes_per_s: Rate between L2 and L1.
        l2_j_per_byte: Energy of a byte between L2 and L1.
        dram_bytes_per_s: Rate between the DRAM and the chip.
        dram_j_per_byte: Energy of a byte between the DRAM and the L1.
    """

    activations: Literal["l1", "spill"]
    l1_bytes: int = Field(gt=0)
    l2_bytes: int = Field(gt=0)
    l2_bytes_per_s: float = Field(gt=0)
    l2_j_per_byte: float = Field(ge=0)
    dram_bytes_per_s: float = Field(gt=0)
    dram_j_per_byte: float = Field(ge=0)

    def spilled(self, layer: Layer, inputs_bytes: int, weight_bytes: int) -> tuple[float, float]:
        """Time in s and energy in J of what a layer moves in 8-bit elements.

        Args:
            layer: The layer.
            inputs_bytes: Size of the network's inputs together, see `bytes_of_inputs`.
            weight_bytes: Weights that the layer reads from the L1; 0 where its arrays hold them.
        """
        operands = weight_bytes
        if self.activations == "spill":
            operands += layer.input_count + layer.output_count
        loaded = sum(edge.element_count for edge in layer.edges if edge.source == INPUT)
        if operands > self.l1_bytes:
            return self.transfer(
                operands, is_far=max(operands, inputs_bytes * bool(loaded)) > self.l2_bytes
            )
        if inputs_bytes > self.l1_bytes:
            return self.transfer(loaded, is_far=inputs_bytes > self.l2_bytes)
        return 0.0, 0.0

    def transfer(self, moved: float, *, is_far: bool) -> tuple[float, float]:
        """Time in s and energy in J of moving bytes from or to the L2, or the DRAM if that is far."""
        if is_far:
            return moved / self.dram_bytes_per_s, moved * self.dram_j_per_byte
        return moved / self.l2_bytes_per_s, moved * self.l2_j_per_byte


def bytes_of_inputs(workload: Workload) -> int:
    """Size of all that the network is called with, in 8-bit elements; what is read again counts again."""
    return sum(edge.element_count for edge in workload.edges if edge.source == INPUT)


def weights_read(layer: Layer) -> int:
    """8-bit weights that a run reads; of a table only the rows that it looks up."""
    if layer.kind == "embedding_bag":
        return prod(layer.input_shapes[0]) * layer.output_shape[-1]
    return layer.output_count if reads_rows(layer) else layer.weight_count


def with_memory(
    components: Components, time_s: float, energy_j: float, waiting_w: float = 0.0
) -> Components:
    """The components of a layer and, where it moves data, `memory`: what computing does not hide.

    Args:
        components: What the layer takes with its operands in the L1.
        time_s: Time of its transfers.
        energy_j: Energy of its transfers.
        waiting_w: Power of the chip while it waits for them.
    """
    if not time_s:
        return components
    computing_s = sum(computing for computing, _ in components.values())
    waiting_s = max(0.0, time_s - computing_s)
    return components | {"memory": (waiting_s, energy_j + waiting_s * waiting_w)}
