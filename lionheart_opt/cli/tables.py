"""What the command line shows a person: tables that can be read at 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from math import isclose, sqrt
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lionheart_opt.cli.narrow import Foldable
from lionheart_opt.estimates import Estimate, ends_of
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
    from lionheart_opt.results.sensitivity import Profile

#: What `factor` means.
HOW_SURE = (
    "x/1.40: with a confidence of 95 %, the number is at most 1.40 times as large or as small. That "
    "covers the constants of the system and what its file says no constant explains. Costs on one "
    "system share these errors, so that gains are known better than costs."
)

#: What is said below areas.
EXACT_AREAS = "Areas have no interval: no source says how well they are known."


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
            si(layer["latency_s"], "s") + factor(layer, "latency_s"),
            si(layer["energy_j"], "J") + factor(layer, "energy_j"),
        )
    say(out := console(), table)
    tiles = ", ".join(f"{count} on {target}" for target, count in data["tiles"].items() if count)
    out.print(f"latency {_time(data, 'latency_s')}, energy {_energy(data, 'energy_j')}")
    is_single = isclose(data["interval_s"], data["latency_s"])
    out.print(
        f"gains over all-digital: {'latency' if is_single else 'time per inference'} "
        f"{_said(data, 'speedup', times)}, energy {_said(data, 'energy_gain', times)}"
    )
    out.print(f"analog MACs {percent(data['analog_mac_ratio'])}, crossbars: {tiles or 'none'}")
    if data["area_m2"] is not None:
        out.print(
            f"area {1e6 * data['area_m2']:.3g} mm2 (no interval: no source says how well it is known), "
            f"{_said(data, 'tops_per_mm2', '{:.3g}'.format)} TOPS/mm2 reached"
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
            f"{_said(data, 'tokens_per_s', _rate)} tokens/s, {_energy(data, 'energy_per_token_j')} a "
            f"token ({data['tokens']} an inference)"
        )
    if data["batch"] > 1:
        out.print(
            f"batch of {data['batch']}{_runs(data)}: latencies are those of the batch, energies of one "
            "inference; "
            f"{_time(data, 'interval_s')} an inference, "
            f"{_said(data, 'inferences_per_s', _rate)} inferences/s"
        )
    elif not is_single:
        out.print(f"one result every {_time(data, 'interval_s')} in steady state (pipelined)")
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
        out.print(f"in brackets and x/: intervals of 95 % from {uncertain}{scatter}")


def _said(data: dict[str, Any], name: str, say_number: Callable[[float], str]) -> str:
    """A number and its interval, as `Estimate.said`."""
    return Estimate(data[name], *(data[end] for end in ends_of(name))).said(say_number)


def _time(data: dict[str, Any], name: str) -> str:
    return _said(data, name, lambda value: si(value, "s"))


def _energy(data: dict[str, Any], name: str) -> str:
    return _said(data, name, lambda value: si(value, "J"))


def _rate(value: float) -> str:
    return f"{value:.4g}"


def print_validation(rows: Sequence[dict[str, Any]]) -> None:
    """Published beside predicted: one table a system, its sources below."""
    out = console()
    for system, cases in groupby(rows, key=lambda row: str(row["system"])):
        table = new_table(
            system, "case,\n  quantity", ">published", ">predicted", ">error", "role,\nsource"
        )
        sources: dict[str, int] = {}
        numbers = list(cases)
        for row in numbers:
            error = row["error_percent"]
            role = "" if error is None else f"{row['role']}\n"
            table.add_row(
                f"{row['case']}\n  {row['quantity']}",
                "-" if row["published"] is None else f"{row['published']:.4g}",
                f"{row['predicted']:.4g}{factor(row, 'predicted')}",
                "-" if error is None else f"{error:+.1f} %" + _outside(row),
                f"{role}[{sources.setdefault(row['source'], len(sources) + 1)}]",
            )
        notes = [f"[{number}] {source}" for source, number in sources.items()]
        say(out, table, "\n".join([*summary(numbers), *notes]))
    if any(factor(row, "predicted") for row in rows):
        out.print(HOW_SURE, style="dim")


def _outside(row: dict[str, Any]) -> str:
    """A second line where what is published is not within the interval of what is predicted."""
    return "\noutside" if row["within_interval"] is False else ""


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
