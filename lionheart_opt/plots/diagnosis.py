"""The figure of what limits the layers of a mapping."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lionheart_opt.diagnosis import Diagnosis
from lionheart_opt.plots.style import (
    COLUMN,
    PAGE,
    as_text,
    duration,
    legend_above,
    look,
    name_height,
    name_units,
    new_figure,
    paper_style,
    save,
    unit_text,
)

#: Source -> its name in legends.
NAMES = {
    "programming": "programming",
    "stuck": "stuck devices",
    "drift": "drift",
    "read": "read noise",
    "devices": "all of the devices",
    "converters": "converters",
    "output_noise": "output noise",
    "all": "everything",
}
#: Shares of the second panel, as attributes of `MatrixDiagnosis`.
SHARES = {
    "out_of_range": "ADC out of range at first",
    "saturated": "ADC saturated in the end",
    "clipped_weights": "clipped weights",
}


def snr_info(diagnosis: Diagnosis) -> dict[str, np.ndarray]:
    """Source -> ratio of each matrix in decibels and its deviation over chips, shape (2, n_matrices).

    NaN where a matrix does not have the source, or the number is infinite.
    """
    rows = {}
    for source in diagnosis.sources:
        pairs = [
            (matrix.snr_db(source), matrix.snr_deviation(source) or 0.0)
            for matrix in diagnosis.matrices
        ]
        finite = [
            (ratio, spread) if ratio is not None and isfinite(ratio) else (np.nan, np.nan)
            for ratio, spread in pairs
        ]
        rows[source] = np.array(finite).T
    return rows


@paper_style()
def diagnosis(diagnosis: Diagnosis) -> Figure:
    """Signal-to-noise ratio of every analog matrix by source, above what its converters do.

    Each source is alone, the others switched off; `everything` is the chip as it is. Low is bad. Error
    bars are one standard deviation over chips. Below are shares of ADC outputs and of weights, and the
    mean number of times that bound management repeats a product, unless all of them are 0.

    Args:
        diagnosis: What `lo.diagnose` returns.
    """
    names = [unit_text(matrix.matrix) for matrix in diagnosis.matrices]
    width = min(max(COLUMN, 1.6 + 0.25 * len(names)), PAGE)
    panels = [
        name
        for name, attributes in (("shares", tuple(SHARES)), ("retries", ("retries",)))
        if any(getattr(matrix, each) for matrix in diagnosis.matrices for each in attributes)
    ]
    height = 2.0 + 1.3 * len(panels) + name_height(names)
    figure, grid = new_figure(1 + len(panels), 1, width, height)
    ratios, below = grid[0, 0], dict(zip(panels, grid[1:, 0], strict=True))
    places = np.arange(len(names))
    handles: list[Any] = []
    for k, (source, (ratio, spread)) in enumerate(snr_info(diagnosis).items()):
        colour, marker = ("black", "_") if source == "all" else look(k if k < 6 else k + 1)
        handles.append(
            ratios.errorbar(
                places,
                ratio,
                yerr=spread,
                color=colour,
                marker=marker,
                linestyle="-" if source == "all" else "none",
                linewidth=0.8,
                elinewidth=0.6,
                label=NAMES[source],
            )
        )
    # whole numbers, whose labels are as wide after the layout as before it
    ratios.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
    ratios.set_ylabel("signal to noise\n(dB)")
    title = f"{as_text(diagnosis.subject)}\n" if diagnosis.subject else ""
    ratios.set_title(f"{title}{duration(diagnosis.time_s)} after programming", fontsize=7)
    if "shares" in below:
        handles += _shares(below["shares"], diagnosis, places)
    if "retries" in below:
        heights = [matrix.retries for matrix in diagnosis.matrices]
        below["retries"].bar(places, heights, color=look(3)[0])
        below["retries"].set_ylabel("retries\na product")
    for axes in grid[:-1, 0]:
        axes.set_xticks([])
    name_units(grid[-1, 0], names, width - 0.8)
    for axes in grid[:, 0]:
        axes.set_xlim(-0.6, len(names) - 0.4)
    legend_above(figure, handles)
    return figure


def _shares(axes: Any, diagnosis: Diagnosis, places: np.ndarray) -> list[Any]:
    """Draw the bars, which are the legend."""
    width = 0.8 / len(SHARES)
    axes.set_ylabel("share (%)")
    return [
        axes.bar(
            places + (k - 1) * width,
            [100 * getattr(matrix, name) for matrix in diagnosis.matrices],
            width,
            color=look(k)[0],
            alpha=0.6,
            label=label,
        )
        for k, (name, label) in enumerate(SHARES.items())
    ]


def draw_diagnosis(diagnosed: Diagnosis, folder: Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the paths."""
    return save(diagnosis(diagnosed), folder, "diagnosis")
