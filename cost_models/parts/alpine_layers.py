"""One layer on one core, or on the tiles that a core drives: time, energy and memory traffic."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from lionheart_opt.cost_models.parts.additive import Components
from lionheart_opt.cost_models.parts.alpine_parameters import (
    MachineParameters,
    SoftwareParameters,
    TileParameters,
)
from lionheart_opt.cost_models.parts.operations import (
    Operations,
    appended_elements,
    cached_elements,
    folded_norms,
    folded_scales,
    operations,
    reads_rows,
)
from lionheart_opt.system import OperatorPrice
from lionheart_opt.workload import INPUT, Layer, Workload


@dataclass(frozen=True, kw_only=True)
class Run:
    """What running a layer costs, without power that is drawn all the time.

    Args:
        components: Component -> (time in s, energy in J).
        dram_bytes: Traffic to and from memory.
    """

    components: Components
    dram_bytes: float = 0.0

    @cached_property
    def latency_s(self) -> float:
        """Sum over the components."""
        return sum(time for time, _ in self.components.values())

    def plus(self, further: Components) -> Run:
        """The run with further components; those of the same name are added up."""
        components = dict(self.components)
        for name, (time_s, energy_j) in further.items():
            before_s, before_j = components.get(name, (0.0, 0.0))
            components[name] = before_s + time_s, before_j + energy_j
        return replace(self, components=components)


@dataclass(frozen=True, kw_only=True)
class Core:
    """A core of the machine and the code that runs on it; `operators` are those of the system's file."""

    machine: MachineParameters
    software: SoftwareParameters
    operators: dict[str, OperatorPrice] = field(default_factory=dict)

    def digital(self, layer: Layer, *, is_cold: bool, is_reread: bool, where: str) -> Run:
        """The layer on the core: arithmetic, then waiting for memory.

        A matrix product goes through all its weights for every output pixel or token, as the loops of
        ALPINE's software do.

        Args:
            layer: What must run.
            is_cold: Whether its weights come from memory when it starts.
            is_reread: Whether they come from memory again for every further output pixel or token.
            where: What errors call the workload.

        Raises:
            InputError: The operator is not known.
        """
        weights, passes = weight_bytes(layer), _passes(layer)
        traffic = self._activation_traffic(layer)
        traffic += weights * (int(is_cold) + (passes - 1) * int(is_reread))
        is_streamed = weights > self.machine.l1_data_bytes
        components = {
            "compute": self._active(
                self._operation_cycles(operations(layer, where, self.operators))
            ),
            **self._memory(layer, weights * (passes if is_streamed else 1), traffic),
        }
        return Run(components=components, dram_bytes=traffic)

    def analog(self, layer: Layer, tile: TileParameters) -> Run:
        """The layer on tiles: convert, queue, product, dequeue, add partial results, convert back.

        A matrix that is larger than a tile is split: every column of tiles needs its own copy of the
        input, and the core adds up the results of the rows of tiles. It also adds up where the results of
        a transposed convolution overlap.
        """
        assert layer.mvm is not None
        software, mvm = self.software, layer.mvm
        rows, columns = tile.rows or mvm.rows, tile.columns or mvm.columns
        down, across = tile.split(layer)
        queued, dequeued = mvm.count * mvm.rows * across, mvm.count * mvm.columns * down
        # each element is converted once, however many patches it is in; strides leave some out
        converted = min(layer.input_count, mvm.count * mvm.rows) + dequeued
        products = mvm.count * down * across
        product_j = 2 * rows * columns / tile.ops_per_j * tile.energy_scale
        additions = max(0, dequeued - layer.output_count)
        additions += layer.output_count if layer.bias_count else 0
        mvm_s, mvm_j = self._busy(products * tile.mvm_latency_s)
        traffic = self._activation_traffic(layer)
        components = {
            "convert": self._active(converted * software.convert_cycles),
            "queue": self._transfer(queued, tile),
            "mvm": (mvm_s, mvm_j + products * product_j),
            "dequeue": self._transfer(dequeued, tile),
            "partial sums": self._active(additions * software.simple_cycles),
            **self._memory(layer, 0, traffic),
        }
        return Run(components=components, dram_bytes=traffic)

    def send(self, elements: int) -> tuple[float, float]:
        """Time and energy of writing a result for other cores, under a lock."""
        machine = self.machine
        lock_s, lock_j = self.waiting(self.software.handoff_cycles / machine.frequency_hz)
        time_s, energy_j = self._moved(elements)
        energy_j += elements * machine.llc_write_j_per_byte
        return lock_s + time_s, lock_j + energy_j

    def receive(self, elements: int) -> tuple[float, float]:
        """Time and energy of fetching a result of another core."""
        time_s, energy_j = self._moved(elements)
        return time_s, energy_j + elements * self.machine.llc_read_j_per_byte

    def _moved(self, elements: int) -> tuple[float, float]:
        return self._active(elements * self.software.simple_cycles)

    def waiting(self, time_s: float) -> tuple[float, float]:
        """Time and energy of waiting for memory or for a peripheral."""
        machine = self.machine
        return time_s, time_s * machine.frequency_hz * machine.memory_wait_j_per_cycle

    def _operation_cycles(self, count: Operations) -> float:
        software, peak = self.software, self.machine.simd_macs_per_cycle
        return (
            count.linear_macs / (peak * software.linear_efficiency)
            + count.convolution_macs / (peak * software.convolution_efficiency)
            + count.sparse_macs * software.sparse_mac_cycles
            + count.simple * software.simple_cycles
            + count.transcendental * software.transcendental_cycles
        )

    def _active(self, cycles: float) -> tuple[float, float]:
        return cycles / self.machine.frequency_hz, cycles * self.machine.active_j_per_cycle

    def _busy(self, time_s: float) -> tuple[float, float]:
        return self._active(time_s * self.machine.frequency_hz)

    def _transfer(self, count: int, tile: TileParameters) -> tuple[float, float]:
        """Time and energy of bytes to or from a tile: a simple operation and the instruction for each."""
        return self._busy(
            count * self.software.simple_cycles / self.machine.frequency_hz
            + count / tile.io_bytes_per_s
        )

    def _activation_traffic(self, layer: Layer) -> int:
        """Bytes of int8 activations that the last-level cache cannot keep until they are read.

        Key-value caches come from memory in any case: a step of the network reads more than the
        last-level cache keeps until the next.
        """
        cached = cached_elements(layer)
        kept = layer.output_count - appended_elements(layer)
        activations = layer.input_count + layer.output_count - kept
        return activations if activations > self.machine.llc_bytes else cached

    def _memory(self, layer: Layer, weights_read: int, traffic: int) -> Components:
        """Waiting for memory, and the energy of what the caches and the memory move."""
        machine = self.machine
        stall_s = 1 / machine.dram_bytes_per_s
        if not machine.prefetches:
            stall_s += self.software.dram_stall_s_per_byte
        # The power of the controller counts while data move. If it were drawn all the time, energies
        # would exceed the axes of ALPINE's figures, and section VI-A does not name it.
        byte_j = (
            machine.dram_access_j / machine.dram_access_bytes
            + machine.memory_controller_w / machine.dram_bytes_per_s
        )
        kept = layer.output_count - appended_elements(layer)  # of a cache, which stays in place
        llc_j = (layer.input_count - kept + weights_read) * machine.llc_read_j_per_byte
        llc_j += (layer.output_count - kept) * machine.llc_write_j_per_byte
        loaded = sum(edge.element_count for edge in layer.edges if edge.source == INPUT)
        loaded -= cached_elements(layer)
        return {
            "input": self._active(loaded * self.software.input_cycles),
            "memory": self.waiting(traffic * stall_s),
            "llc access": (0.0, llc_j),
            "dram": (0.0, traffic * byte_j),
        }


