"""What the command line shows a person: tables that can be read at 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from math import isclose, sqrt
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lionheart_opt.cli.narrow import Foldable
from lionheart_opt.errors import digital_line
from lionheart_opt.estimates import ends_of
from lionheart_opt.metric import Metric
from lionheart_opt.published import summary
from lionheart_opt.results.wording import (
    console,
    percent,
    seconds,
    si,
    times,
)

if TYPE_CHECKING:
    from lionheart_opt.results.exploration import Exploration
    from lionheart_opt.results.sensitivity import Profile

#: What `factor` means.
HOW_SURE = (
    "x/1.40: with a confidence of 95 %, the number is at most 1.40 times as large or as small. That "
    "covers the constants of the system and what its file says no constant explains. Costs on one "
    "system share these errors, so that gains are known better than costs."
)


def _of_chips(quantile: float | None) -> str:
    return "" if quantile is None else f"on {100 * quantile:g} % of the chips, "


def _seconds_of(times_s: float | list[float]) -> str:
    return ", ".join(
        f"{time_s:g} s" for time_s in (times_s if isinstance(times_s, list) else [times_s])
    )


def new_table(title: str, *columns: str) -> Table:
    """A table; columns whose names start with `>` hold numbers: right-aligned, never broken or cut."""
    table = Foldable(
        title=title or None,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for column in columns:
        name = column.removeprefix(">")
        is_number = column != name
        table.add_column(
            name,
            justify="right" if is_number else "left",
            no_wrap=is_number,
            overflow="fold",
            vertical="top",
            header_style="bold",
        )
    return table


def factor(row: dict[str, Any], name: str) -> str:
    """A second line, such as `x/1.40`; empty where nothing is known, or nothing is open."""
    low, high = (row[end] for end in ends_of(name))
    return factor_between(low, high)


def factor_between(low: float | None, high: float | None) -> str:
    """As `factor`, of the ends of an interval."""
    return f"\nx/{sqrt(high / low):.2f}" if low and high and high > low else ""


def say(out: Console, table: Table, caption: str = "") -> None:
    """Print a table, what its columns mean, and an empty line."""
    out.print(table, crop=False)
    if caption:
        out.print(caption, style="dim")
    out.print()


def budget(limits: dict[str, Any]) -> str:
    """Largest number of trials and seconds of the oracle: `60 trials or 2.0 h of oracle`."""
    trials, oracle_s = limits["trials"], limits["oracle_s"]
    parts = (
        f"{trials} trials" if trials else "",
        f"{seconds(oracle_s)} of oracle" if oracle_s else "",
    )
    return " or ".join(filter(None, parts))


def seeds(numbers: Iterable[int]) -> str:
    """Seeds in short: 0, 1, 2, 5 -> `0-2, 5`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def print_installed(found: dict[str, list[dict[str, str]]]) -> None:
    """One table for each kind of thing: its name, what it is, and below that where it comes from."""
    out = console()
    for kind, rows in found.items():
        table = new_table(kind, "name", "what it is, and where it comes from")
        for row in rows:
            table.add_row(row["name"], Text.assemble(row["about"], "\n", (row["origin"], "dim")))
        say(out, table)


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
        *("mapping", ">latency", ">energy", ">speed-up", ">energy\ngain", ">analog\nMACs", "fits"),
    )
    for row in plan["extremes"]:
        prices.add_row(
            row["mapping"],
            si(row["latency_s"], "s"),
            si(row["energy_j"], "J"),
            times(row["speedup"]),
            times(row["energy_gain"]),
            percent(row["analog_mac_ratio"]),
            "yes" if row["fits"] else "no",
        )
    say(out, prices, "Gains are over all-digital. Analog MACs: share of all MACs.")
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


def _runs(data: dict[str, Any]) -> str:
    """Into how many runs a batch is cut."""
    if data["together"] in (None, data["batch"]):
        return ""
    return f" in {data['batch'] // data['together']} runs of {data['together']}"


