"""The figure of thresholds: the best speed-up of each strategy at each largest drop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lionheart_opt.plots.style import COLOURS, new_figures
from lionheart_opt.results.comparison import best_gains, threshold_gains
from lionheart_opt.results.metrics import thresholds

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.results.result import SearchResult


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdInfo:
    """Best speed-ups with at most one drop.

    Args:
        max_drop: the threshold, a fraction.
        quartiles: over seeds, shape (n_strategies, 3).
        found: whether every seed found a mapping, shape (n_strategies,); one without counts as 1x.
        truth: the best of all mappings; None where it is not known.
    """

    max_drop: float
    quartiles: np.ndarray
    found: np.ndarray
    truth: float | None


def threshold_info(
    runs: Sequence[SearchResult], truth: SearchResult | None = None
) -> list[ThresholdInfo]:
    """One entry a threshold; strategies in the order in which they come."""
    labels = dict.fromkeys(run.label for run in runs)
    grouped = [[run for run in runs if run.label == label] for label in labels]
    infos = []
    for max_drop in thresholds(runs[0].problem.accuracy_limit):
        quartiles = [
            np.quantile(
                [speedup for speedup, _ in threshold_gains(mine, max_drop)], [0.25, 0.5, 0.75]
            )
            for mine in grouped
        ]
        ceiling = best_gains(truth, max_drop) if truth else None
        infos.append(
            ThresholdInfo(
                max_drop=max_drop,
                quartiles=np.array(quartiles),
                found=np.array(
                    [all(best_gains(run, max_drop) for run in mine) for mine in grouped], dtype=bool
                ),
                truth=ceiling and ceiling[0],
            )
        )
    return infos


def threshold_figure(runs: Sequence[SearchResult], truth: SearchResult | None = None) -> Figure:
    """One panel a threshold, one row a strategy: median over seeds (dot), quartiles (bar).

    Hollow: a seed found nothing and counts as all-digital. Dashed: the ground truth.
    """
    labels = list(dict.fromkeys(run.label for run in runs))
    infos = threshold_info(runs, truth)
    width = 1.6 + 1.35 * len(infos)
    figure, grid = new_figures(1, len(infos), width, 1.1 + 0.2 * len(labels))
    rows = np.arange(len(labels))[::-1]
    for k, (axes, info) in enumerate(zip(grid[0], infos, strict=True)):
        low, middle, high = info.quartiles.T
        axes.hlines(rows, low, high, color=COLOURS[0], linewidth=2.5, alpha=0.4)
        for found, face in ((info.found, COLOURS[0]), (~info.found, "white")):
            axes.scatter(
                middle[found], rows[found], s=18, facecolor=face, edgecolor=COLOURS[0], zorder=3
            )
        if info.truth is not None:
            axes.axvline(info.truth, color="black", linestyle="--", linewidth=0.8)
        axes.set_title(f"drop ≤ {100 * info.max_drop:g} points", fontsize=8)
        axes.set_yticks(rows, labels if k == 0 else [""] * len(labels), fontsize=8)
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.set_xlim(*_range([*info.quartiles.flat, info.truth or 1.0]))
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(axis="x", labelsize=7)
    note = "hollow: a seed found nothing"
    dashed = "; dashed: ground truth" if truth else ""
    figure.supxlabel(
        f"speed-up over all-digital (median, quartiles over seeds; {note}{dashed})", fontsize=8
    )
    return figure


def _range(speedups: Sequence[float]) -> tuple[float, float]:
    """From all-digital to the largest, with some room; small differences stay small."""
    low, high = min([1.0, *speedups]), max([1.05, *speedups])
    room = 0.08 * (high - low)
    return low - room, high + room
