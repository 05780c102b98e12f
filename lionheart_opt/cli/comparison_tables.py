"""What `compare` shows a person: several small tables, each for one question."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from lionheart_opt.cli.tables import new_table
from lionheart_opt.results.wording import console, percent, points, seconds, times

#: Readable in any terminal, and on a page.
WIDTH = 120


def print_comparison(data: dict[str, Any]) -> None:
    """The tables of `comparison.comparison`'s data."""
    out = console()
    out.width = min(out.width, WIDTH)
    _searches(out, data)
    _hypervolumes(out, data)
    _incumbents(out, data)
    _thresholds(out, data)
    _checks(out, data)


def _say(out: Console, table: Table, text: str) -> None:
    out.print(table)
    out.print(text, style="dim")
    out.print()


def _searches(out: Console, data: dict[str, Any]) -> None:
    table = new_table(
        "What was spent (medians over seeds)",
        "strategy",
        ">seeds",
        "budget",
        ">trials",
        ">oracle",
        ">draws a trial",
        ">repeated",
    )
    for row in data["strategies"]:
        trials, oracle_s = row["budget"]["trials"], row["budget"]["oracle_s"]
        parts = (f"{trials} trials" if trials else "", seconds(oracle_s) if oracle_s else "")
        table.add_row(
            row["strategy"],
            str(row["seeds"]),
            " or ".join(filter(None, parts)) or "none",
            f"{row['trials']:g}",
            seconds(row["oracle_seconds"]),
            "-" if row["draws"] is None else f"{row['draws']:g}",
            percent(row["repeats"]),
        )
    text = "Repeated: share of the proposals that the record had answered already; they are free."
    if data["budgets_differ"]:
        text += " [bold]The budgets differ[/bold]: what follows is not a comparison at equal cost."
    _say(out, table, text)


def _hypervolumes(out: Console, data: dict[str, Any]) -> None:
    truth = data["ground_truth"]
    table = new_table(
        "Hypervolume at the end",
        "strategy",
        ">median",
        ">quartiles",
        *([">of ground truth"] if truth else []),
        *([">beats random", ">p"] if data["random"] else []),
    )
    for row in data["strategies"]:
        cells = [
            row["strategy"],
            f"{row['hypervolume']['median']:.4f}",
            _band(row, "hypervolume", 4),
        ]
        if truth:
            cells.append(percent(row["hypervolume_share"]))
        if data["random"]:
            verdict = row["beats_random"]
            cells += [verdict["verdict"], f"{verdict['p_value']:.2g}"] if verdict else ["-", "-"]
        table.add_row(*cells)
    text = (
        "Share of the box between (all-digital's time, a drop of "
        f"{100 * data['max_drop']:g} points) and (0, 0) that the evaluated mappings dominate."
    )
    if truth:
        table.add_section()
        table.add_row(f"all {truth['mappings']:,} mappings", f"{truth['hypervolume']:.4f}")
        text += " Ground truth: every mapping, with the study's training, limits and draws."
    if data["random"]:
        text += (
            f" Beats {data['random']}: yes, no (it is worse) or not shown, by a two-sided Mann-Whitney "
            "U test over seeds at the 5 % level; p is not corrected for the number of strategies."
        )
    _say(out, table, text)


def _incumbents(out: Console, data: dict[str, Any]) -> None:
    table = new_table(
        f"Incumbents: what surely keeps {100 * data['max_drop']:g} points (medians over seeds)",
        "strategy",
        ">found",
        ">drop (points)",
        ">in checks",
        ">speed-up",
        ">energy gain",
        ">analog MACs",
    )
    differ = False
    for row in data["strategies"]:
        drop = points(row["drop"])
        if row["drop_above_best"] is not None:
            differ = True
            least, most = row["drop_above_best"]["interval"]
            drop += f"\nvs best {points(least)} to {points(most)}"
        table.add_row(
            row["strategy"],
            f"{row['seeds_feasible']} of {row['seeds']}",
            drop,
            "\n".join(f"{name} {points(one)}" for name, one in row["drop_in_checks"].items()),
            times(row["speedup"]),
            times(row["energy_gain"]),
            percent(row["analog_mac_ratio"]),
        )
    text = (
        "Best in the first objective. Drop: on validation data. Checks: the same mappings on test data "
        "or fresh draws."
    )
    if differ:
        text += (
            " Vs best +0.1 to +0.3: in the same draws, the strategy's incumbent drops by that much "
            "more than the best of all does (95 % confidence)."
        )
    _say(out, table, text)


