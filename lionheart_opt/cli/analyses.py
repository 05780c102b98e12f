"""Closer looks at one mapping, as verbs and tables."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lionheart_opt.cli.inputs import AsJson, StudyPath, load_study, print_json, say_written
from lionheart_opt.results.wording import percent

if TYPE_CHECKING:
    from lionheart_opt.aging.lifetimes import Lifetime, Until
    from lionheart_opt.aging.recalibration import Recalibration
    from lionheart_opt.diagnosis import Diagnosis, MatrixDiagnosis
    from lionheart_opt.metric import Metric

Trial = Annotated[
    int | None,
    typer.Option(help="Number of the trial in its search, from 0; the best mapping by default."),
]
Only = Annotated[
    str | None,
    typer.Option(help="The search, as `LABEL/seedN`; needed for a trial if there are several."),
]
Out = Annotated[Path | None, typer.Option(help="Folder for PDF and PNG; STUDY/figures by default.")]

#: Decibels above which a source of error is next to nothing.
NEGLIGIBLE_DB = 100.0
#: Source of error -> head of its column.
HEADS = {
    "all": "every-\nthing",
    "programming": "pro-\ngram",
    "stuck": "stuck",
    "drift": "drift",
    "read": "read",
    "devices": "de-\nvices",
    "converters": "DAC,\nADC",
    "output_noise": "output\nnoise",
}


def diagnose(
    study: StudyPath,
    trial: Trial = None,
    only: Only = None,
    time: Annotated[
        str | None,
        typer.Option(
            help="Time after programming, as `1 day`; the latest of the limit by default."
        ),
    ] = None,
    draws: Annotated[int, typer.Option(help="Number of chips.")] = 5,
    examples: Annotated[int, typer.Option(help="Number of validation examples, at most.")] = 200,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """What limits each analog layer of a mapping: noise by its source, and the converters.

    Every source of error is measured alone, on inputs as the layer gets them on the chip.

    Example: `lionheart-opt diagnose studies/quickstart --time "1 day"`
    """
    from lionheart_opt.analyses import diagnose as measure
    from lionheart_opt.plots.diagnosis import draw_diagnosis

    loaded = load_study(study)
    diagnosis = measure(loaded, trial=trial, only=only, time=time, draws=draws, examples=examples)
    say_written(draw_diagnosis(diagnosis, out or loaded.file.figures))
    if as_json:
        print_json({"study": loaded.name, **diagnosis.to_json()})
    else:
        print_diagnosis(diagnosis)


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """Ratios by source, and what converters and clipping do."""
    from lionheart_opt.cli.tables import new_table, say
    from lionheart_opt.plots.style import duration
    from lionheart_opt.results.wording import console

    out = console()
    sources = [source for source in HEADS if source in diagnosis.sources]
    ratios = new_table(
        f"Signal-to-noise ratio of analog matrices in dB: {diagnosis.subject}",
        "matrix",
        *(f">{HEADS[source]}" for source in sources),
    )
    for matrix in diagnosis.matrices:
        ratios.add_row(matrix.matrix, *(_ratio(matrix, source) for source in sources))
    say(
        out,
        ratios,
        f"{duration(diagnosis.time_s)} after programming, {diagnosis.n_draws} chips, "
        f"{diagnosis.n_examples} examples. Outputs against those of the same inputs in floating point, "
        "each source alone; drift: what drift compensation leaves; devices: programming, drift, read "
        "noise and stuck devices together. *: the source that limits the matrix.",
    )
    if diagnosis.compensation == "columns":
        out.print(
            "Gain and offset of every output are calibrated, for each source alone, to the products in "
            "floating point.\n"
        )
    elif diagnosis.compensation == "batch_norm":
        out.print("Inputs are those of chips whose batch norm is calibrated.\n")
    if diagnosis.note:
        out.print(f"Note: {diagnosis.note}.\n")
    tiles = new_table(
        "Converters and weights",
        *("matrix", ">tiles", ">ADC out\nof range", ">retries", ">saturated", ">clipped\nweights"),
    )
    for matrix in diagnosis.matrices:
        tiles.add_row(
            matrix.matrix,
            str(matrix.tiles),
            percent(matrix.out_of_range),
            f"{matrix.retries:.2f}",
            percent(matrix.saturated),
            percent(matrix.clipped_weights),
        )
    say(
        out,
        tiles,
        "ADC out of range: share of its outputs at first; retries: how often bound management repeats "
        "a product with smaller inputs, mean; saturated: share of outputs that are clipped in the end. "
        "Clipped weights: share of the weights that clipping holds at the end of their range.",
    )


def lifetime(
    study: StudyPath,
    trial: Trial = None,
    only: Only = None,
    times: Annotated[
        str | None,
        typer.Option(
            help="Times to measure, as `1 s, 1 h, 1 day, 1 month, 1 year`; by default those that the "
            "trial was measured at."
        ),
    ] = None,
    draws: Annotated[
        int | None, typer.Option(help="Number of chips to measure; by default those of the trial.")
    ] = None,
    share: Annotated[
        float, typer.Option(help="Also say until when this share of the chips is within the limit.")
    ] = 0.9,
    intervals: Annotated[
        str | None,
        typer.Option(
            help="Intervals between two calibrations, and between two programmings, to try, as `1 h, 1 "
            "day`; or `auto`."
        ),
    ] = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """How long a mapping keeps its limit, for which share of the chips, and how often to reprogram it.

    `--times`, `--draws` and `--intervals` measure the mapping once more, on test data and fresh chips;
    the record stays as it is. `--intervals` finds the longest interval between two calibrations that
    keeps the limit until the latest time.

    Example: `lionheart-opt lifetime studies/quickstart --times "1 s, 1 h, 1 day, 1 month, 1 year"`
    """
    from lionheart_opt.analyses import lifetime as measure
    from lionheart_opt.plots.lifetime import draw_lifetime

    loaded = load_study(study)
    measured = measure(
        loaded,
        trial=trial,
        only=only,
        times=None if times is None else times.split(","),
        draws=draws,
        share=share,
        intervals=intervals if intervals in (None, "auto") else intervals.split(","),
    )
    say_written(draw_lifetime(measured, out or loaded.file.figures))
    if as_json:
        print_json({"study": loaded.name, **measured.to_json()})
    else:
        print_lifetime(measured)


def print_lifetime(lifetime: Lifetime) -> None:
    """Drops and chips within the limit at every time, and what they show."""
    from lionheart_opt.cli.tables import new_table, say
    from lionheart_opt.plots.style import duration
    from lionheart_opt.results.wording import console

    out, metric = console(), lifetime.metric
    table = new_table(
        f"Lifetime of {lifetime.subject}",
        *("time", ">drop", ">at least", ">at most"),
        *(">chips\nwithin", ">at least", ">at most"),
    )
    for time_s, drop, chips in zip(lifetime.times_s, lifetime.drops, lifetime.chips, strict=True):
        drops = (metric.said(value) for value in (drop.estimate, drop.low, drop.high))
        shares = (percent(value) for value in (chips.estimate, chips.low, chips.high))
        table.add_row(duration(time_s), *drops, *shares)
    luck = "; the mapping may have been chosen by them" if lifetime.data != "test" else ""
    examples = "" if lifetime.n_examples is None else f", {lifetime.n_examples} examples"
    say(
        out,
        table,
        f"Drop: in {metric.drop_unit_in_full}; chips within: share of the chips that lose at most "
        f"{metric.in_words(lifetime.max_drop)} of these examples. At least, at most: one-sided "
        f"{100 * lifetime.confidence:g} % confidence bounds, of {lifetime.n_draws} chips{examples} "
        f"({lifetime.data} data{luck}).",
    )
    last = lifetime.times_s[-1]
    for what, until in (
        (f"The limit of {metric.in_words(lifetime.max_drop)}", lifetime.limit),
        (f"The limit on {100 * lifetime.share:g} % of the chips", lifetime.of_chips),
    ):
        out.print(f"{what}: {said(until, last)}.")
    if lifetime.refresh_s:
        longest = duration(lifetime.refresh_s)
        end = " (the longest time that was measured)" if lifetime.refresh_s == last else ""
        out.print(f"Reprogramming at least every {longest}{end} keeps the limit.")
    else:
        out.print("No interval of reprogramming is shown to keep the limit.")
    if lifetime.recalibration is not None:
        print_recalibration(lifetime.recalibration, lifetime.metric)


def print_recalibration(recalibration: Recalibration, metric: Metric) -> None:
    """Intervals between two calibrations that were tried, and what they show."""
    from lionheart_opt.cli.tables import new_table, say
    from lionheart_opt.plots.style import duration
    from lionheart_opt.results.wording import console

    out = console()
    if not recalibration.intervals:
        out.print("Chips are not calibrated here, so no interval of calibration was tried.")
        return
    table = new_table("Calibration", "interval", ">drop", ">at most", "keeps the limit")
    for each in recalibration.intervals:
        shown = "shown" if each.holds else "not shown"
        table.add_row(
            duration(each.interval_s),
            metric.said(each.drop.estimate),
            metric.said(each.drop.high),
            shown,
        )
    until = duration(recalibration.until_s)
    say(
        out,
        table,
        f"Drop: at the worst time until {until}, right before calibrations and at the end. Tried: "
        f"{len(recalibration.intervals)} of {len(recalibration.asked_s)} intervals, from the shortest "
        "on, up to the first that is not shown to keep the limit.",
    )
    if recalibration.kept_s is None:
        out.print("No interval of calibration is shown to keep the limit.")
        return
    longest = duration(recalibration.kept_s)
    out.print(f"Calibrating at least every {longest} keeps the limit until {until}.")


def said(until: Until, last_s: float) -> str:
    """What is shown of how long something holds, in words.

    Args:
        until: What is shown.
        last_s: The last time that was measured.
    """
    from lionheart_opt.plots.style import duration

    if until.kept_s is None:
        kept = "not shown to hold at any time"
    else:
        end = ", the last time" if until.kept_s == last_s else ""
        kept = f"shown to hold until {duration(until.kept_s)}{end}"
    if until.broken_s is not None:
        kept += f", shown to be broken from {duration(until.broken_s)} on"
    if until.estimate_s is not None:
        kept += f"; estimate, without confidence: {_about(until.estimate_s)}"
    return kept


def _about(time_s: float) -> str:
    """A time with two digits, in the largest unit that it has one of."""
    for unit, length in (("years", 31_536_000), ("days", 86_400), ("h", 3_600), ("min", 60)):
        if time_s >= length:
            return f"about {float(f'{time_s / length:.2g}'):g} {unit}"
    return f"about {time_s:.2g} s"


def _ratio(matrix: MatrixDiagnosis, source: str) -> str:
    ratio = matrix.snr_db(source)
    if ratio is None:
        return "-"
    if ratio == -inf:
        return "none"
    text = f">{NEGLIGIBLE_DB:g}" if ratio > NEGLIGIBLE_DB else f"{ratio:.1f}"
    return text + ("*" if source == matrix.limited_by else "")