def print_cost(data: dict[str, Any]) -> None:
    """Totals and one row a layer."""
    table = new_table(
        f"{data['model']} on {data['system']}",
        "layer",
        "kind",
        "target",
        ">MACs",
        ">latency",
        ">energy",
    )
    for layer in data["layers"]:
        table.add_row(
            layer["name"],
            layer["kind"],
            f"{layer['target']} ({layer['place']})" if layer["place"] else layer["target"],
            f"{layer['macs']:,}",
            si(layer["latency_s"], "s"),
            si(layer["energy_j"], "J"),
        )
    say(out := console(), table)
    tiles = ", ".join(f"{count} on {target}" for target, count in data["tiles"].items() if count)
    out.print(f"latency {_span(data, 'latency', 's')}, energy {_span(data, 'energy', 'J')}")
    is_single = isclose(data["interval_s"], data["latency_s"])
    out.print(
        f"gains over all-digital: {'latency' if is_single else 'time per inference'} "
        f"{_times_span(data, 'speedup')}, energy {_times_span(data, 'energy_gain')}"
    )
    out.print(f"analog MACs {percent(data['analog_mac_ratio'])}, crossbars: {tiles or 'none'}")
    if data["area_m2"] is not None:
        out.print(
            f"area {1e6 * data['area_m2']:.3g} mm2, {data['tops_per_mm2']:.3g} TOPS/mm2 reached"
        )
    if "exact" in data:
        out.print(
            "the mapping of the shortest time per inference that fits, whatever its accuracy"
            if data["exact"]
            else "the fastest mapping that was found, whatever its accuracy; this system's costs are no "
            "sums over units, so that a faster one may exist"
        )
    if not data["fits"]:
        out.print(data["misfit"], style="bold")
    together = "inference" if data["batch"] == 1 else f"run of {data['together'] or data['batch']}"
    for target, what in data["reprogramming"].items():
        inferences = what["lifetime_inferences"]
        out.print(
            f"{what['needed']} crossbars needed on {target!r}: each {together} reprograms "
            f"{what['rewritten']}, "
            + (
                "for how long is not known (no endurance)"
                if inferences is None
                else f"which its crossbars endure for {inferences:.3g} inferences"
            )
        )
    if data["not_priced"]:
        out.print(f"not in the price: {'; '.join(data['not_priced'])}")
    if data["tokens"] is not None:
        out.print(
            f"{data['tokens_per_s']:.4g} tokens/s, {si(data['energy_per_token_j'], 'J')} a token "
            f"({data['tokens']} an inference)"
        )
    if data["batch"] > 1:
        out.print(
            f"batch of {data['batch']}{_runs(data)}: latencies are those of the batch, energies of one "
            "inference; "
            f"{_span(data, 'interval', 's')} an inference, {data['inferences_per_s']:.4g} inferences/s"
        )
    elif not is_single:
        out.print(f"one result every {_span(data, 'interval', 's')} in steady state (pipelined)")
    if data["interval_bound_s"] is not None:
        out.print(
            "layers are placed for the shortest interval; no placement of this mapping is below "
            f"{si(data['interval_bound_s'], 's')}. Layers without a latency run beside others."
        )
    if data["no_interval"]:
        out.print(f"no interval: {data['no_interval']}")
    else:
        constants = [error for error in data["errors"] if "." in error]
        scatter = (
            ", and what they do not explain" if len(constants) < len(data["errors"]) else " only"
        )
        uncertain = f"{len(constants)} uncertain constant{'s' * (len(constants) != 1)}"
        out.print(f"in brackets: intervals of 95 % from {uncertain}{scatter}")


def _span(data: dict[str, Any], stem: str, unit: str) -> str:
    """A quantity and its interval, such as `3.1 ms [1.7 ms, 5.7 ms]`."""
    low, high = (data[f"{stem}_{end}_{unit.lower()}"] for end in ("low", "high"))
    interval = "" if low is None else f" [{si(low, unit)}, {si(high, unit)}]"
    return si(data[f"{stem}_{unit.lower()}"], unit) + interval


