"""Cost of a mapping, and the protocol of cost models: all that a writer of one must read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from html import escape
from math import fsum, inf
from numbers import Real
from typing import TYPE_CHECKING, Literal, Protocol, get_args, runtime_checkable

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.estimates import Estimate, Spread, Uncertain, gain
from lionheart_opt.hardware.arrays import ArrayChange
from lionheart_opt.hardware.reprogramming import Rewriting
from lionheart_opt.layer_cost import LayerCost
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System
from lionheart_opt.text import shown
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import pandas

    from lionheart_opt.cost_tables import CostTables
    from lionheart_opt.pipeline_tables import PipelineTables

__all__ = [
    "COST_OBJECTIVES",
    "Ceiling",
    "Cost",
    "CostModel",
    "CostModelFactory",
    "CostObjective",
    "HasCeilings",
    "LayerCost",
    "PricesInBulk",
    "PricesPipelines",
    "RescalesArrays",
    "Totals",
    "cost_tables",
    "pipeline_tables",
]

#: What a cost model can be asked to minimise.
CostObjective = Literal["latency_s", "energy_j", "interval_s"]
COST_OBJECTIVES: tuple[CostObjective, ...] = get_args(CostObjective)


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What one inference costs in total: a `Cost` without its layers, which is kept for every evaluation.

    Args:
        latency_s: Time of one inference from its input to its output.
        energy_j: Energy of one inference.
        interval_s: As for `Cost`.
        tiles: As for `Cost`.
        capacities: As for `Cost`.
    """

    latency_s: float
    energy_j: float
    interval_s: float | None = None
    tiles: dict[str, int] = field(default_factory=dict)
    capacities: dict[str, int] | None = field(default=None, compare=False)

    @property
    def time_per_inference_s(self) -> float:
        """The pipelining interval where there is one, otherwise the latency."""
        return self.latency_s if self.interval_s is None else self.interval_s

    def value(self, objective: CostObjective) -> float:
        """The value of an objective.

        `interval_s` is the time per inference, which is the latency where nothing is pipelined.

        Raises:
            InputError: There is no such objective.
        """
        if objective not in COST_OBJECTIVES:
            raise unknown("objective", objective, COST_OBJECTIVES)
        if objective == "interval_s":
            return self.time_per_inference_s
        return self.latency_s if objective == "latency_s" else self.energy_j

    @property
    def fits(self) -> bool | None:
        """Whether every target has as many crossbars as the mapping needs; None if that is not known."""
        return None if self.capacities is None else not self.misfit

    @property
    def misfit(self) -> str:
        """What does not fit, such as `225 of 34 crossbars on 'ima': does not fit`; empty if all fits."""
        parts = [
            f"{self.tiles[target]} of {capacity} crossbars on {target!r}"
            for target, capacity in (self.capacities or {}).items()
            if self.tiles.get(target, 0) > capacity
        ]
        return f"{', '.join(parts)}: does not fit" if parts else ""


