"""Tables of `show` and `run`: searches, their best mappings, and what test data say of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from lionheart_opt.cli.tables import HOW_SURE, factor, factor_between, new_table, say, seeds
from lionheart_opt.estimates import with_ends
from lionheart_opt.results import report
from lionheart_opt.results.calibration import SHARE
from lionheart_opt.results.chips import trials_with_bad_chips
from lionheart_opt.results.wording import (
    console,
    diverged,
    percent,
    seconds,
    si,
    times,
)

if TYPE_CHECKING:
    from lionheart_opt.aging.calibration_cost import CalibrationCost
    from lionheart_opt.results.result import SearchResult


def print_show(results: Sequence[SearchResult]) -> None:
    """Incumbents, their mappings, and what each search has spent and been stopped by."""
    out = console()
    _incumbents(out, results)
    _mappings(out, results)
    searches = new_table(
        "Searches", "strategy", ">seed", ">trials", ">draws", ">oracle", "limit most often broken"
    )
    for result in results:
        draws = report.median_draws([result])
        searches.add_row(
            result.label,
            str(result.seed),
            f"{len(result)}" + (" so far" if result.has_ended is False else ""),
            "-" if draws is None else f"{draws:g}",
            seconds(result.oracle_s),
            report.binding(result),
        )
    caption = (
        "Draws: programming draws until the limit was decided, median over trials. Oracle: seconds "
        "spent on measuring accuracy."
    )
    if any(result.has_ended is False for result in results):
        caption += " So far: it runs, or was interrupted and goes on when the study is run again."
    say(out, searches, caption)
    for result in results:
        if numbers := result.diverged:
            out.print(f"{result.name}: {diverged(len(numbers))} (trial {seeds(numbers)})")
        for number, evaluation in zip(result.numbers, result.evaluations, strict=True):
            if evaluation.failed:
                out.print(f"{result.name}: trial {number} has failed: {evaluation.failed}")
        if said := trials_with_bad_chips(result):
            number = next(iter(said))
            out.print(
                f"{result.name}: a few bad chips in {len(said)} of {len(result)} trials (trial {number}: "
                f"{said[number]}). A mean hides them: limit a share of the chips, such as quantile = 0.9 "
                "in [limits]."
            )


def print_calibrations(
    results: Sequence[SearchResult], costs: Sequence[CalibrationCost | None]
) -> None:
    """What one calibration of each best mapping takes; nothing where chips are not calibrated."""
    table = new_table(
        "One calibration of the best mapping",
        *("strategy", ">seed", ">passes", ">read-outs", ">time", ">energy", ">inferences"),
    )
    for result, cost in zip(results, costs, strict=True):
        if cost is not None:
            table.add_row(
                result.label,
                str(result.seed),
                str(cost.passes),
                f"{cost.read_outs:,}",
                si(cost.latency_s, "s") + factor_between(cost.latency_low_s, cost.latency_high_s),
                si(cost.energy_j, "J") + factor_between(cost.energy_low_j, cost.energy_high_j),
                f"{cost.inferences(SHARE):,}",
            )
    if table.row_count:
        say(
            console(),
            table,
            "Read-outs: numbers that analog columns put out. Inferences: as many between two "
            f"calibrations keep these within {100 * SHARE:g} % of time and energy.",
        )


def _incumbents(out: Console, results: Sequence[SearchResult]) -> None:
    checks = [result.best_checks for result in results]
    names = list(dict.fromkeys(name for drops in checks for name in drops))
    table = new_table(
        "Best mapping of each search",
        *("strategy", ">seed", ">trial", ">drop", ">at most"),
        *(">speed-up", ">energy\ngain", ">analog\nMACs"),
    )
    rows = [report.show_row(result) for result in results]
    for result, row in zip(results, rows, strict=True):
        table.add_row(
            f"{result.label}: {row['outcome']}" if row["outcome"] else result.label,
            str(row["seed"]),
            "-" if row["trial"] is None else str(row["trial"]),
            result.metric.said(row["drop"]),
            result.metric.said(row["drop_high"]),
            times(row["speedup"]) + factor(row, "speedup"),
            times(row["energy_gain"]) + factor(row, "energy_gain"),
            percent(row["analog_mac_ratio"]),
        )
    metric = results[0].metric
    caption = (
        f"Drop: in {metric.name}, in {metric.drop_unit_in_full}; at most: its upper confidence bound. "
        "Gains are over "
        "all-digital. Analog MACs: share of all multiply-accumulates. Trials count from 0."
    )
    baseline = next((result.baseline for result in results if result.baseline is not None), None)
    if baseline is not None:
        caption += f" The floating-point network: {metric.shown(baseline)} on validation data."
    if any(row["speedup_low"] for row in rows):
        caption += " Below gains: up to which factor they are known, as said further down."
    say(out, table, caption)
    if names or any(result.verdict for result in results):
        again = new_table("The same mappings measured once more: drop", "strategy", ">seed")
        for name in names:
            again.add_column(name, justify="right")
        is_judged = any(result.verdict for result in results)
        if is_judged:
            again.add_column("at most", justify="right")
            again.add_column("verdict")
        for result, drops in zip(results, checks, strict=True):
            if drops or result.verdict:
                values = [result.metric.said(drops.get(name)) for name in names]
                again.add_row(
                    result.label,
                    str(result.seed),
                    *values,
                    *(_verdict(result) if is_judged else ()),
                )
        said = [
            "At most: upper confidence bound of the drop on test data. Verdict: whether that keeps the "
            "limit. Safer mappings are tested first, and the candidate of the search last, if they all "
            "are verified. The last verified one is the result."
        ] * is_judged
        if any(result.verdict and result.verdict.untested for result in results):
            said.append(
                "Not tested yet: mappings that cost less. Run the study again to test them."
            )
        say(out, again, " ".join(said))


def _verdict(result: SearchResult) -> tuple[str, str]:
    """The bound on test data, and what it shows."""
    verdict = result.verdict
    if verdict is None:
        return "-", "-"
    bound = result.metric.said(verdict.bounds.high)
    rests_on = f", {verdict.trainings} trainings" if verdict.trainings > 1 else ""
    if verdict.verified is None:
        return bound, f"not verified{rests_on}"
    candidate = result.candidate
    if verdict.untested:
        return bound, f"verified{rests_on}\n{verdict.untested} not tested yet"
    if candidate is None or verdict.verified is candidate:
        return bound, f"verified{rests_on}"
    problem = result.problem
    cost = problem.cost(candidate.mapping)
    gain = cost.gain_over(problem.digital_cost, "interval_s").said(times)
    return bound, f"verified{rests_on}\nnot so trial {result.number_of(candidate)}, {gain}"


def _mappings(out: Console, results: Sequence[SearchResult]) -> None:
    """Each different incumbent once, with the searches that found it."""
    finders: dict[str, dict[str, list[int]]] = {}
    costs: dict[str, dict[str, Any]] = {}
    for result in results:
        if result.best is not None:
            mapping = report.short(result.problem, result.best.mapping)
            finders.setdefault(mapping, {}).setdefault(result.label, []).append(result.seed)
            costs[mapping] = with_ends(result.best_estimates)
    if not finders:
        return
    table = new_table(
        "Units that are not on the host", "mapping", "found by (seeds)", ">latency", ">energy"
    )
    table.columns[0].ratio, table.columns[1].ratio = 3, 2
    for mapping, labels in finders.items():
        who = "\n".join(f"{label} ({seeds(numbers)})" for label, numbers in labels.items())
        cost = costs[mapping]
        table.add_row(
            mapping,
            who,
            si(cost["latency_s"], "s") + factor(cost, "latency_s"),
            si(cost["energy_j"], "J") + factor(cost, "energy_j"),
        )
    say(out, table, HOW_SURE if any(cost["latency_low_s"] for cost in costs.values()) else "")
