"""ALPINE and LionHeart: in-order ARM cores that drive analog tiles through special instructions.

A core runs every operator. Its time is the arithmetic plus the waiting for memory, as it executes in
order and does not prefetch. A tile runs matrix products: the core converts and queues each input vector,
waits for the product, and reads the result back (Klein et al. 2023, section IV).

With one core the cost is a sum over layers. With several cores the layers form a pipeline: the latency is
that of the critical path, results come at the pace of the busiest core (`Cost.interval_s`), and every
result that passes from one core to another is handed over through memory with a lock
(`parts/alpine_cores.py`). Cores are counted (`cores` of `[machine]`), and layers are then placed on them
for the shortest interval (`parts/placement.py`); or they are listed as targets, and the mapping says
which core and which tiles run a unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import fsum, prod

from lionheart_opt.batches import BatchOrder
from lionheart_opt.cost import Ceiling, Cost
from lionheart_opt.cost_models.parts.additive import (
    Components,
    additive_tables,
    layer_cost,
    target_of,
)
from lionheart_opt.cost_models.parts.alpine_cores import pipelined, placed
from lionheart_opt.cost_models.parts.alpine_layers import Core, KeptRuns, Run, weight_bytes
from lionheart_opt.cost_models.parts.alpine_links import results_of, with_links
from lionheart_opt.cost_models.parts.alpine_parameters import (
    CoreParameters,
    LinkParameters,
    MachineParameters,
    SoftwareParameters,
    TileParameters,
)
from lionheart_opt.cost_models.parts.batches import tables_of_whole_batches, whole_batches
from lionheart_opt.cost_models.parts.reprogramming import (
    Layout,
    Matrix,
    holds_all,
    matrix_of,
    refuse_reprogramming,
    with_reprogramming,
)
from lionheart_opt.cost_models.parts.targets import check_kinds
from lionheart_opt.cost_tables import CostTables, SharedWork
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.hardware.arrays import ArrayChange
from lionheart_opt.mapping import Mapping
from lionheart_opt.pipeline_tables import WAIT
from lionheart_opt.system import System, Target
from lionheart_opt.workload import INPUT, Layer, Unit, Workload


@dataclass(frozen=True)
class Alpine:
    """Cost model of the family `alpine`.

    Layers that belong to no unit run on the host. Where there are several cores, they run on the core
    that computed their first input, so that each stage of the pipeline keeps its activations and pools.

    Args:
        system: Cores (digital targets), what their software costs, tiles (analog targets, each with its
            core) and links.

    Raises:
        InputError: The system lacks a number or has one that the family does not know.
    """

    system: System

    def __post_init__(self) -> None:
        _ = self._core, self._tiles, self._links  # computed here so that mistakes show at once
        check_kinds(self.system)
        if self._is_pipelined:
            refuse_reprogramming(self.system, "with several cores, layers do not take turns")

    @property
    def batch_order(self) -> BatchOrder:
        """See `RunsBatches`."""
        return "pipelined" if self._is_pipelined else "layer by layer"

    @whole_batches
    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """Price one inference.

        Raises:
            InputError: The model does not know an operator, or a target cannot run a layer.
        """
        place = self._places(workload, mapping)
        runs = self._runs(workload, place)
        tiles = {
            name: self._crossbars(workload, name, mapping.units_on(name)) for name in self._tiles
        }
        if self._is_pipelined:
            return replace(self._pipelined(workload, place, runs), tiles=tiles)
        leakage_w = self._core.machine.llc_leakage_w
        layers = []
        for layer in workload.layers:
            run = runs[layer.name]
            components = run.components | {"llc leakage": (0.0, run.latency_s * leakage_w)}
            layers.append(layer_cost(layer, place[layer.name], components))
        cost = Cost(layers=tuple(layers), tiles=tiles)

        def layouts(target: str) -> list[Layout]:
            units = mapping.units_on(target)
            return [Layout(own=self._own_crossbars(workload, target, units))]

        waiting_w = self._core.waiting(1.0)[1] + leakage_w
        return with_reprogramming(cost, self.system, workload, mapping, layouts, waiting_w)

    def _pipelined(self, workload: Workload, place: dict[str, str], runs: dict[str, Run]) -> Cost:
        """The cost on several cores. Layers off the critical path add energy but no latency."""
        core, machine, bound_s = self._core, self._core.machine, None
        core_of = {name: self._driver(target) for name, target in place.items()}
        numbers: dict[str, str] = {}
        if machine.cores > 1:
            placement = placed(workload, runs, core)
            numbers = {name: f"core {number}" for name, number in placement.core_of.items()}
            core_of, bound_s = numbers, placement.bound_s
        network = pipelined(workload, runs, core_of, core)
        busy_s = fsum(network.busy_s.values())
        idle_s = max(machine.cores, len(self._cores)) * network.interval_s - busy_s
        # shared out in proportion to the layers' times, so that the breakdown sums to the total
        leakage_w = machine.llc_leakage_w * network.interval_s / busy_s
        idle_w = machine.idle_j_per_cycle * machine.frequency_hz * idle_s / busy_s
        layers = []
        for layer in workload.layers:
            run = network.runs[layer.name]
            components = run.components | {
                "llc leakage": (0.0, run.latency_s * leakage_w),
                "idle cores": (0.0, run.latency_s * idle_w),
            }
            is_awaited = layer.name in network.path
            if not is_awaited:
                components = {part: (0.0, energy_j) for part, (_, energy_j) in components.items()}
            if workload.batch > 1 and layer.name == network.last:
                components[WAIT] = ((workload.batch - 1) * network.interval_s, 0.0)
            aside_s = 0.0 if is_awaited else run.latency_s
            on = numbers.get(layer.name, "")
            layers.append(layer_cost(layer, place[layer.name], components, on, aside_s))
        return Cost(
            layers=tuple(layers),
            interval_s=network.interval_s,
            interval_bound_s=None if bound_s is None else max(bound_s, network.memory_s),
        )

    @tables_of_whole_batches
    def tables(self, workload: Workload) -> CostTables | None:
        """Coefficients of the same cost, for a system with one core.

        Returns:
            None for a system with several cores. Its cost is not a sum over units and pairs: all cores
            wait for the busiest one, and a result is handed over once, however many layers read it. Nor
            is it where tiles are reprogrammed as they cannot hold all units.

        Raises:
            InputError: The model does not know an operator.
        """
        if self._is_pipelined or not holds_all(
            self.system, workload, partial(self._crossbars, workload)
        ):
            return None
        return self._sums(workload, self._pricer(workload, workload.layers))

    def shared_work(self, workload: Workload) -> SharedWork | None:
        """What all mappings on counted cores cost at least; None for other systems.

        Of the weights that may be cached, those that compete are the layer's own and those of layers that
        no tile can run. There are no hand-overs, and no core idles.

        Raises:
            InputError: The model does not know an operator.
        """
        cores = self._core.machine.cores
        if cores == 1:
            return None
        units = {unit.name: unit for unit in workload.units}
        on_tiles = {
            name
            for unit in units.values()
            if not set(self._tiles).isdisjoint(self.system.targets_of(workload, unit))
            for name in unit.layers
        }
        always = [layer for layer in workload.layers if layer.name not in on_tiles]
        together = self._pricer(workload, always)
        alone = {
            unit.name: self._pricer(workload, [*always, *workload.layers_of(unit)])
            for unit in units.values()
        }

        def price(layer: Layer, target: str) -> Run:
            unit = workload.unit_of.get(layer.name)
            return (together if unit is None else alone[unit])(layer, target)

        return SharedWork(tables=self._sums(workload, price, cores), shares=cores)

    def _sums(
        self, workload: Workload, price: Callable[[Layer, str], Run], cores: int = 1
    ) -> CostTables:
        """Sums over layers, and over links; the cache leaks while that many cores share the work."""
        leakage_w = self._core.machine.llc_leakage_w / cores

        def components(layer: Layer, target: Target) -> Components:
            run = price(layer, target.name)
            return run.components | {"llc leakage": (0.0, run.latency_s * leakage_w)}

        def tiles(unit: Unit, target: Target) -> float:
            is_analog = target.name in self._tiles
            return self._crossbars(workload, target.name, [unit.name]) if is_analog else 0

        tables = additive_tables(self.system, workload, components, tiles)
        if not self._links:
            return tables
        return with_links(workload, tables, self.system.host, self._transfer_cost)

    def ceilings(self) -> tuple[Ceiling, ...]:
        """The SIMD peak and the memory of a core, one product after the other and the queue of a tile."""
        machine = self._core.machine
        return tuple(
            self._tiles[target.name].ceiling(target.name, machine.cores)
            if target.name in self._tiles
            else Ceiling(
                target=target.name,
                ops_per_s=2 * machine.cores * machine.simd_macs_per_cycle * machine.frequency_hz,
                bytes_per_s={"memory": machine.dram_bytes_per_s},
            )
            for target in self.system.targets
        )

    def moved_bytes(self, workload: Workload, mapping: Mapping) -> dict[str, float]:
        """See `CountsBytes`: what cores move to and from memory; the caches keep the rest."""
        place = self._places(workload, mapping)
        runs = self._runs(workload, place)
        return {
            name: run.dram_bytes for name, run in runs.items() if place[name] not in self._tiles
        }

    @property
    def coupled(self) -> dict[str, tuple[str, ...]]:
        """See `RescalesArrays`: all numbers can be chosen freely."""
        return {}

    def rescaled(self, target: str, factors: ArrayChange) -> dict[str, float]:
        """See `RescalesArrays`."""
        return self._tiles[target].rescaled(factors)

    @cached_property
    def _core(self) -> Core:
        for name in self._cores:
            self.system.target_as(name, CoreParameters)
        machine = self.system.machine_as(MachineParameters)
        if machine.cores > 1:
            self._check_counted(machine.cores)
        return Core(
            machine=machine,
            software=self.system.software_as(SoftwareParameters),
            operators=self.system.operators,
        )

    @cached_property
    def _kept(self) -> list[KeptRuns]:
        return []

    def _check_counted(self, cores: int) -> None:
        """Refuse what the number of cores leaves open."""
        where = f"{self.system.where}: [machine]: cores: got {cores}"
        if len(self._cores) > 1:
            raise InputError(
                f"{where}, and {len(self._cores)} digital targets; cores are counted or listed as targets"
            )
        for target in self.system.targets:
            if target.tiles is not None:
                raise InputError(
                    f"{where}, and target {target.name!r} has {target.tiles} tiles; to limit the tiles "
                    "of each core, list the cores and their tiles as targets"
                )

    @cached_property
    def _cores(self) -> tuple[str, ...]:
        return tuple(target.name for target in self.system.targets if target.numerics != "analog")

    @property
    def _is_pipelined(self) -> bool:
        return len(self._cores) > 1 or self._core.machine.cores > 1

    @cached_property
    def _tiles(self) -> dict[str, TileParameters]:
        tiles = {}
        for name in self.system.analog_targets:
            tile = self.system.target_as(name, TileParameters)
            if tile.core not in self._cores:
                where = f"{self.system.where}: [targets.{name}]"
                raise unknown("core", tile.core, self._cores, where)
            tiles[name] = tile
        return tiles

    @cached_property
    def _links(self) -> dict[frozenset[str], LinkParameters]:
        return {
            frozenset(link.between): link.parse(
                LinkParameters, f"{self.system.where}: {link.where}"
            )
            for link in self.system.links
        }

    def _crossbars(self, workload: Workload, target: str, units: Sequence[str]) -> int:
        """Crossbars that hold the matrices of units, however often they are used."""
        return sum(self._own_crossbars(workload, target, units).values())

    def _own_crossbars(
        self, workload: Workload, target: str, units: Sequence[str]
    ) -> dict[Matrix, int]:
        """Matrix -> the crossbars that hold it, for the matrices of units."""
        split = self._tiles[target].split
        return {
            matrix_of(layer): prod(split(layer))
            for unit in units
            for layer in workload.matrices_of(workload.unit(unit))
        }

    def _driver(self, target: str) -> str:
        """The core that is busy while the target works."""
        return self._tiles[target].core if target in self._tiles else target

    def _places(self, workload: Workload, mapping: Mapping) -> dict[str, str]:
        """Layer -> target."""
        place: dict[str, str] = {}
        for layer in workload.layers:
            if layer.name in workload.unit_of:
                place[layer.name] = target_of(self.system, workload, mapping, layer).name
            else:
                source = next((name for name in layer.inputs if name != INPUT), None)
                place[layer.name] = self._driver(place[source]) if source else self.system.host
        return place

    def _runs(self, workload: Workload, place: dict[str, str]) -> dict[str, Run]:
        """The run of every layer on its target, fetching its inputs over links included."""
        # The layers of a pipeline share the cache all the time. On one core all weights count, those that
        # the mapping moves to tiles included, so that the cost stays a sum over layers.
        competing = [
            layer
            for layer in workload.layers
            if not self._is_pipelined or place[layer.name] not in self._tiles
        ]
        price = self._pricer(workload, competing)
        runs = {layer.name: price(layer, place[layer.name]) for layer in workload.layers}
        for edge in workload.edges if self._links else ():
            reader, target = edge.layer.name, place[edge.layer.name]
            start = self._driver(target) if edge.source == INPUT else place[edge.source]
            runs[reader] = runs[reader].plus(self._transfer(start, target, edge.element_count))
        for layer in results_of(workload) if self._links else ():
            start = place[layer.name]
            back = self._transfer(start, self._driver(start), layer.output_count)
            runs[layer.name] = runs[layer.name].plus(back)
        return runs

    def _pricer(
        self, workload: Workload, competing: Sequence[Layer]
    ) -> Callable[[Layer, str], Run]:
        """A function that prices a layer on a target.

        A cache that evicts the least recently used data keeps nothing of a larger amount that is read
        over and over in the same order. Weights are therefore cached either all or not at all.

        Args:
            workload: The workload that the layers belong to.
            competing: Layers whose weights compete for the last-level cache.
        """
        core, kept = self._core, KeptRuns.of(self._kept, workload)
        llc_bytes = core.machine.llc_bytes
        weights = {
            (layer.module, weight_bytes(layer)) for layer in competing
        }  # shared weights count once
        is_cold = sum(count for _, count in weights) > llc_bytes

        def price(layer: Layer, target: str) -> Run:
            if layer.name in kept.folded and layer.kind not in core.operators:
                return Run(components={"compute": (0.0, 0.0)})
            is_reread = is_cold if self._is_pipelined else weight_bytes(layer) > llc_bytes
            return kept.run(core, layer, target, self._tiles.get(target), (is_cold, is_reread))

        return price

    def _transfer(self, start: str, end: str, elements: int) -> Components:
        """Component of a link between two targets; empty where there is none."""
        link = self._links.get(frozenset((start, end)))
        if link is None:
            return {}
        return {"transfer": self._core.waiting(link.latency_s + elements / link.bytes_per_s)}

    def _transfer_cost(self, start: str, end: str, elements: int) -> tuple[float, float]:
        """Latency in s and energy in J of a transfer, leakage of the cache included."""
        time_s, energy_j = self._transfer(start, end, elements).get("transfer", (0.0, 0.0))
        return time_s, energy_j + time_s * self._core.machine.llc_leakage_w