@dataclass(frozen=True, kw_only=True, repr=False)
class Cost:
    """What one inference costs: the sum of its layers.

    Args:
        layers: One entry for each layer of the workload, in execution order.
        interval_s: Time per inference in steady state, where the system pipelines inferences or runs
            batches; None where the next inference starts when the last has ended.
        interval_bound_s: Where the cost model places the layers: no placement of this mapping has a
            shorter interval. None where it places nothing.
        tiles: Target -> number of crossbars that the mapping occupies on it.
        capacities: Target -> number of crossbars that it has; targets without a limit are left out. None
            where the cost was not compared with a system, see `within`.
        find_spread: Finds out how well the cost is known; None where nobody can say.
        not_priced: What the prices of the system leave out, each in a few words.
        rewriting: Target -> what each inference reprograms there; targets that are not are left out.
        together: Inferences of each of the equal runs that a batch is cut into; None where it is not.

    Raises:
        InputError: The interval or a number of tiles is not a finite number, or is negative.
    """

    layers: tuple[LayerCost, ...]
    interval_s: float | None = None
    interval_bound_s: float | None = None
    tiles: dict[str, int] = field(default_factory=dict)
    capacities: dict[str, int] | None = field(default=None, compare=False)
    find_spread: Callable[[], Spread | None] | None = field(default=None, compare=False)
    not_priced: tuple[str, ...] = field(default=(), compare=False)
    rewriting: dict[str, Rewriting] = field(default_factory=dict)
    together: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.layers, tuple) or not all(
            isinstance(layer, LayerCost) for layer in self.layers
        ):
            raise InputError(
                f"cost: layers: got {shown(self.layers)}; must be a tuple of LayerCost"
            )
        numbers: dict[str, object] = {
            f"tiles of {target!r}": count for target, count in self.tiles.items()
        }
        if self.interval_s is not None:
            numbers["interval_s"] = self.interval_s
        for name, number in numbers.items():
            if not isinstance(number, Real) or not 0.0 <= float(number) < inf:
                raise InputError(
                    f"cost: {name}: got {shown(number)}; must be finite and not negative"
                )

    @cached_property
    def latency_s(self) -> float:
        """Time of one inference from its input to its output."""
        return fsum(layer.latency_s for layer in self.layers)

    @cached_property
    def energy_j(self) -> float:
        """Energy of one inference."""
        return fsum(layer.energy_j for layer in self.layers)

    @cached_property
    def totals(self) -> Totals:
        """The sums over the layers."""
        return Totals(
            latency_s=self.latency_s,
            energy_j=self.energy_j,
            interval_s=self.interval_s,
            tiles=self.tiles,
            capacities=self.capacities,
        )

    @property
    def time_per_inference_s(self) -> float:
        """As `Totals.time_per_inference_s`."""
        return self.totals.time_per_inference_s

    def value(self, objective: CostObjective) -> float:
        """As `Totals.value`."""
        return self.totals.value(objective)

    @cached_property
    def spread(self) -> Spread | None:
        """How the cost moves with the errors of the system's constants; None where nothing is known."""
        return None if self.find_spread is None else self.find_spread()

    def estimate(self, objective: CostObjective) -> Estimate:
        """The cost's value of an objective with its interval of 95 %.

        Example:
            >>> lo.cost("resnet8").estimate("latency_s")
            Estimate(value=0.0031, low=0.0017, high=0.0057)
        """
        return self.uncertain(objective).estimate

    def uncertain(self, objective: CostObjective) -> Uncertain:
        """The cost's value of an objective, for sums and ratios: they know which errors they share."""
        return Uncertain.of(self.value(objective), self.spread, objective)

    def uncertain_layer(self, layer: LayerCost) -> tuple[Uncertain, Uncertain]:
        """Latency in s and energy in J of one of its layers, likewise."""
        spread, name = self.spread, layer.name
        latency = Uncertain.of(layer.latency_s, spread, "latency_s", name)
        return latency, Uncertain.of(layer.energy_j, spread, "energy_j", name)

    def layer_estimates(self, layer: LayerCost) -> tuple[Estimate, Estimate]:
        """Latency in s and energy in J of one of its layers, with their intervals of 95 %."""
        latency, energy = self.uncertain_layer(layer)
        return latency.estimate, energy.estimate

    def gain_over(self, reference: Cost, objective: CostObjective) -> Estimate:
        """How many times less this costs than a reference, with its interval of 95 %.

        Both costs share the errors of constants. So a gain is known better than they are. One over the
        cost of another network, or on another system, has no interval.

        Args:
            reference: Cost of another mapping of the same network on the same system.
            objective: What is compared.
        """
        ratio = gain(reference.value(objective), self.value(objective))
        before, after = reference.spread, self.spread
        is_same = [each.macs for each in self.layers] == [each.macs for each in reference.layers]
        if not is_same or before is None or after is None or not before.shares_errors(after):
            return Estimate(ratio)
        first, second = before.shifts[objective], after.shifts[objective]
        is_exact = not (first.any() or second.any())
        return Estimate.within(ratio, None if is_exact else before.half_width(first - second))

    def within(self, system: System) -> Cost:
        """The same cost, compared with the crossbars that the system has; it says what it leaves out."""
        has = {target.name: target.tiles for target in system.targets if target.tiles is not None}
        return replace(self, capacities=has, not_priced=system.not_priced)

    @property
    def fits(self) -> bool | None:
        """As `Totals.fits`."""
        return self.totals.fits

    @property
    def misfit(self) -> str:
        """As `Totals.misfit`."""
        return self.totals.misfit

    def to_frame(self) -> pandas.DataFrame:
        """One row a layer: `name`, `kind`, `target`, `place`, `macs`, `latency_s`, `energy_j`.

        Where it is known how sure they are, the ends of their intervals of 95 % follow: `latency_low_s`,
        `latency_high_s`, `energy_low_j`, `energy_high_j`.
        """
        import pandas

        columns = ["name", "kind", "target", "place", "macs", "latency_s", "energy_j"]
        rows = [[getattr(layer, column) for column in columns] for layer in self.layers]
        if self.spread is not None:
            columns += ["latency_low_s", "latency_high_s", "energy_low_j", "energy_high_j"]
            for row, layer in zip(rows, self.layers, strict=True):
                latency, energy = self.layer_estimates(layer)
                row += [latency.low, latency.high, energy.low, energy.high]
        return pandas.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        is_pipeline = self.interval_s is not None
        names = [name for name in COST_OBJECTIVES if name != "interval_s" or is_pipeline]
        values = ", ".join(f"{name}={self.estimate(name).said('{:.4g}'.format)}" for name in names)
        return f"Cost({values}, tiles={self.tiles}, layers={len(self.layers)})" + (
            f": {self.misfit}" if self.misfit else ""
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"


class CostModel(Protocol):
    """Latency and energy of a mapping, without running anything.

    A cost model is built with the keyword argument `system`, a `System`. It may also offer
    `PricesInBulk`, `PricesPipelines`, `HasCeilings`, `RescalesArrays`, `cost_tables.BoundsInBulk` and
    `batches.RunsBatches`.
    """

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        """Price one inference.

        Raises:
            InputError: The model cannot price an operation. The message names the operation and its
                layer; an operation that the model does not know never counts as zero.
        """
        ...


@runtime_checkable
class PricesInBulk(Protocol):
    """A cost model whose cost is a sum over units and over pairs of units, for some systems at least."""

    def tables(self, workload: Workload) -> CostTables | None:
        """The coefficients, with which many mappings are priced at once and exact solvers work.

        Returns:
            None where the cost on this system is not such a sum.
        """
        ...


def cost_tables(cost_model: CostModel, workload: Workload) -> CostTables | None:
    """The model's coefficients; None where it has none.

    Raises:
        InputError: They are those of other units.
    """
    tables = cost_model.tables(workload) if isinstance(cost_model, PricesInBulk) else None
    if tables is not None and set(tables.units) != {unit.name for unit in workload.units}:
        raise InputError(
            f"cost tables: units: got {shown(tables.units)}; must be those of the workload"
        )
    return tables


@runtime_checkable
class PricesPipelines(Protocol):
    """A cost model of a pipeline whose units share a budget of clusters and are replicated within it."""

    def pipeline_tables(self, workload: Workload) -> PipelineTables | None:
        """The coefficients, with which many mappings are priced at once and exact solvers work.

        Returns:
            None where the system is not such a pipeline.
        """
        ...


def pipeline_tables(cost_model: CostModel, workload: Workload) -> PipelineTables | None:
    """The model's coefficients of a pipeline; None where it has none."""
    if isinstance(cost_model, PricesPipelines):
        return cost_model.pipeline_tables(workload)
    return None


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """What a target does at most, however well a layer fills it.

    Args:
        target: Name of the target.
        ops_per_s: Operations per second, two for each MAC, of all its arrays that work at once. None
            where an array is as large as the layer.
        bytes_per_s: Name of an interface -> rate at which activations (and weights, where `keeps_weights`
            is false) pass through it.
        keeps_weights: Whether the weights stay where they are used, so that none are moved.
    """

    target: str
    ops_per_s: float | None
    bytes_per_s: dict[str, float] = field(default_factory=dict)
    keeps_weights: bool = False


@runtime_checkable
class HasCeilings(Protocol):
    """A cost model that says what its targets do at most; `lo.roofline` needs it."""

    def ceilings(self) -> tuple[Ceiling, ...]:
        """One ceiling for each target, in the order of the system."""
        ...


@runtime_checkable
class RescalesArrays(Protocol):
    """A cost model that knows which of a target's numbers belong to its array; `explore` needs it."""

    def rescaled(self, target: str, factors: ArrayChange) -> dict[str, float]:
        """The numbers of an analog target that another array changes.

        Args:
            target: Name of the target.
            factors: What a product takes on the other array.
        """
        ...

    @property
    def coupled(self) -> dict[str, tuple[str, ...]]:
        """Dotted name of a number -> the numbers that always equal it."""
        ...


class CostModelFactory(Protocol):
    """What an entry point of `lionheart_opt.cost_models` names: a class, or a function."""

    def __call__(self, *, system: System) -> CostModel:
        """The cost model of a system.

        Raises:
            InputError: A number is missing from the system, or out of range.
        """
        ...
