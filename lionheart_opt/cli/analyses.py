"""Closer looks at one mapping, as verbs and tables."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lionheart_opt.cli.inputs import AsJson, StudyPath, load_study, print_json, say_written
from lionheart_opt.results.wording import percent

if TYPE_CHECKING:
    from lionheart_opt.diagnosis import Diagnosis, MatrixDiagnosis

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


def _ratio(matrix: MatrixDiagnosis, source: str) -> str:
    ratio = matrix.snr_db(source)
    if ratio is None:
        return "-"
    if ratio == -inf:
        return "none"
    text = f">{NEGLIGIBLE_DB:g}" if ratio > NEGLIGIBLE_DB else f"{ratio:.1f}"
    return text + ("*" if source == matrix.limited_by else "")
