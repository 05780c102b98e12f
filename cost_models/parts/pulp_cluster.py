"""The cluster of Garofalo et al.: RISC-V cores and an in-memory accelerator (IMA) at one shared L1.

This is what `imc_cluster` (one cluster) and `manycore` (512 clusters) have in common: the work of the
cores in cycles, the jobs of the accelerator, and their energies. A job is one product of a crossbar: it
reads the inputs of one output pixel, computes for the fixed latency of the array, and writes the results.
"""

from __future__ import annotations

from math import ceil, prod

from pydantic import Field

from lionheart_opt.cost_models.parts.operations import is_looked_up, operations
from lionheart_opt.cost_models.parts.packing import Tile, cut
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.arrays import ArrayChange
from lionheart_opt.system import OperatorPrice
from lionheart_opt.workload import Layer


class CoresParameters(Parameters):
    """All cores of one cluster together, running 8-bit kernels.

    Attributes:
        convolution_macs_per_cycle: Rate of matrix products and convolutions.
        depthwise_macs_per_cycle: Rate of depthwise and grouped convolutions, data marshalling included.
        element_ops_per_cycle: Rate of additions, comparisons and table look-ups on single elements.
        convolution_mac_energy_j: Energy of the whole cluster for each MAC of the first kind.
        depthwise_mac_energy_j: The same for depthwise and grouped convolutions.
        element_op_energy_j: The same for operations on single elements.
    """

    convolution_macs_per_cycle: float = Field(gt=0)
    depthwise_macs_per_cycle: float = Field(gt=0)
    element_ops_per_cycle: float = Field(gt=0)
    convolution_mac_energy_j: float = Field(ge=0)
    depthwise_mac_energy_j: float = Field(ge=0)
    element_op_energy_j: float = Field(ge=0)

    @property
    def fastest_macs_per_cycle(self) -> float:
        """The higher of the rates of multiply-accumulates."""
        return max(self.convolution_macs_per_cycle, self.depthwise_macs_per_cycle)

    def work(self, layer: Layer, where: str, own: dict[str, OperatorPrice]) -> tuple[float, float]:
        """Cycles and energy (J) of a layer on the cores of one cluster.

        Non-linear functions of 8-bit elements are table look-ups, one operation each.

        Args:
            layer: What must run.
            where: What errors call the cost model.
            own: Kinds that the system's file prices.

        Raises:
            InputError: The kind is not known.
        """
        count = operations(layer, where, own)
        elements = count.simple + count.transcendental
        if layer.kind not in own:
            if is_looked_up(layer):
                elements = layer.output_count
            if layer.kind in ("max_pool2d", "avg_pool2d"):
                elements = separable_pool_operations(layer)
        dense_macs = layer.macs - count.sparse_macs
        cycles = (
            dense_macs / self.convolution_macs_per_cycle
            + count.sparse_macs / self.depthwise_macs_per_cycle
            + elements / self.element_ops_per_cycle
        )
        energy_j = (
            dense_macs * self.convolution_mac_energy_j
            + count.sparse_macs * self.depthwise_mac_energy_j
            + elements * self.element_op_energy_j
        )
        return cycles, energy_j


class ImaParameters(Parameters):
    """The in-memory accelerator of one cluster.

    The energy of reading inputs counts the channels of a window, not its pixels. The prediction for the
    only published k x k layer (row 0 of Fig. 12(a)) is then within 1 %, and off by 17 % if each of its 27
    rows counts. No job is more efficient than the published peak, which full arrays reach, whatever the
    size of their windows.

    Attributes:
        rows: Rows of the crossbar.
        columns: Columns of the crossbar.
        mvm_latency_s: Time of one product, whatever part of the array it uses.
        job_energy_j: Energy of the whole cluster for one job, without the following parts.
        channel_energy_j: Energy for each input channel of the window that a job reads.
        column_energy_j: Energy for each column that is converted and written.
        cell_energy_j: Energy for each cell that is used.
        peak_ops_per_j: Most operations per joule of a job, two for each cell.
    """

    rows: int = Field(gt=0)
    columns: int = Field(gt=0)
    mvm_latency_s: float = Field(gt=0)
    job_energy_j: float = Field(ge=0)
    channel_energy_j: float = Field(ge=0)
    column_energy_j: float = Field(ge=0)
    cell_energy_j: float = Field(ge=0)
    peak_ops_per_j: float = Field(gt=0)

    @property
    def array(self) -> Tile:
        """Rows and columns."""
        return self.rows, self.columns

    def tiles(self, layer: Layer, where: str) -> list[Tile]:
        """The parts of the layer's matrix, one crossbar rectangle each.

        Raises:
            InputError: A crossbar cannot run the layer.
        """
        if layer.mvm is None:
            raise InputError(f"{where}: layer {layer.name!r}: a crossbar cannot run {layer.kind!r}")
        if "transpose" in layer.kind:
            raise InputError(
                f"{where}: layer {layer.name!r}: no published cost of {layer.kind!r} on a crossbar; "
                "take it from the target's `kinds`"
            )
        return cut(layer.mvm.rows, layer.mvm.columns, self.array)

    def job_cycles(self, tile: Tile, clock_hz: float, bus_bytes_per_cycle: int) -> tuple[int, int]:
        """Cycles that one job computes, and cycles that it streams its inputs and results."""
        compute = ceil(round(self.mvm_latency_s * clock_hz, 6))
        return compute, sum(ceil(length / bus_bytes_per_cycle) for length in tile)

    def ops_per_s(self, clock_hz: float) -> float:
        """Operations per second of one crossbar that is filled, two for each MAC."""
        cycles, _ = self.job_cycles(self.array, clock_hz, bus_bytes_per_cycle=1)
        return 2 * self.rows * self.columns * clock_hz / cycles

    def rescaled(self, factors: ArrayChange) -> dict[str, float]:
        """The numbers that another array changes; what a job takes beside them is the cluster's."""
        return {
            "mvm_latency_s": self.mvm_latency_s * factors.time,
            "channel_energy_j": self.channel_energy_j * factors.row_energy,
            "column_energy_j": self.column_energy_j * factors.column_energy,
            "cell_energy_j": self.cell_energy_j * factors.cell_energy,
        }

    def job_energy(self, tile: Tile, layer: Layer) -> float:
        """Energy in J of one job: affine in input channels, columns and cells, at the peak or above."""
        rows, columns = tile
        energy_j = (
            self.job_energy_j
            + self.channel_energy_j * rows / prod(layer.kernel)
            + self.column_energy_j * columns
            + self.cell_energy_j * rows * columns
        )
        return max(energy_j, 2 * rows * columns / self.peak_ops_per_j)


def separable_pool_operations(layer: Layer) -> int:
    """Operations of a pool that reduces along the width first, then along the height (PULP-NN).

    Each result takes `stride` rows of `width - 1` operations, then `height - 1` more, and never more than
    without this order: a 3x3 pool of stride 2 takes six operations, not eight.
    """
    height, width = layer.kernel
    rows = layer.stride[0] if layer.stride else height
    separable = min(rows, height) * (width - 1) + height - 1
    average = layer.kind == "avg_pool2d"  # and one scaling
    return layer.output_count * max(1, separable + average)
