"""Prices for checks: plain ones, as fits need many, and ones with the interval of the cost."""

from __future__ import annotations

from typing import Protocol

from lionheart_opt.cost import Cost
from lionheart_opt.estimates import Uncertain
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model
from lionheart_opt.system import System
from lionheart_opt.uncertainty import known_cost
from lionheart_opt.workload import Workload

#: Of time and of energy.
Pair = tuple[Uncertain, Uncertain]


class Price(Protocol):
    """Prices a mapping."""

    def __call__(self, system: System, workload: Workload, mapping: Mapping) -> Cost:
        """What it costs on a system."""
        ...


def plain(system: System, workload: Workload, mapping: Mapping) -> Cost:
    """The cost, of which nothing is said how well it is known."""
    return cost_model(system).cost(workload, mapping)


def known(system: System, workload: Workload, mapping: Mapping) -> Cost:
    """The cost with its interval."""
    return known_cost(plain(system, workload, mapping), system, workload, mapping, cost_model)


def gains(slow: Cost, fast: Cost) -> Pair:
    """Speed-up and energy gain, with the errors that both costs share."""
    return (
        slow.uncertain("latency_s") / fast.uncertain("latency_s"),
        slow.uncertain("energy_j") / fast.uncertain("energy_j"),
    )
