"""What the `alpine` family reads from a system file."""

from __future__ import annotations

from math import ceil

from pydantic import Field

from lionheart_opt.cost import Ceiling
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.hardware.arrays import ArrayChange
from lionheart_opt.workload import Layer

#: Cores of a machine at most; layers are placed on them in a time that grows with their number.
MOST_CORES = 1024


class MachineParameters(Parameters):
    """`[machine]`: clock, memory and energies (Klein et al. 2023, Table I).

    Attributes:
        cores: Number of cores. They are alike, and each has tiles of its own. With more than one, layers
            are placed on them for the shortest interval.
        frequency_hz: Clock of every core.
        simd_macs_per_cycle: Most int8 multiply-accumulates that a core does in a cycle.
        l1_data_bytes: Size of the data cache of one core.
        llc_bytes: Size of the last-level cache, which the cores share.
        active_j_per_cycle: Energy of a core that computes.
        memory_wait_j_per_cycle: Energy of a core that waits for memory.
        idle_j_per_cycle: Energy of a core that waits for other cores.
        llc_leakage_w: Leakage of the whole last-level cache.
        llc_read_j_per_byte: Energy of reading from the last-level cache.
        llc_write_j_per_byte: Energy of writing to the last-level cache.
        dram_bytes_per_s: Peak rate of the memory.
        dram_access_j: Energy of one access to the memory.
        dram_access_bytes: Bytes that one access moves.
        prefetches: Whether bytes that are read in order arrive at the rate of the memory. ALPINE's core
            asks for one line at a time.
        memory_controller_w: Power of the memory controller and its I/O while they move data.
    """

    cores: int = Field(default=1, gt=0, le=MOST_CORES)
    frequency_hz: float = Field(gt=0)
    simd_macs_per_cycle: float = Field(gt=0)
    l1_data_bytes: int = Field(gt=0)
    llc_bytes: int = Field(gt=0)
    active_j_per_cycle: float = Field(gt=0)
    memory_wait_j_per_cycle: float = Field(gt=0)
    idle_j_per_cycle: float = Field(ge=0)
    llc_leakage_w: float = Field(ge=0)
    llc_read_j_per_byte: float = Field(ge=0)
    llc_write_j_per_byte: float = Field(ge=0)
    dram_bytes_per_s: float = Field(gt=0)
    dram_access_j: float = Field(ge=0)
    dram_access_bytes: int = Field(gt=0)
    memory_controller_w: float = Field(ge=0)
    prefetches: bool = False


class CoreParameters(Parameters):
    """A digital target: a core of the machine, which has no parameters of its own."""


class TileParameters(Parameters):
    """An analog target: the tiles that one core drives (Klein et al. 2023, Table I(C)).

    Attributes:
        core: The digital target whose instructions drive the tiles.
        rows: Inputs of a tile; None where each layer gets one tile of its own size.
        columns: Outputs of a tile; None as for `rows`.
        mvm_latency_s: Time of one product, whatever its size.
        io_bytes_per_s: Rate of queue and dequeue instructions.
        ops_per_j: Operations per joule of a whole tile (two for each MAC), converters included.
        energy_scale: Factor on the energy of a tile for the technology of the core.
    """

    core: str
    rows: int | None = Field(default=None, gt=0)
    columns: int | None = Field(default=None, gt=0)
    mvm_latency_s: float = Field(gt=0)
    io_bytes_per_s: float = Field(gt=0)
    ops_per_j: float = Field(gt=0)
    energy_scale: float = Field(gt=0)

    def rescaled(self, factors: ArrayChange) -> dict[str, float]:
        """The numbers that another array changes; `ops_per_j` is that of a product of the whole array."""
        return {
            "mvm_latency_s": self.mvm_latency_s * factors.time,
            "ops_per_j": self.ops_per_j * factors.cells / factors.product_energy,
        }

    def ceiling(self, name: str, cores: int) -> Ceiling:
        """One product after the other, and the queue, of as many tiles as there are cores."""
        is_sized = self.rows is not None and self.columns is not None
        macs = (self.rows or 0) * (self.columns or 0)
        return Ceiling(
            target=name,
            ops_per_s=2 * cores * macs / self.mvm_latency_s if is_sized else None,
            bytes_per_s={"queue": cores * self.io_bytes_per_s},
            keeps_weights=True,
        )

    def split(self, layer: Layer) -> tuple[int, int]:
        """Rows and columns of tiles that hold the matrix of a layer."""
        assert layer.mvm is not None
        rows, columns = layer.mvm.rows, layer.mvm.columns
        return ceil(rows / (self.rows or rows)), ceil(columns / (self.columns or columns))


class LinkParameters(Parameters):
    """A link: what a transfer costs in addition to the work at both ends.

    Attributes:
        latency_s: Time that every transfer takes, whatever its size.
        bytes_per_s: Rate of a transfer.
    """

    latency_s: float = Field(ge=0)
    bytes_per_s: float = Field(gt=0)


class SoftwareParameters(Parameters):
    """`[software]`: what the code costs a core. Cycles scale with the clock, seconds do not.

    `cost_models/calibration/alpine.py` fits the values of the shipped systems, once for all of them.

    Attributes:
        linear_efficiency: Share of the SIMD peak that products with a matrix reach on cached data.
        convolution_efficiency: The same for convolutions.
        sparse_mac_cycles: Cycles of a multiply-accumulate of a depthwise or grouped convolution.
        simple_cycles: Cycles of an addition, a comparison, a move of an element, or of a byte to or from
            a tile.
        transcendental_cycles: Cycles of an exponential, a division or a root.
        convert_cycles: Cycles to convert an activation to the int8 of a tile, or back.
        input_cycles: Cycles to fetch and decode an element of the network's input, but for caches.
        handoff_cycles: Cycles of the lock under which a core hands a result to others. Each end also
            moves its bytes.
        dram_stall_s_per_byte: Time that a core waits until a byte that is in no cache begins to arrive,
            unless the memory prefetches.
    """

    linear_efficiency: float = Field(gt=0)
    convolution_efficiency: float = Field(gt=0)
    sparse_mac_cycles: float = Field(gt=0)
    simple_cycles: float = Field(ge=0)
    transcendental_cycles: float = Field(gt=0)
    convert_cycles: float = Field(ge=0)
    input_cycles: float = Field(ge=0)
    handoff_cycles: float = Field(ge=0)
    dram_stall_s_per_byte: float = Field(ge=0)
