"""How well a cost is known: intervals of 95 % that follow from those of the system's constants.

A cost model is made linear in the logarithms of the uncertain constants: between the ends of each
interval, so that steps of a model that counts whole copies or crossbars even out. Both sides of an
interval count as the wider one does. Their errors may
depend on each other (`[uncertainty]`). What no constant explains is one more error for all digital
products, one for all other digital work, and one for all products on analog targets, of time and of
energy each. Two mappings of a network share all errors, so that a gain is known better than the costs
that it compares. With a single error for both kinds of digital work, the published gains of networks
that stay half digital would lie outside of their intervals four times as often as of the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property
from math import log
from typing import Literal, get_args

import numpy as np

from lionheart_opt.cost import COST_OBJECTIVES, Cost, CostModel
from lionheart_opt.estimates import Estimate, Spread
from lionheart_opt.hardware.constants import Interval
from lionheart_opt.mapping import Mapping
from lionheart_opt.pipeline_tables import WAIT
from lionheart_opt.pricing import priced
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

#: What `estimates_of` estimates.
ESTIMATED = ("latency_s", "interval_s", "energy_j", "speedup", "energy_gain")


#: What is spent, as scatter counts it.
Quantity = Literal["time", "energy"]
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
#: Kinds of work that have a scatter each.
Work = Literal["digital products", "other digital work", "analog products"]
WORKS: tuple[Work, ...] = get_args(Work)


@dataclass(frozen=True, kw_only=True)
class Scatter:
    """What no constant explains of the time or the energy of some work.

    Args:
        quantity: Time or energy.
        work: Which work.
        half_width: Half of its interval of 95 %, as a logarithm.
    """

    quantity: Quantity
    work: Work
    half_width: float

    @property
    def name(self) -> str:
        """What tables call it: `time of analog products`."""
        return f"{self.quantity} of {self.work}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelsAtEnds:
    """A cost model, and what it is with one constant at either end of its interval.

    Args:
        system: The system.
        model: Its cost model.
        ends: The models at the lower and at the upper end, for each of `System.intervals`.
    """

    system: System
    model: CostModel
    ends: tuple[tuple[CostModel, CostModel], ...]

    @staticmethod
    def of(system: System, build: Callable[[System], CostModel]) -> ModelsAtEnds:
        """The models of a system that `build` gives."""

        def at(name: str, value: float) -> CostModel:
            return build(system.with_constants({name: value}))

        ends = tuple(
            (at(name, interval.low), at(name, interval.high))
            for name, interval in system.intervals.items()
        )
        return ModelsAtEnds(system=system, model=build(system), ends=ends)

    @cached_property
    def wider_sides(self) -> tuple[float, ...]:
        """Of each interval, the wider side relative to half of it, in logarithms; 1 if both are alike."""
        return tuple(
            _wider_side(interval, self.system.constant(name))
            for name, interval in self.system.intervals.items()
        )

    @cached_property
    def scatter(self) -> tuple[Scatter, ...]:
        """What no constant explains, where the system says how much that is."""
        table = self.system.uncertainty
        factors = (table.latency_factor, table.energy_factor) if table else (None, None)
        return tuple(
            Scatter(quantity=quantity, work=work, half_width=log(factor))
            for work in WORKS
            for quantity, factor in zip(QUANTITIES, factors, strict=True)
            if factor is not None
        )

    @cached_property
    def errors(self) -> tuple[str, ...]:
        """Names of all errors: of the constants, then of the scatter."""
        return (*self.system.intervals, *(each.name for each in self.scatter))

    @cached_property
    def correlations(self) -> np.ndarray:
        """Of the errors, shape (n_errors, n_errors)."""
        return _correlations(self.system, self.errors)

    def spread(self, workload: Workload, mapping: Mapping) -> Spread | None:
        """As `spread_of`."""
        if not self.errors:
            return None
        system = self.system
        cost = priced(self.model, system, workload, mapping)
        if cost.together is not None:  # at the ends, all runs are as long as here
            workload = workload.with_batch(cost.together)
        columns = []
        for wider, models in zip(self.wider_sides, self.ends, strict=True):
            below, above = (priced(model, system, workload, mapping) for model in models)
            columns.append(_shift(cost, below, above) * wider)
        members = members_of(cost, system)
        for each in self.scatter:
            share = _share(cost, members[each.work], each.quantity)
            columns.append(each.half_width * share)
        shifts = np.array(columns).T
        first = len(COST_OBJECTIVES)
        return Spread(
            errors=self.errors,
            shifts=dict(zip(COST_OBJECTIVES, shifts[:first], strict=True)),
            layers={
                layer.name: shifts[first + 2 * k : first + 2 * k + 2]
                for k, layer in enumerate(cost.layers)
            },
            correlations=self.correlations,
            system=system.digest,
        )


def spread_of(
    system: System,
    workload: Workload,
    mapping: Mapping,
    build: Callable[[System], CostModel],
) -> Spread | None:
    """How the cost of a mapping moves with the errors of the system; prices it twice for each constant.

    Args:
        system: Where it runs.
        workload: What runs.
        mapping: What runs where.
        build: Gives the cost model of a system.

    Returns:
        None where the system says of nothing how well it is known.
    """
    return ModelsAtEnds.of(system, build).spread(workload, mapping)


def known_cost(
    cost: Cost,
    system: System,
    workload: Workload,
    mapping: Mapping,
    build: Callable[[System], CostModel],
) -> Cost:
    """A cost with its intervals, found now, while the modules that they need are in reach.

    Args:
        cost: The cost of the mapping.
        system: Where it runs.
        workload: What runs.
        mapping: What runs where.
        build: Gives the cost model of a system.
    """
    spread = spread_of(system, workload, mapping, build)
    return replace(cost, find_spread=lambda: spread)


def models_at_ends(model: CostModel, system: System) -> ModelsAtEnds | None:
    """`ModelsAtEnds` of a cost model that was built already.

    Args:
        model: The cost model.
        system: Where it runs.

    Returns:
        None where the model is no dataclass that is built from this system.
    """
    if not is_dataclass(model) or getattr(model, "system", None) != system:
        return None
    return ModelsAtEnds.of(system, lambda other: replace(model, system=other))


def estimates_of(cost: Cost, digital: Cost) -> dict[str, Estimate]:
    """Latency, time per inference, energy, and the gains over all-digital, with their intervals of 95 %.

    Args:
        cost: Cost of a mapping.
        digital: Cost of all-digital, of the same network on the same system.
    """
    return {
        "latency_s": cost.estimate("latency_s"),
        "interval_s": cost.estimate("interval_s"),
        "energy_j": cost.estimate("energy_j"),
        "speedup": cost.gain_over(digital, "interval_s"),
        "energy_gain": cost.gain_over(digital, "energy_j"),
    }


def _numbers(cost: Cost) -> np.ndarray:
    """The quantities of a cost, then latency and energy of each layer."""
    layers = [number for layer in cost.layers for number in (layer.latency_s, layer.energy_j)]
    return np.array([*(cost.value(quantity) for quantity in COST_OBJECTIVES), *layers])


def _logarithm(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Of the ratios; 0 where a number is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms: np.ndarray = np.log(above / below)
    return np.where(np.isfinite(logarithms), logarithms, 0.0)


def _shift(cost: Cost, below: Cost, above: Cost) -> np.ndarray:
    """Change of the logarithm of each number for half of the interval of a constant.

    The latency of a layer that the inference waits for changes as its own work does, if the inference
    does not wait for it at one of the ends.

    Args:
        cost: The cost.
        below: The cost where the constant is at the lower end of its interval.
        above: The cost where it is at the upper end.
    """
    ends = [_numbers(end) for end in (below, above)]
    first = len(COST_OBJECTIVES)
    awaited = np.array([layer.latency_s > 0 for layer in cost.layers])
    is_aside = awaited & ~np.all([end[first::2] > 0 for end in ends], axis=0)
    for end, numbers in zip((below, above), ends, strict=True):
        times_s = work_s(end) + [layer.aside_s for layer in end.layers]
        numbers[first::2] = np.where(is_aside, times_s, numbers[first::2])
    shift = _logarithm(ends[1], ends[0]) / 2
    shift[first::2] *= awaited
    return shift


def _wider_side(interval: Interval, value: float) -> float:
    """The wider side of an interval, relative to half of it, in logarithms; 1 if both are as wide."""
    sides = log(value / interval.low), log(interval.high / value)
    return 2 * max(sides) / (sum(sides) or 1.0)


def members_of(cost: Cost, system: System) -> dict[Work, np.ndarray]:
    """Which layers each kind of work is, shape (n_layers,)."""
    analog = np.array([layer.target in system.analog_targets for layer in cost.layers])
    multiplies = np.array([layer.macs > 0 for layer in cost.layers])
    return {
        "digital products": ~analog & multiplies,
        "other digital work": ~analog & ~multiplies,
        "analog products": analog,
    }


def work_s(cost: Cost) -> np.ndarray:
    """Latency of each layer without waiting."""
    waits = [layer.components.get(WAIT, (0.0, 0.0))[0] for layer in cost.layers]
    return np.array([layer.latency_s for layer in cost.layers]) - waits


def _share(cost: Cost, members: np.ndarray, quantity: Quantity) -> np.ndarray:
    """Share of each number that lies on some layers.

    What layers wait for in a pipeline is work of all layers. So latency and interval have the share of
    the time without waiting.
    """
    numbers = _numbers(cost)
    first, is_time = len(COST_OBJECTIVES), quantity == "time"
    layers = numbers[first:].reshape(-1, 2) * np.array([is_time, not is_time])
    kept = layers * members[:, None]
    times_s = work_s(cost) * is_time
    share = times_s[members].sum() / (times_s.sum() or 1.0)
    parts = np.array([share * cost.latency_s, kept[:, 1].sum(), share * cost.time_per_inference_s])
    return np.concatenate([parts, kept.ravel()]) / np.where(numbers == 0, 1.0, numbers)


def _correlations(system: System, errors: tuple[str, ...]) -> np.ndarray:
    matrix = np.eye(len(errors))
    table = system.uncertainty
    if table is not None and table.constants:
        there = [name for name in table.constants if name in errors]
        rows = [errors.index(name) for name in there]
        known = [table.constants.index(name) for name in there]
        matrix[np.ix_(rows, rows)] = np.array(table.correlations)[np.ix_(known, known)]
    return matrix
