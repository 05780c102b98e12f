"""The roofline of a mapping: what each layer reaches, and what its target could do at most.

S. Williams et al., "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52(4), 2009. Two operations count for each multiply-accumulate.

Bytes are those that pass the interface that the ceiling names. Where a model counts them (`CountsBytes`),
bytes that a cache keeps do not count for the memory. Elsewhere, a byte counts for each activation that a
layer reads or writes and for each weight that its target must fetch, as the built-in systems are priced
with 8 bits.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from html import escape
from math import inf, isfinite
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from lionheart_opt import plugins
from lionheart_opt.batches import as_single_inferences, check_batch, runs_layer_by_layer
from lionheart_opt.cost import Ceiling, CostModel, HasCeilings
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.pricing import priced
from lionheart_opt.system import System
from lionheart_opt.uncertainty import models_at_ends
from lionheart_opt.workload import Layer, Workload

if TYPE_CHECKING:
    import pandas


@runtime_checkable
class CountsBytes(Protocol):
    """A cost model with ceilings that knows how many bytes of a layer pass the interface they name."""

    def moved_bytes(self, workload: Workload, mapping: Mapping) -> dict[str, float]:
        """Layer -> bytes; layers that are left out move all their activations and fetched weights."""
        ...


@dataclass(frozen=True, kw_only=True)
class RooflinePoint:
    """What one layer reaches.

    Args:
        name: Name of the layer.
        target: Name of the target that runs it.
        ops_per_byte: Its operations for each byte that it moves; infinite where it moves none, because
            all its data are in caches.
        ops_per_s: Operations per second that it reaches.
        attainable_ops_per_s: The most that the ceilings of its target allow; None where there are none.
        time_s: The time that it takes; in a pipeline, the time between two results.
        ops_per_s_low, ops_per_s_high: Ends of the interval of 95 % of what it reaches; None where nothing
            is known. Ceilings have none: they are the stated rates of the hardware.
        time_low_s, time_high_s: The same of the time.
    """

    name: str
    target: str
    ops_per_byte: float
    ops_per_s: float
    attainable_ops_per_s: float | None
    time_s: float
    ops_per_s_low: float | None = None
    ops_per_s_high: float | None = None
    time_low_s: float | None = None
    time_high_s: float | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Roofline:
    """Layers with multiply-accumulates, and the ceilings of the machine.

    Args:
        model: Name of the network.
        system: Name of the system.
        points: One entry a layer that has multiply-accumulates and takes time, in execution order.
        ceilings: What each target does at most.
    """

    model: str
    system: str
    points: tuple[RooflinePoint, ...]
    ceilings: tuple[Ceiling, ...]

    def to_frame(self) -> pandas.DataFrame:
        """One row a layer.

        Columns: `name`, `target`, `ops_per_byte`, `ops_per_s`, `attainable_ops_per_s`, `time_s`, then the
        ends of the intervals of 95 %: `ops_per_s_low`, `ops_per_s_high`, `time_low_s`, `time_high_s`.
        """
        import pandas

        columns = list(RooflinePoint.__dataclass_fields__)
        return pandas.DataFrame([asdict(point) for point in self.points], columns=columns)

    def __repr__(self) -> str:
        return f"Roofline({self.model!r} on {self.system!r}: {len(self.points)} layers)"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"


def attainable(ceiling: Ceiling, ops_per_byte: float) -> float | None:
    """Operations per second that a target reaches at most; None where nothing limits them."""
    rates = ceiling.bytes_per_s.values() if isfinite(ops_per_byte) else ()
    limits = [ops_per_byte * rate for rate in rates]
    if ceiling.ops_per_s is not None:
        limits.append(ceiling.ops_per_s)
    return min(limits, default=None)


def inputs_read(layer: Layer) -> int:
    """Elements of the inputs that are needed; strides leave some out."""
    if layer.mvm is None:
        return layer.input_count
    return min(layer.input_count, layer.mvm.count * layer.mvm.rows)


def roofline(
    workload: Workload, system: System, mapping: Mapping, cost_model: CostModel | None = None
) -> Roofline:
    """Operations per byte and per second of every layer of a mapping.

    Args:
        workload: What runs.
        system: What it runs on.
        mapping: Where each unit runs.
        cost_model: What prices it; the model of the system's family by default.

    Raises:
        InputError: The system's cost model names no ceilings, or cannot price an operation.
    """
    model = plugins.cost_model(system) if cost_model is None else cost_model
    if not isinstance(model, HasCeilings):
        raise InputError(
            f"{system.where}: family {system.family!r} names no ceilings, so that there is no roofline"
        )
    check_batch(model, system, workload)
    ceilings = {ceiling.target: ceiling for ceiling in model.ceilings()}
    ends = models_at_ends(model, system)
    spread = None if ends is None else ends.spread(workload, mapping)
    cost = replace(priced(model, system, workload, mapping), find_spread=lambda: spread)
    runs = workload.batch // (cost.together or workload.batch)
    is_pipeline = not runs_layer_by_layer(model) and cost.interval_s is not None
    workload = as_single_inferences(model, workload, cost)
    counted = model.moved_bytes(workload, mapping) if isinstance(model, CountsBytes) else {}
    points = []
    for layer, price in zip(workload.layers, cost.layers, strict=True):
        time = cost.estimate("interval_s") if is_pipeline else cost.layer_estimates(price)[0]
        if not layer.macs or not time.value:
            continue
        rate = time.inverse.times(2 * runs * layer.macs)
        ceiling = ceilings[price.target]
        fetched = 0 if ceiling.keeps_weights else layer.weight_count
        every_byte = inputs_read(layer) + layer.output_count + fetched
        moved_bytes = counted.get(layer.name, every_byte)
        ops_per_byte = 2 * layer.macs / moved_bytes if moved_bytes else inf
        points.append(
            RooflinePoint(
                name=layer.name,
                target=price.target,
                ops_per_byte=ops_per_byte,
                ops_per_s=rate.value,
                attainable_ops_per_s=attainable(ceiling, ops_per_byte),
                time_s=time.value,
                ops_per_s_low=rate.low,
                ops_per_s_high=rate.high,
                time_low_s=time.low,
                time_high_s=time.high,
            )
        )
    return Roofline(
        model=workload.name,
        system=system.name,
        points=tuple(points),
        ceilings=tuple(ceilings.values()),
    )
