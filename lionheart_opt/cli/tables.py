"""What the command line shows a person: tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.table import Table

from lionheart_opt.results import report

if TYPE_CHECKING:
    from lionheart_opt.results.result import SearchResult
    from lionheart_opt.results.sensitivity import Profile
from lionheart_opt.results.wording import console, percent, points, seconds, si, times


def _of_chips(quantile: float | None) -> str:
    return "" if quantile is None else f"in {100 * quantile:g} % of the chips "


def _seconds_of(times_s: float | list[float]) -> str:
    every = times_s if isinstance(times_s, list) else [times_s]
    return ", ".join(f"{time_s:g} s" for time_s in every)


def new_table(title: str, *columns: str) -> Table:
    """A table; columns whose names start with `>` are right-aligned."""
    table = Table(title=title or None, title_justify="left", header_style="bold")
    for column in columns:
        name = column.removeprefix(">")
        table.add_column(name, justify="right" if column != name else "left", overflow="fold")
    return table


def print_installed(found: dict[str, list[dict[str, str]]]) -> None:
    """One table for each kind of thing."""
    for kind, rows in found.items():
        table = new_table(kind, "name", "what", "from")
        for row in rows:
            table.add_row(row["name"], row["about"], row["origin"])
        console().print(table)


def print_plan(plan: dict[str, Any]) -> None:
    """The plan of `check`."""
    out = console()
    out.print(f"[bold]{plan['study']}[/bold]: {plan['question']}")
    out.print(
        f"{plan['model']} on {plan['system']}: {plan['macs']:,} MACs, {plan['weights']:,} weights, "
        f"{plan['mappings']:,} mappings; objectives {', '.join(plan['objectives'])}"
    )
    limits = plan["limits"]
    out.print(
        f"largest drop {100 * limits['max_drop']:g} points "
        f"{_of_chips(limits['quantile'])}at t = {_seconds_of(limits['time_s'])} "
        f"({100 * limits['confidence']:g} % confidence, {limits['draws'][-1]} draws at most)"
    )
    units = new_table("units", "unit", ">MACs", "targets")
    for unit in plan["units"]:
        units.add_row(unit["name"], f"{unit['macs']:,}", ", ".join(unit["targets"]))
    out.print(units)
    prices = new_table(
        "", "mapping", ">latency", ">energy", ">speed-up", ">energy gain", ">analog MACs"
    )
    for row in plan["extremes"]:
        prices.add_row(
            row["mapping"],
            si(row["latency_s"], "s"),
            si(row["energy_j"], "J"),
            times(row["speedup"]),
            times(row["energy_gain"]),
            percent(row["analog_mac_ratio"]),
        )
    out.print(prices)
    searches = new_table(f"searches, kept in {plan['storage']}", "strategy", ">seed", "budget")
    for search in plan["searches"]:
        parts = [
            f"{search['budget']['trials']} trials" if search["budget"]["trials"] else "",
            f"{seconds(search['budget']['oracle_s'])} of oracle"
            if search["budget"]["oracle_s"]
            else "",
        ]
        budget = " or ".join(filter(None, parts)) or "until the strategy ends"
        searches.add_row(search["strategy"], str(search["seed"]), budget)
    out.print(searches)


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
            layer["target"],
            f"{layer['macs']:,}",
            si(layer["latency_s"], "s"),
            si(layer["energy_j"], "J"),
        )
    out = console()
    out.print(table)
    tiles = ", ".join(f"{count} on {target}" for target, count in data["tiles"].items() if count)
    out.print(
        f"latency {si(data['latency_s'], 's')} ({times(data['speedup'])} faster than all-digital), "
        f"energy {si(data['energy_j'], 'J')} ({times(data['energy_gain'])} less), "
        f"analog MACs {percent(data['analog_mac_ratio'])}, crossbars: {tiles or 'none'}"
    )
    if data["interval_s"] != data["latency_s"]:
        out.print(f"one result every {si(data['interval_s'], 's')} in steady state (pipelined)")


def print_validation(rows: Sequence[dict[str, Any]]) -> None:
    """Published beside predicted."""
    table = new_table(
        "", "system", "case", "quantity", ">published", ">predicted", ">error", "source"
    )
    for row in rows:
        error = row["error_percent"]
        table.add_row(
            row["system"],
            row["case"],
            row["quantity"],
            "-" if row["published"] is None else f"{row['published']:.4g}",
            f"{row['predicted']:.4g}",
            "-" if error is None else f"{error:+.1f} %",
            row["source"],
        )
    console().print(table)


def print_show(runs: Sequence[SearchResult]) -> None:
    """One row a search: incumbent, budget, what binds."""
    table = new_table(
        "",
        "strategy",
        ">seed",
        ">trials",
        ">draws",
        ">oracle",
        ">drop (at most)",
        ">speed-up",
        ">energy gain",
        ">analog MACs",
        "not on the host",
        "most often broken",
    )
    for run in runs:
        row = report.show_row(run)
        drop = points(row["drop"])
        if run.best is not None and run.best.accuracy is not None:
            bounds = run.problem.accuracy_limit.bounds(run.best.accuracy)
            drop += f" ({points(bounds.high)})"
        for name, checked in report.check_drops(run).items():
            drop += f"\n{name}: {points(checked)}"
        mapping = report.short(run.problem, run.best.mapping) if run.best else "nothing feasible"
        table.add_row(
            row["strategy"],
            str(row["seed"]),
            str(row["trials"]),
            f"{draws:g}" if (draws := report.median_draws([run])) else "-",
            seconds(row["oracle_seconds"]),
            drop,
            times(row["speedup"]),
            times(row["energy_gain"]),
            percent(row["analog_mac_ratio"]),
            mapping,
            report.binding(run),
        )
    out = console()
    out.print(table)
    out.print(
        "Drop in points: estimate (upper confidence bound). Draws: median programming draws a trial "
        "until the limit was decided.",
        style="dim",
    )


def print_profile(profile: Profile) -> None:
    """Units by what they lose alone, pairs, and how well each proxy ranks the units."""
    names = list(profile.proxies)
    table = new_table(
        "", "unit", "target", ">drop (points)", *(f">{n.replace('_', ' ')}" for n in names)
    )
    for one in sorted(profile.sensitivities, key=lambda one: -_or_least(one.drop)):
        values = [f"{profile.proxies[name][one.unit]:.3g}" for name in names]
        table.add_row(one.unit, one.target, _spread(one.drop, one.deviation), *values)
    out = console()
    out.print(table)
    if profile.interactions:
        pairs = new_table("", "producer", "consumer", ">drop of both", ">beyond the sum of the two")
        for pair in sorted(profile.interactions, key=lambda pair: -pair.interaction):
            beyond = _spread(pair.interaction, pair.deviation)
            pairs.add_row(pair.producer, pair.consumer, points(pair.drop), beyond)
        out.print(pairs)
    ranks = new_table("", "proxy", ">rank correlation", ">p")
    for name, found in profile.correlations().items():
        rho, p_value = (f"{found.rho:+.2f}", f"{found.p_value:.2g}") if found else ("-", "-")
        ranks.add_row(name.replace("_", " "), rho, p_value)
    out.print(ranks)
    out.print(
        f"Mean ± standard deviation over {profile.n_draws} programming draws, {profile.time_s:g} s "
        f"after programming, training {profile.training}, one unit analog at a time "
        f"({seconds(profile.oracle_s)} of oracle). Rank correlation: Spearman's, of the proxy with the "
        "drop over units; p: probability of one as large by chance.",
        style="dim",
    )


def _or_least(drop: float | None) -> float:
    return float("-inf") if drop is None else drop


def _spread(mean: float | None, deviation: float | None) -> str:
    spread = "" if deviation is None else f" ± {100 * deviation:.2f}"
    return points(mean) + spread
