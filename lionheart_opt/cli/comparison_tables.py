"""What `compare` shows a person: several small tables, each for one question."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from lionheart_opt.cli.tables import (
    HOW_SURE,
    budget,
    factor,
    factor_between,
    new_table,
    say,
)
from lionheart_opt.metric import Metric
from lionheart_opt.results.wording import (
    console,
    diverged,
    percent,
    seconds,
    sentence,
    times,
)

#: Wider is not easier to read.
WIDTH = 120
#: What the intervals of ratios of costs mean.
PAIRED = (
    "Below: intervals of 95 %. Two mappings rest on the same constants of the system, so their ratio "
    "is known better than what each gains."
)
MULTIPLES = f"{PAIRED} Not told apart: the interval contains 1."


def print_comparison(data: dict[str, Any]) -> None:
    """The tables of `lionheart_opt.results.comparison.comparison`'s data."""
    out = console()
    out.width = min(out.width, WIDTH)
    _searches(out, data)
    _hypervolumes(out, data)
    _incumbents(out, data)
    _costs_over_best(out, data)
    _above_best(out, data)
    _thresholds(out, data)
    _checks(out, data)


def _searches(out: Console, data: dict[str, Any]) -> None:
    table = new_table(
        "What was spent (medians over seeds)",
        *("strategy", ">seeds", "budget", ">trials", ">oracle", ">draws\na trial", ">repeated"),
    )
    for row in data["strategies"]:
        table.add_row(
            row["strategy"],
            str(row["seeds"]),
            budget(row["budget"]) or "none",
            f"{row['trials']:g}",
            seconds(row["oracle_seconds"]),
            "-" if row["draws"] is None else f"{row['draws']:g}",
            percent(row["repeats"]),
        )
    caption = (
        "Oracle: seconds spent on measuring accuracy. Draws: programming draws until the limit was "
        "decided. Repeated: share of the proposals that the record had answered already; they are free."
    )
    for row in data["strategies"]:
        if row["diverged"]:
            caption += f" {row['strategy']}: {diverged(row['diverged'])}."
    if data["budgets_differ"]:
        caption += " The budgets differ: what follows is not a comparison at equal cost."
    say(out, table, caption)


def _hypervolumes(out: Console, data: dict[str, Any]) -> None:
    truth = data["ground_truth"]
    table = new_table(
        "Hypervolume at the end",
        *("strategy", ">median", ">quartiles"),
        *([">of ground\ntruth"] if truth else []),
        *([">beats random", ">p"] if data["random"] else []),
    )
    for row in data["strategies"]:
        low, high = row["hypervolume"]["quartiles"]
        cells = [
            row["strategy"],
            f"{row['hypervolume']['median']:.4f}",
            f"{low:.4f}-{high:.4f}",
        ]
        if truth:
            cells.append(percent(row["hypervolume_share"]))
        if data["random"]:
            verdict = row["beats_random"]
            cells += [verdict["verdict"], f"{verdict['p_value']:.2g}"] if verdict else ["-", "-"]
        table.add_row(*cells)
    caption = (
        "Share of the box between (all-digital's time, a drop of "
        f"{_metric(data).in_words(data['max_drop'])}) and (0, 0) that the evaluated mappings dominate."
    )
    if truth:
        table.add_section()
        table.add_row(f"all {truth['mappings']:,} mappings", f"{truth['hypervolume']:.4f}")
        caption += " Ground truth: every mapping, with the study's training, limits and draws."
    if data["random"]:
        caption += (
            f" Beats random: whether the strategy is better than {data['random']!r}: yes, no (it is "
            "worse) or not shown, by a two-sided Mann-Whitney U test over seeds at the 5 % level; p is "
            "not corrected for the number of strategies."
        )
    say(out, table, caption)


