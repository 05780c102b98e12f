"""The table of `explore`: the designs on the front."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from lionheart_opt.cli.tables import EXACT_AREAS, HOW_SURE, factor, new_table, say
from lionheart_opt.results.exploration import NUMBERS
from lionheart_opt.results.wording import console, percent, si

if TYPE_CHECKING:
    from lionheart_opt.results.exploration import Exploration


def print_exploration(exploration: Exploration) -> None:
    """The designs on the front, and how many others were tried."""
    out = console()
    heads = {
        "latency_s": ">latency",
        "interval_s": ">interval",
        "energy_j": ">energy",
        "area_m2": ">mm2",
        "drop": ">drop",
    }
    has_drop = any(design.results.get("drop") is not None for design in exploration.designs)
    names = [*exploration.objectives, *(["drop"] if has_drop else [])]
    table = new_table(
        f"{exploration.model} on designs of {exploration.system}: the front",
        *("design", *(heads[name] for name in names), ">analog\nMACs"),
    )
    for design in exploration.front:
        results = {**dict.fromkeys(NUMBERS), **design.results}
        chosen = "\n".join(f"{name} = {value}" for name, value in design.numbers.items())
        cells = {
            "latency_s": si(results["latency_s"], "s") + factor(results, "latency_s"),
            "interval_s": si(results["interval_s"], "s") + factor(results, "interval_s"),
            "energy_j": si(results["energy_j"], "J") + factor(results, "energy_j"),
            "area_m2": f"{1e6 * (results['area_m2'] or 0.0):.3g}",
            "drop": f"{results['drop'] or 0.0:.4g}\n{results['drop_high'] or 0.0:.4g}",
        }
        ratio = percent(results["analog_mac_ratio"])
        table.add_row(chosen, *(cells[name] for name in names), ratio)
    problems = Counter(design.problem for design in exploration.designs if design.problem)
    tried = exploration.designs
    count = len({tuple(design.numbers.items()) for design in tried})
    aims = " and of ".join(
        f"least {name}" for name in dict.fromkeys(each.cheapest for each in tried)
    )
    how = (
        "as `knapsack` finds it within the study's limits" if has_drop else "whatever its accuracy"
    )
    notes = [f"{count} design{'s' * (count != 1)} tried, with the mapping of {aims}, {how}."]
    if spent := sum(design.budget_spent for design in tried):
        notes.append(
            f"{spent} of {len(tried)} searches for a mapping spent the study's budget: better mappings "
            "may exist; raise [budget]"
        )
    if has_drop:
        notes.append(
            "drop: of the study's metric; below it, its upper confidence bound, which keeps the limit"
        )
    if any(design.results.get("latency_low_s") for design in exploration.front):
        notes.append(HOW_SURE)
    if "area_m2" in exploration.objectives:
        notes.append(EXACT_AREAS)
    notes += [f"{count} without a mapping: {problem}" for problem, count in problems.items()]
    say(out, table, "\n".join(notes))