def _thresholds(out: Console, data: dict[str, Any]) -> None:
    for key, title in (("speedup", "speed-up"), ("energy_gain", "energy gain")):
        table = _by_threshold(
            data, f"Largest {title} at each threshold: median (quartiles) over seeds"
        )
        for row in data["strategies"]:
            table.add_row(row["strategy"], *(_gain(one, key, row) for one in row["thresholds"]))
        if data["ground_truth"]:
            table.add_section()
            best = [times(one[key]) for one in data["ground_truth"]["thresholds"]]
            table.add_row("ground truth", *best)
        out.print(table)
    if data["ground_truth"]:
        gaps = _by_threshold(
            data, "Largest speed-up: how far the median is below the ground truth's"
        )
        for row in data["strategies"]:
            gaps.add_row(
                row["strategy"], *(percent(one["speedup_gap"]) for one in row["thresholds"])
            )
        out.print(gaps)
    out.print(
        "Over all-digital, of mappings that surely keep the threshold, by the same test as the study's "
        "limit. A seed that found nothing better counts as all-digital (1.00x).",
        style="dim",
    )
    out.print()


def _gain(found: dict[str, Any], key: str, row: dict[str, Any]) -> str:
    """Quartiles only where they differ, seeds only where some found nothing."""
    low, high = found[key]["quartiles"]
    band = f"\n({low:.2f}-{high:.2f})" if times(low) != times(high) else ""
    some = f"\nfound {found['seeds_found']} of {row['seeds']}"
    return (
        times(found[key]["median"]) + band + (some if found["seeds_found"] < row["seeds"] else "")
    )


def _checks(out: Console, data: dict[str, Any]) -> None:
    """Two tables for each kind of check, of each threshold's fastest mapping."""
    names = dict.fromkeys(
        name for row in data["strategies"] for one in row["thresholds"] for name in one["checks"]
    )
    for name in names:
        drops = _by_threshold(data, f"Fastest mappings on {name}: drop in points")
        accuracies = _by_threshold(data, f"Fastest mappings on {name}: accuracy in %")
        for row in data["strategies"]:
            found = [one["checks"].get(name) for one in row["thresholds"]]
            drops.add_row(row["strategy"], *(_checked_drop(one) for one in found))
            accuracies.add_row(row["strategy"], *(_checked_accuracy(one) for one in found))
        out.print(drops)
        out.print(accuracies)
    if names:
        out.print(
            "Medians over seeds; below, the lowest and highest bound of any seed. Drop: (seeds within "
            "the threshold); bounds over programming draws, on these examples, as in the study's limit. "
            "Accuracy: 95 % interval over programming draws and, where their number is known, the choice "
            "of the examples. Training again is not covered.",
            style="dim",
        )


def _checked_drop(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    low, high = map(points, found["drop"]["interval"])
    seeds = f"({found['seeds_within']} of {found['seeds']})"
    return f"{points(found['drop']['median'])} {seeds}\n{low} to {high}"


def _checked_accuracy(found: dict[str, Any] | None) -> str:
    if found is None:
        return "-"
    low, high = (100 * one for one in found["accuracy"]["interval"])
    return f"{100 * found['accuracy']['median']:.1f}\n{low:.1f} to {high:.1f}"


def _by_threshold(data: dict[str, Any], title: str) -> Table:
    drops = [one["max_drop"] for one in data["strategies"][0]["thresholds"]]
    return new_table(title, "strategy", *(f">{100 * drop:g} %" for drop in drops))


def _band(row: dict[str, Any], key: str, digits: int) -> str:
    low, high = row[key]["quartiles"]
    return f"{low:.{digits}f}-{high:.{digits}f}"