def weight_bytes(layer: Layer) -> int:
    """Bytes of int8 weights and biases that a run reads; of a table, few rows are looked up."""
    return 0 if reads_rows(layer) else layer.weight_count + layer.bias_count


def _passes(layer: Layer) -> int:
    """How often the layer goes through all its weights: its number of output pixels or tokens."""
    return max(1, layer.macs // layer.weight_count) if layer.weight_count else 1


@dataclass(frozen=True, eq=False)
class KeptRuns:
    """Runs of the layers of a workload: mappings share them."""

    workload: Workload
    _found: dict[tuple[str, str, tuple[bool, bool]], Run] = field(default_factory=dict, init=False)

    @staticmethod
    def of(last: list[KeptRuns], workload: Workload) -> KeptRuns:
        """The entry of a list of at most one, which is renewed where it is of another workload."""
        kept = last[0] if last else None
        if kept is None or kept.workload is not workload:
            kept = KeptRuns(workload)
            last[:] = [kept]  # another thread may turn to another workload at any time
        return kept

    @cached_property
    def folded(self) -> frozenset[str]:
        """Layers that are parts of others."""
        return folded_norms(self.workload) | folded_scales(self.workload)

    def run(
        self,
        core: Core,
        layer: Layer,
        target: str,
        tile: TileParameters | None,
        fetches: tuple[bool, bool],
    ) -> Run:
        """The run of a layer.

        Args:
            core: The core.
            layer: A layer of the workload.
            target: Name of the target that runs it.
            tile: The tile, if the target is one.
            fetches: Whether weights come from memory when the layer starts, and again for every further
                output pixel or token.
        """
        key = layer.name, target, fetches
        if key not in self._found:
            is_cold, is_reread = fetches
            where = f"alpine: workload {self.workload.name!r}"
            self._found[key] = (
                core.digital(layer, is_cold=is_cold, is_reread=is_reread, where=where)
                if tile is None
                else core.analog(layer, tile)
            )
        return self._found[key]
