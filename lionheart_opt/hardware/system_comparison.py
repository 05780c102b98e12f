"""Every system on one network, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from lionheart_opt import plugins
from lionheart_opt.cheapest import cheapest
from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.estimates import with_ends
from lionheart_opt.hardware.area import area_of
from lionheart_opt.pricing import priced
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.uncertainty import estimates_of, known_cost
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import pandas

#: Columns of `SystemComparison.to_frame`.
COLUMNS = (
    *("system", "mapping", "fits", "misfit", "latency_s", "interval_s", "energy_j"),
    *("speedup", "energy_gain", "analog_mac_ratio", "area_m2"),
    *("tops_per_mm2", "problem"),
    *("latency_low_s", "latency_high_s", "interval_low_s", "interval_high_s"),
    *("energy_low_j", "energy_high_j", "speedup_low", "speedup_high"),
    *("energy_gain_low", "energy_gain_high", "tops_per_mm2_low", "tops_per_mm2_high"),
)


@dataclass(frozen=True, kw_only=True)
class SystemPrices:
    """What a network costs on one system.

    Args:
        system: Name of the system.
        costs: `all-digital`, `all-analog` and `best` -> cost. Without `best` where no mapping fits.
        analog_mac_ratios: The same names -> share of the MACs that is analog.
        areas: The same names -> `area_m2` and `tops_per_mm2`, see `area_of`.
        problem: Why the system cannot price the network; empty if it can.
    """

    system: str
    costs: dict[str, Cost]
    analog_mac_ratios: dict[str, float]
    areas: dict[str, dict[str, float | None]]
    problem: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """One row a mapping, with the columns of `SystemComparison.to_frame`."""
        if self.problem:
            return [
                {**dict.fromkeys(COLUMNS), "system": self.system, "problem": self.problem},
            ]
        digital = self.costs["all-digital"]
        return [
            {
                "system": self.system,
                "mapping": name,
                "fits": cost.fits,
                "misfit": cost.misfit,
                **with_ends(estimates_of(cost, digital)),
                "analog_mac_ratio": self.analog_mac_ratios[name],
                **self.areas[name],
                "problem": "",
            }
            for name, cost in self.costs.items()
        ]


@dataclass(frozen=True, kw_only=True, repr=False)
class SystemComparison:
    """What a network costs on several systems.

    Args:
        model: Name of the network.
        systems: Prices on each system, in the order in which they were named.
    """

    model: str
    systems: tuple[SystemPrices, ...]

    def to_frame(self) -> pandas.DataFrame:
        """One row for each system and mapping (`all-digital`, `all-analog`, `best`).

        Columns: `system`, `mapping`, `fits`, `misfit`, `latency_s`, `interval_s` (time per inference),
        `energy_j`, `speedup`, `energy_gain` (over all-digital on the same system), `analog_mac_ratio`,
        `area_m2` and `tops_per_mm2` (reached; missing where the system gives no areas), `problem` (why
        the system cannot price the network; the other columns are then missing). The ends of the
        intervals of 95 % follow: `latency_low_s`, `latency_high_s`, ..., `speedup_low`, `speedup_high`,
        missing where nothing is known. Gains share the errors of a system's constants. Areas have no
        intervals, as no source says how well they are known.
        """
        import pandas

        rows = [row for prices in self.systems for row in prices.rows()]
        return pandas.DataFrame(rows, columns=list(COLUMNS))

    def to_json(self) -> list[dict[str, Any]]:
        """The rows of `to_frame`, and the model, as plain data."""
        return [{"model": self.model, **row} for each in self.systems for row in each.rows()]

    def __repr__(self) -> str:
        names = ", ".join(prices.system for prices in self.systems)
        return f"SystemComparison({self.model!r} on {names})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"


def compare_systems(workload: Workload, systems: Sequence[System]) -> SystemComparison:
    """Price all-digital, all-analog and the fastest mapping that fits (`cheapest`) on each system.

    A system that cannot price the network, because it does not know an operation, says so in its row.

    Raises:
        InputError: No system can price the network; the message says why for each.
    """
    priced = tuple(_prices(workload, system) for system in systems)
    if all(prices.problem for prices in priced):
        raise InputError("\n".join(prices.problem for prices in priced))
    return SystemComparison(model=workload.name, systems=priced)


def _prices(workload: Workload, system: System) -> SystemPrices:
    space = Space(workload=workload, system=system)
    mappings = {"all-digital": space.all_digital, "all-analog": space.all_analog}
    try:
        best = cheapest(space)
        if best is not None:
            mappings["best"] = best.mapping
        model = plugins.cost_model(system)
        costs = {
            name: known_cost(
                priced(model, system, workload, mapping),
                system,
                workload,
                mapping,
                plugins.cost_model,
            )
            for name, mapping in mappings.items()
        }
    except InputError as error:
        return SystemPrices(
            system=system.name, costs={}, analog_mac_ratios={}, areas={}, problem=str(error)
        )
    ratios = {name: space.analog_mac_ratio(mapping) for name, mapping in mappings.items()}
    areas = {name: area_of(cost, workload, system) for name, cost in costs.items()}
    return SystemPrices(system=system.name, costs=costs, analog_mac_ratios=ratios, areas=areas)
