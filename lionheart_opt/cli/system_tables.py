"""The table of `systems`: a network on every system side by side."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from lionheart_opt.cli.tables import new_table, say
from lionheart_opt.estimates import ends_of
from lionheart_opt.results.wording import console, si, times

if TYPE_CHECKING:
    from lionheart_opt.hardware.system_comparison import SystemComparison

#: Enough for every number.
WIDTH = 80


def print_systems(comparison: SystemComparison) -> None:
    """Each system: its prices, how well they are known, what does not fit, what cannot be priced."""
    table = new_table(
        f"{comparison.model} on every system",
        *("system, mapping", ">latency", ">interval", ">energy", ">speed-up", ">energy\ngain"),
        ">mm2",
    )
    notes = []
    for prices in comparison.systems:
        if prices.problem:
            notes.append(f"{prices.system}: {prices.problem}")
        table.add_row(prices.system, *("-" * 6 if prices.problem else ()))
        for row in prices.rows() if prices.costs else ():
            table.add_row(
                f"  {row['mapping']}{'' if row['fits'] else ' *'}",
                si(row["latency_s"], "s") + _factor(row, "latency_s"),
                si(row["interval_s"], "s") + _factor(row, "interval_s"),
                si(row["energy_j"], "J") + _factor(row, "energy_j"),
                times(row["speedup"]) + _factor(row, "speedup"),
                times(row["energy_gain"]) + _factor(row, "energy_gain"),
                "-" if row["area_m2"] is None else f"{1e6 * row['area_m2']:.3g}",
            )
            if row["misfit"]:
                notes.append(f"* {prices.system}, {row['mapping']}: {row['misfit']}")
    caption = (
        "Gains are over all-digital on the same system. Interval: time per inference. x/1.40: with a "
        "confidence of 95 %, the number is at most 1.40 times as large or as small. That covers the "
        "constants of the system and what its file says no constant explains. Costs on one system share "
        "these errors, so that gains are known better than costs; different systems share none."
    )
    out = console()
    out.width = min(out.width, WIDTH)
    say(out, table, "\n".join([caption, *notes]))


def _factor(row: dict[str, Any], name: str) -> str:
    """A second line, such as `x/1.40`; empty where nothing is known, or nothing is open."""
    low, high = (row[end] for end in ends_of(name))
    return f"\nx/{sqrt(high / low):.2f}" if low and high > low else ""
