"""One layer on one core, or on the tiles that a core drives: time, energy and memory traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, prod

from cost_models.alpine_parameters import Calibration, MachineParameters, TileParameters
from cost_models.operations import Operations, operations
from lionheart_opt.workload import INPUT, Layer

#: component -> (latency in s, energy in J)
Components = dict[str, tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """What running a layer takes, without power that is drawn all the time.

    Args:
        components: time and energy by component.
        dram_bytes: traffic to and from memory.
        tiles: crossbars that the layer occupies.
    """

    components: Components
    dram_bytes: float = 0.0
    tiles: int = 0

    @property
    def latency_s(self) -> float:
        """Sum over the components."""
        return sum(time for time, _ in self.components.values())

    def plus(self, more: Components) -> Run:
        """With components added, to those of the same name where there are any."""
        components = dict(self.components)
        for name, (time_s, energy_j) in more.items():
            before_s, before_j = components.get(name, (0.0, 0.0))
            components[name] = before_s + time_s, before_j + energy_j
        return replace(self, components=components)


@dataclass(frozen=True, kw_only=True)
class Core:
    """A core of the machine and the code that runs on it."""

    machine: MachineParameters
    calibration: Calibration

    def digital(self, layer: Layer, first: float, again: float, where: str) -> Run:
        """The layer on the core: arithmetic, then waiting for memory.

        A matrix product reads all its weights for every output pixel or token, as the loops of
        ALPINE's software do; what the cache does not hold comes from memory each time.

        Args:
            layer: what must run.
            first: share of its weights that is not in the last-level cache when it starts.
            again: the same share for every further output pixel or token.
            where: what an error calls the workload.

        Raises:
            InputError: the operator is not known.
        """
        weights = weight_bytes(layer)
        passes = layer.output_count // _columns(layer) if layer.macs and weights else 1
        traffic = weights * (first + (passes - 1) * again)
        activations = layer.input_count + layer.output_count
        traffic += activations * self.missing(activations)
        rereads = passes if weights > self.machine.l1_data_bytes else 1
        energy = self._access_j(layer.input_count + weights * rereads, layer.output_count)
        components = {
            "compute": self._cycles(self._operation_cycles(operations(layer, where))),
            "input": self._cycles(_input_elements(layer) * self.calibration.input_cycles),
            **self._memory(traffic, energy),
        }
        return Run(components=components, dram_bytes=traffic)

    def analog(self, layer: Layer, tile: TileParameters) -> Run:
        """The layer on tiles: convert, queue, product, dequeue, convert, add partial results.

        A matrix that is larger than a tile is split; every column of tiles needs its own copy of the
        input, every row of tiles gives partial results that the core adds up.
        """
        assert layer.mvm is not None
        calibration, mvm = self.calibration, layer.mvm
        rows, columns = tile.rows or mvm.rows, tile.columns or mvm.columns
        down, across = ceil(mvm.rows / rows), ceil(mvm.columns / columns)
        queued = mvm.count * mvm.rows * across
        dequeued = mvm.count * mvm.columns * down
        additions = dequeued - mvm.count * mvm.columns
        additions += mvm.count * mvm.columns if layer.bias_count else 0
        products = mvm.count * down * across
        product_j = 2 * rows * columns / tile.ops_per_j * tile.energy_scale
        wait_s = products * tile.mvm_latency_s
        activations = layer.input_count + layer.output_count
        traffic = activations * self.missing(activations)
        energy = self._access_j(layer.input_count, layer.output_count)
        components = {
            "input": self._cycles(_input_elements(layer) * calibration.input_cycles),
            "convert": self._cycles((layer.input_count + dequeued) * calibration.convert_cycles),
            "queue": self._transfer(queued, tile),
            "mvm": (wait_s, self._active_j(wait_s) + products * product_j),
            "dequeue": self._transfer(dequeued, tile),
            "accumulate": self._cycles(additions * calibration.simple_cycles),
            **self._memory(traffic, energy),
        }
        return Run(components=components, dram_bytes=traffic, tiles=down * across)

    def handoff(self, elements: int) -> tuple[float, float]:
        """A result that comes from another core: the lock, and a move of every element."""
        calibration = self.calibration
        return self._cycles(calibration.handoff_cycles + elements * calibration.simple_cycles)

    def wait(self, time_s: float) -> tuple[float, float]:
        """Waiting for memory or for a peripheral."""
        machine = self.machine
        return time_s, time_s * machine.frequency_hz * machine.memory_wait_j_per_cycle

    def missing(self, working_set_bytes: float) -> float:
        """Share of a working set that is read over and over and is not in the last-level cache."""
        if not working_set_bytes:
            return 0.0
        return max(0.0, 1.0 - self.machine.llc_bytes / working_set_bytes)

    def _operation_cycles(self, count: Operations) -> float:
        calibration, peak = self.calibration, self.machine.simd_macs_per_cycle
        return (
            count.macs / (peak * calibration.simd_efficiency)
            + count.sparse_macs / (peak * calibration.sparse_efficiency)
            + count.simple * calibration.simple_cycles
            + count.transcendental * calibration.transcendental_cycles
        )

    def _cycles(self, cycles: float) -> tuple[float, float]:
        return cycles / self.machine.frequency_hz, cycles * self.machine.active_j_per_cycle

    def _active_j(self, time_s: float) -> float:
        return time_s * self.machine.frequency_hz * self.machine.active_j_per_cycle

    def _transfer(self, count: int, tile: TileParameters) -> tuple[float, float]:
        time_s, energy_j = self._cycles(count * self.calibration.queue_cycles_per_byte)
        io_s = count / tile.io_bytes_per_s
        return time_s + io_s, energy_j + self._active_j(io_s)

    def _access_j(self, read: int, written: int) -> float:
        machine = self.machine
        return read * machine.llc_read_j_per_byte + written * machine.llc_write_j_per_byte

    def _memory(self, traffic: float, access_j: float) -> Components:
        """Waiting for DRAM, and the energy of what the caches and the DRAM move."""
        machine = self.machine
        stall_s = max(self.calibration.dram_stall_s_per_byte, 1 / machine.dram_bytes_per_s)
        # the controller is counted while data move: see the module's note on ALPINE's section VI-A
        dram_j = traffic * (
            machine.dram_access_j / machine.dram_access_bytes
            + machine.memory_controller_w / machine.dram_bytes_per_s
        )
        return {
            "memory": self.wait(traffic * stall_s),
            "llc": (0.0, access_j),
            "dram": (0.0, dram_j),
        }


def weight_bytes(layer: Layer) -> int:
    """Bytes of int8 weights and biases that a run reads; of an embedding only what it looks up."""
    return 0 if layer.kind == "embedding" else layer.weight_count + layer.bias_count


def _input_elements(layer: Layer) -> int:
    """Elements of the network's input that a layer reads."""
    return sum(
        prod(shape)
        for source, shape in zip(layer.inputs, layer.input_shapes, strict=True)
        if source == INPUT
    )


def _columns(layer: Layer) -> int:
    """Results of one pass over the weights: channels of a convolution, features of a product."""
    return layer.output_shape[1] if "conv" in layer.kind else layer.output_shape[-1]