def _incumbents(out: Console, data: dict[str, Any]) -> None:
    checks = list(
        dict.fromkeys(name for row in data["strategies"] for name in row["drop_in_checks"])
    )
    table = new_table(
        f"Best mappings within {_metric(data).in_words(data['max_drop'])} (medians over seeds)",
        *("strategy", ">beats\nall-digital", ">drop"),
        *(">speed-up", ">energy\ngain", ">analog\nMACs"),
    )
    for row in data["strategies"]:
        table.add_row(
            row["strategy"],
            f"{row['seeds_beating_all_digital']} of {row['seeds']}",
            _metric(data).said(row["drop"]),
            times(row["speedup"]) + factor(row, "speedup"),
            times(row["energy_gain"]) + factor(row, "energy_gain"),
            percent(row["analog_mac_ratio"]),
        )
    caption = (
        "Best in the first objective among all-digital and the mappings that keep every limit with the "
        "study's confidence. Beats all-digital: seeds that found something better. Drop: in "
        f"{_metric(data).drop_unit_in_full}, on validation data. Gains are over all-digital. Analog "
        "MACs: share of all multiply-accumulates."
    )
    if any(row["speedup_low"] for row in data["strategies"]):
        caption += f" {HOW_SURE}"
    say(out, table, caption)
    if data["outcome"]:
        out.print(sentence(data["outcome"]), style="bold")
        out.print()
    if checks:
        again = new_table("The same mappings measured once more: drop", "strategy")
        for name in checks:
            again.add_column(name, justify="right")
        again.add_column("verified", justify="right")
        for row in data["strategies"]:
            drops = [_metric(data).said(row["drop_in_checks"].get(name)) for name in checks]
            verified = (
                f"{row['seeds_verified']} of {row['seeds']}" if row["drop_in_checks"] else "-"
            )
            again.add_row(row["strategy"], *drops, verified)
        say(
            out,
            again,
            f"Medians over seeds, in {_metric(data).drop_unit_in_full}. Verified: seeds whose best "
            "mapping is shown to keep the limit on test data.",
        )


def _above_best(out: Console, data: dict[str, Any]) -> None:
    rows = [row for row in data["strategies"] if row["drop_above_best"] is not None]
    if not rows:
        return
    table = new_table("Drop beyond that of the best mapping of all", "strategy", ">from", ">to")
    for row in rows:
        table.add_row(row["strategy"], *map(_metric(data).said, row["drop_above_best"]["interval"]))
    say(
        out,
        table,
        f"95 % confidence interval in {_metric(data).drop_unit_in_full}, in the same draws, where a "
        "strategy's best mapping is another one.",
    )


def _costs_over_best(out: Console, data: dict[str, Any]) -> None:
    """Which of two strategies' best mappings costs less is known better than what either gains."""
    rows = [row for row in data["strategies"] if row["costs_over_best"] is not None]
    if len(rows) < 2:
        return
    costs = [
        {name: _multiple(cost) for name, cost in row["costs_over_best"].items()} for row in rows
    ]
    heads = {"latency_s": ">latency", "interval_s": ">time per\ninference", "energy_j": ">energy"}
    if all(cells["latency_s"] == cells["interval_s"] for cells in costs):
        del heads["interval_s"]
    table = new_table(
        "Costs as multiples of those of the best mapping of all", "strategy", *heads.values()
    )
    for row, cells in zip(rows, costs, strict=True):
        table.add_row(row["strategy"], *(cells[name] for name in heads))
    is_known = any(cost["interval"] for row in rows for cost in row["costs_over_best"].values())
    say(out, table, f"Of the best seed of each strategy. {MULTIPLES if is_known else ''}".strip())


def _multiple(cost: dict[str, Any]) -> str:
    """A ratio, its interval, and whether it says anything."""
    lines = [f"{cost['ratio']:.3f}x"]
    if cost["interval"] is not None:
        low, high = cost["interval"]
        if high > low:
            lines.append(f"{low:.3f}-{high:.3f}")
        if cost["told_apart"] is False and cost["ratio"] != 1.0:
            lines.append("not told apart")
    return "\n".join(lines)