def _times_span(data: dict[str, Any], name: str) -> str:
    """A gain and its interval, such as `6.9x [5.2x, 9.1x]`; one that is exact has none."""
    low, high = data[f"{name}_low"], data[f"{name}_high"]
    interval = "" if low == high else f" [{times(low)}, {times(high)}]"
    return times(data[name]) + interval


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
        chosen = "\n".join(f"{name} = {value}" for name, value in design.numbers.items())
        cells = {
            "latency_s": si(design.results["latency_s"], "s"),
            "interval_s": si(design.results["interval_s"], "s"),
            "energy_j": si(design.results["energy_j"], "J"),
            "area_m2": f"{1e6 * (design.results['area_m2'] or 0.0):.3g}",
            "drop": f"{design.results.get('drop') or 0.0:.4g}",
        }
        ratio = percent(design.results["analog_mac_ratio"])
        table.add_row(chosen, *(cells[name] for name in names), ratio)
    problems = Counter(design.problem for design in exploration.designs if design.problem)
    best = "best mapping" if has_drop else "cheapest mapping, whatever its accuracy"
    notes = [f"{len(exploration.designs)} designs tried, each with its {best}."]
    notes += [f"{count} without a mapping: {problem}" for problem, count in problems.items()]
    say(out, table, "\n".join(notes))


def print_validation(rows: Sequence[dict[str, Any]]) -> None:
    """Published beside predicted: one table a system, its sources below."""
    out = console()
    for system, cases in groupby(rows, key=lambda row: str(row["system"])):
        table = new_table(
            system, "case", "quantity", ">published", ">predicted", ">error", "role", ">source"
        )
        sources: dict[str, int] = {}
        numbers = list(cases)
        for row in numbers:
            error = row["error_percent"]
            table.add_row(
                row["case"],
                row["quantity"],
                "-" if row["published"] is None else f"{row['published']:.4g}",
                f"{row['predicted']:.4g}",
                "-" if error is None else f"{error:+.1f} %",
                "" if error is None else row["role"],
                f"[{sources.setdefault(row['source'], len(sources) + 1)}]",
            )
        notes = [f"[{number}] {source}" for source, number in sources.items()]
        say(out, table, "\n".join([*summary(numbers), *notes]))


def print_profile(profile: Profile) -> None:
    """Units by what they lose alone, pairs, and how well each proxy ranks the units."""
    out = console()
    names, metric = list(profile.proxies), profile.metric
    heads = [">" + name.replace("_", "\n") for name in names]
    measured = "divergence\nof the outputs" if profile.screened else f"drop\n({metric.drop_unit})"
    table = new_table("One unit analog", "unit", "target", f">{measured}", *heads)
    for row in sorted(profile.sensitivities, key=lambda row: -_or_least(row.drop)):
        values = [f"{profile.proxies[name][row.unit]:.3g}" for name in names]
        spread = row.standard_error if profile.screened else row.deviation
        table.add_row(row.unit, row.target, _spread(metric, row.drop, spread), *values)
    say(out, table)
    if profile.interactions:
        pairs = new_table(
            "Two units analog", "producer", "consumer", ">drop of\nboth", ">beyond the\nsum of two"
        )
        for pair in sorted(profile.interactions, key=lambda pair: -pair.interaction):
            beyond = _spread(metric, pair.interaction, pair.deviation)
            pairs.add_row(pair.producer, pair.consumer, metric.said(pair.drop), beyond)
        say(out, pairs)
    ranks = new_table("How well proxies rank the units", "proxy", ">rank correlation", ">p")
    for name, correlation in profile.correlations().items():
        rho, p_value = "-", "-"
        if correlation is not None:
            rho, p_value = f"{correlation.rho:+.2f}", f"{correlation.p_value:.2g}"
        ranks.add_row(name.replace("_", " "), rho, p_value)
    divergence = "Divergence: from the floating-point network's outputs, mean (standard error)"
    how = divergence if profile.screened else "Drop: mean (standard deviation)"
    say(
        out,
        ranks,
        f"{how} over {profile.n_draws} programming draw{'s' * (profile.n_draws > 1)}, "
        f"{profile.time_s:g} s after programming, training {profile.training} "
        f"({seconds(profile.oracle_s)} of oracle). Rank correlation: Spearman's, of the proxy with the "
        f"{profile.quantity} over units; p: probability of one as large by chance.",
    )


def _or_least(drop: float | None) -> float:
    return float("-inf") if drop is None else drop


def _spread(metric: Metric, mean: float | None, deviation: float | None) -> str:
    spread = "" if deviation is None else f" ({metric.said(deviation).lstrip('+')})"
    return metric.said(mean) + spread
