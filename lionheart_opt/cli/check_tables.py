"""The tables of `check`: a study resolved, what mappings cost, and what was checked."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from lionheart_opt.cli.tables import HOW_SURE, budget, factor, new_table, say, seeds
from lionheart_opt.errors import digital_line
from lionheart_opt.metric import Metric
from lionheart_opt.results.wording import console, percent, seconds, si, times


def _of_chips(quantile: float | None) -> str:
    return "" if quantile is None else f"on {100 * quantile:g} % of the chips, "


def _seconds_of(times_s: float | list[float]) -> str:
    return ", ".join(
        f"{time_s:g} s" for time_s in (times_s if isinstance(times_s, list) else [times_s])
    )


def print_check(checked: dict[str, Any]) -> None:
    """The plan of `check`, where it could be made, and what was checked; not what is wrong."""
    out = console()
    if "units" in checked:
        print_plan(checked)
    if checked["code"]:
        out.print(f"Code of the study, which was run: {', '.join(checked['code'])}")
    out.print(f"Checked in {seconds(checked['seconds'])}: {'; '.join(checked['checked'])}.")
    for text in checked["not_checked"]:
        out.print(f"Not checked: {text}")
    for text in checked["notes"]:
        out.print(f"Note: {text}")
    if checked["digital"]:
        out.print(f"To keep on the host what cannot be analog: {digital_line(checked['digital'])}")


def print_plan(plan: dict[str, Any]) -> None:
    """A study resolved: its limits, units, prices and searches."""
    out = console()
    question = f": {plan['question']}" if plan["question"] else ""
    numerics = "; ".join(f"{name}: {what}" for name, what in (plan["numerics"] or {}).items())
    out.print(Text.assemble((plan["study"], "bold"), question))
    out.print(
        f"{plan['model']} on {plan['system']}: {plan['macs']:,} multiply-accumulates (MACs), "
        f"{plan['weights']:,} weights, {plan['mappings']:,} mappings. "
        f"To minimise: {', '.join(plan['objectives'])}."
        + (f" Numerics of the targets: {numerics}." if numerics else "")
    )
    limits, metric = plan["limits"], Metric.from_json(plan["limits"]["metric"])
    out.print(
        f"Largest {metric.drop_name}: {metric.in_words(limits['max_drop'])} "
        f"{_of_chips(limits['quantile'])}{_seconds_of(limits['time_s'])} after programming "
        f"({100 * limits['confidence']:g} % confidence, {limits['draws'][-1]} draws at most)."
    )
    out.print()
    units = new_table("Units and the targets that can run them", "unit", ">MACs", "targets")
    for unit in plan["units"]:
        units.add_row(unit["name"], f"{unit['macs']:,}", ", ".join(unit["targets"]))
    say(out, units)
    prices = new_table(
        "What mappings cost",
        *("mapping", ">latency", ">interval", ">energy", ">speed-up", ">energy\ngain"),
        *(">analog\nMACs", "fits"),
    )
    for row in plan["extremes"]:
        prices.add_row(
            row["mapping"],
            si(row["latency_s"], "s") + factor(row, "latency_s"),
            si(row["interval_s"], "s") + factor(row, "interval_s"),
            si(row["energy_j"], "J") + factor(row, "energy_j"),
            times(row["speedup"]) + factor(row, "speedup"),
            times(row["energy_gain"]) + factor(row, "energy_gain"),
            percent(row["analog_mac_ratio"]),
            "yes" if row["fits"] else "no",
        )
    caption = (
        "Gains are over all-digital. Interval: time per inference. Analog MACs: share of all MACs."
    )
    if any(row["latency_low_s"] or row["energy_low_j"] for row in plan["extremes"]):
        caption += f" {HOW_SURE}"
    say(out, prices, caption)
    searches = new_table(
        f"Searches, kept in {plan['storage'] or 'memory'}", "strategy", "seeds", "budget"
    )
    groups: dict[tuple[str, str], list[int]] = {}
    for search in plan["searches"]:
        key = search["strategy"], budget(search["budget"]) or "until the strategy ends"
        groups.setdefault(key, []).append(search["seed"])
    for (strategy, limit), numbers in groups.items():
        searches.add_row(strategy, seeds(numbers), limit)
    say(out, searches)