def _thresholds(out: Console, data: dict[str, Any]) -> None:
    for key, title in (("speedup", "speed-up"), ("energy_gain", "energy gain")):
        table = _by_threshold(
            data,
            f"Largest {title} within each drop in {_metric(data).drop_unit} (median, quartiles)",
        )
        for row in data["strategies"]:
            gains = [_gain(threshold, key, row["seeds"]) for threshold in row["thresholds"]]
            table.add_row(row["strategy"], *gains)
        if data["ground_truth"]:
            table.add_section()
            best = [
                times(threshold[key]) + factor(threshold, key)
                for threshold in data["ground_truth"]["thresholds"]
            ]
            table.add_row("ground truth", *best)
        say(out, table)
    if data["ground_truth"]:
        gaps = _by_threshold(
            data,
            f"How far the median speed-up is below the ground truth's, within each drop in "
            f"{_metric(data).drop_unit}",
        )
        for row in data["strategies"]:
            gaps.add_row(row["strategy"], *map(_gap, row["thresholds"]))
        is_known = any(_has_gap(each) for row in data["strategies"] for each in row["thresholds"])
        say(out, gaps, f"{PAIRED} Without an interval: the same mapping." if is_known else "")
    caption = (
        "Over all-digital, of mappings that keep the drop by the same test as the study's limit. Where "
        "some seeds found no such mapping, the number of those that did is given; the others count as "
        "all-digital (1.00x)."
    )
    everything = [row for strategy in data["strategies"] for row in strategy["thresholds"]]
    if any(row["speedup"]["interval"] for row in everything):
        caption += " x/1.40: how well the median is known, as above."
    out.print(caption, style="dim")
    out.print()


def _has_gap(threshold: dict[str, Any]) -> bool:
    """Whether it is known how sure a gap is, and something is open."""
    low, high = threshold["speedup_gap_interval"] or (None, None)
    return low is not None and high > low


def _gap(threshold: dict[str, Any]) -> str:
    """The gap to the ground truth, and its interval below."""
    text = percent(threshold["speedup_gap"])
    if not _has_gap(threshold):
        return text
    low, high = threshold["speedup_gap_interval"]
    return f"{text}\n{100 * low:.1f} to {100 * high:.1f}"


def _gain(threshold: dict[str, Any], key: str, n_seeds: int) -> str:
    """Quartiles only where they differ, seeds only where some found nothing."""
    low, high = threshold[key]["quartiles"]
    interval = threshold[key]["interval"] or (None, None)
    lines = [times(threshold[key]["median"]) + factor_between(*interval)]
    if times(low) != times(high):
        lines.append(f"{low:.2f}-{high:.2f}")
    if threshold["seeds_found"] < n_seeds:
        lines.append(f"{threshold['seeds_found']} of {n_seeds}")
    return "\n".join(lines)


def _checks(out: Console, data: dict[str, Any]) -> None:
    """One table for each kind of check, of each threshold's fastest mapping."""
    metric = _metric(data)
    names = dict.fromkeys(
        name
        for row in data["strategies"]
        for threshold in row["thresholds"]
        for name in threshold["checks"]
    )
    for name in names:
        table = new_table(
            f"Fastest mapping within each drop, measured once more: {name}",
            *(
                "strategy",
                ">within",
                ">holds in",
                ">shown in",
                ">drop",
                ">bounds",
            ),
        )
        for row in data["strategies"]:
            label = row["strategy"]
            for threshold in row["thresholds"]:
                if name in threshold["checks"]:
                    check = threshold["checks"][name]
                    table.add_row(
                        label,
                        f"{metric.drop_scale * threshold['max_drop']:g}",
                        *_checked(check, metric),
                    )
                    label = ""  # said once
            table.add_section()
        say(out, table)
    if names:
        out.print(
            "Medians over seeds, with the lowest and highest bound of any seed. Within: the threshold in "
            f"{metric.drop_unit_in_full}. Holds in: seeds whose drop is within it. Shown in: those whose "
            "upper bound is, too. Bounds are over programming draws and the population of examples, as "
            "in the study's limit. Training again is not covered.",
            style="dim",
        )


def _checked(check: dict[str, Any], metric: Metric) -> list[str]:
    low, high = check["drop"]["interval"]
    return [
        f"{check['seeds_within']} of {check['seeds']}",
        f"{check['seeds_verified']} of {check['seeds']}",
        metric.said(check["drop"]["median"]),
        f"{metric.said(low)} to {metric.said(high)}",
    ]


def _metric(data: dict[str, Any]) -> Metric:
    """What was measured."""
    return Metric.from_json(data["metric"])


def _by_threshold(data: dict[str, Any], title: str) -> Table:
    drops = [threshold["max_drop"] for threshold in data["strategies"][0]["thresholds"]]
    return new_table(
        title, "strategy", *(f">{_metric(data).drop_scale * drop:g}" for drop in drops)
    )
