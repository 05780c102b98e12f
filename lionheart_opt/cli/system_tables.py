"""The table of `systems`: a network on every system side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lionheart_opt.cli.tables import EXACT_AREAS, HOW_SURE, factor, new_table, say
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
                si(row["latency_s"], "s") + factor(row, "latency_s"),
                si(row["interval_s"], "s") + factor(row, "interval_s"),
                si(row["energy_j"], "J") + factor(row, "energy_j"),
                times(row["speedup"]) + factor(row, "speedup"),
                times(row["energy_gain"]) + factor(row, "energy_gain"),
                "-" if row["area_m2"] is None else f"{1e6 * row['area_m2']:.3g}",
            )
            if row["misfit"]:
                notes.append(f"* {prices.system}, {row['mapping']}: {row['misfit']}")
    caption = (
        f"Gains are over all-digital on the same system. Interval: time per inference. {HOW_SURE} "
        "Different systems share no errors."
    )
    if any(area["area_m2"] for prices in comparison.systems for area in prices.areas.values()):
        caption += f" {EXACT_AREAS}"
    out = console()
    out.width = min(out.width, WIDTH)
    say(out, table, "\n".join([caption, *notes]))
