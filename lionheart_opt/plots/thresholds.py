"""The figure of thresholds: the best speed-up of each strategy within each largest drop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lionheart_opt.estimates import Estimate
from lionheart_opt.plots.source import Source, as_results, truth_of
from lionheart_opt.plots.style import (
    COLOURS,
    COLUMN,
    GREY,
    PAGE,
    as_text,
    legend_above,
    new_figure,
    paper_style,
)
from lionheart_opt.results import metrics
from lionheart_opt.results.at_thresholds import (
    best_gains,
    fastest_of,
    median_interval,
    shares_of,
)
from lionheart_opt.results.result import SearchResult

BAND: dict[str, Any] = {"color": GREY, "alpha": 0.15, "linewidth": 0}
WHISKER: dict[str, Any] = {"color": "black", "linewidth": 0.8}


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdInfo:
    """Best speed-ups within one largest drop.

    Args:
        max_drop: The threshold, as a fraction.
        quartiles: Quartiles of the speed-up over seeds, shape (n_strategies, 3).
        found: Whether every seed found a mapping, shape (n_strategies,); a seed without one counts as
            1x.
        truth: The best speed-up of all mappings; None where it is not known.
        largest: The largest speed-up, of all mappings or of all strategies, with its interval of 95 %.
        distance: Ends of the interval of 95 % of each strategy's median, if the largest speed-up were
            known exactly, shape (n_strategies, 2); NaN where they are not known.
    """

    max_drop: float
    quartiles: np.ndarray
    found: np.ndarray
    truth: float | None
    largest: Estimate
    distance: np.ndarray


def threshold_info(
    results: Sequence[SearchResult], truth: SearchResult | None = None
) -> list[ThresholdInfo]:
    """One entry a threshold; strategies in the order in which they come."""
    labels = dict.fromkeys(result.label for result in results)
    strategies = [[result for result in results if result.label == label] for label in labels]
    infos = []
    for max_drop in metrics.thresholds(results[0].problem.accuracy_limit):
        gains = [[best_gains(seed, max_drop) for seed in seeds] for seeds in strategies]
        quartiles = [
            np.quantile([max(pair[0], 1.0) if pair else 1.0 for pair in pairs], [0.25, 0.5, 0.75])
            for pairs in gains
        ]
        found = [all(pairs) for pairs in gains]
        best = best_gains(truth, max_drop) if truth else None
        reference = fastest_of([truth] if truth and best else results, max_drop)
        [known] = results[0].problem.estimates([reference])
        shares = [median_interval(shares_of(seeds, max_drop, reference)) for seeds in strategies]
        distance = [share or [np.nan, np.nan] for share in shares]
        infos.append(
            ThresholdInfo(
                max_drop=max_drop,
                quartiles=np.array(quartiles),
                found=np.array(found, dtype=bool),
                truth=best and best[0],
                largest=known["speedup"],
                distance=known["speedup"].value * np.array(distance),
            )
        )
    return infos


@paper_style()
def thresholds(source: Source, *, truth: SearchResult | None = None) -> Figure:
    """One panel a threshold, one row a strategy: median over seeds (dot) and quartiles (bar).

    Hollow dots: some seed found no mapping and counts as all-digital. Dashed lines: the ground truth.

    The grey band is the interval of 95 % of the largest speed-up over all-digital, of the ground truth or
    else of all strategies. It follows from the constants of the system, which all mappings share: an
    error moves the whole panel. So whiskers show what remains of the difference between a strategy's
    median and the largest speed-up. A strategy that reaches it has none.

    Args:
        source: A study, a `SearchResult`, or several.
        truth: Every mapping, evaluated; by default that of the study, where it is known.

    Raises:
        InputError: The source holds nothing that one figure can show.
    """
    results = as_results(source)
    truth = truth or truth_of(source)
    labels = list(dict.fromkeys(result.label for result in results))
    infos = threshold_info(results, truth)
    width = COLUMN if len(infos) == 1 else PAGE
    figure, [panels] = new_figure(1, len(infos), width, 0.9 + 0.18 * len(labels))
    rows = np.arange(len(labels))[::-1]
    for k, (axes, info) in enumerate(zip(panels, infos, strict=True)):
        if info.largest.low is not None and info.largest.high is not None:
            axes.axvspan(info.largest.low, info.largest.high, **BAND)
        low, middle, high = info.quartiles.T
        axes.hlines(rows, low, high, color=COLOURS[0], linewidth=2.5, alpha=0.4)
        axes.hlines(rows, *info.distance.T, **WHISKER)
        for kept, face in ((info.found, COLOURS[0]), (~info.found, "white")):
            axes.scatter(
                middle[kept], rows[kept], s=16, facecolor=face, edgecolor=COLOURS[0], zorder=3
            )
        if info.truth is not None:
            axes.axvline(info.truth, color="black", linestyle="--", linewidth=0.8)
        axes.set_title(f"drop ≤ {results[0].metric.in_words(info.max_drop)}", fontsize=7)
        names = [as_text(label, 30) for label in labels]
        axes.set_yticks(rows, names if k == 0 else [""] * len(labels))
        axes.set_ylim(-0.6, len(labels) - 0.4)
        drawn = [*info.quartiles.flat, *info.distance.flat, *info.largest[1:], info.truth]
        axes.set_xlim(*_range([each for each in drawn if each is not None and np.isfinite(each)]))
        axes.locator_params(axis="x", nbins=3)
    figure.supxlabel("speed-up over all-digital (×)", fontsize=8)
    dot: dict[str, Any] = {"color": COLOURS[0], "linestyle": "", "marker": "o"}
    handles: list[Any] = [Line2D([], [], label="median over seeds", **dot)]
    if not all(info.found.all() for info in infos):
        label = "some seed found nothing (counts as 1×)"
        handles.append(Line2D([], [], markerfacecolor="white", label=label, **dot))
    if len(results) > len(labels):
        bar: dict[str, Any] = {"color": COLOURS[0], "linewidth": 2.5, "alpha": 0.4}
        handles.append(Line2D([], [], label="quartiles over seeds", **bar))
    if truth is not None:
        dashed: dict[str, Any] = {"color": "black", "linestyle": "--", "linewidth": 0.8}
        handles.append(Line2D([], [], label="ground truth", **dashed))
    if any(info.largest.low != info.largest.high for info in infos):
        handles.append(Patch(label="95 % interval of the largest, common to all", **BAND))
    if any((np.ptp(info.distance, axis=1) > 0).any() for info in infos):
        handles.append(Line2D([], [], label="95 % interval of the difference to it", **WHISKER))
    legend_above(figure, handles)
    return figure


def _range(speedups: Sequence[float]) -> tuple[float, float]:
    """From all-digital to the largest, with some room; small differences stay small."""
    low, high = min([1.0, *speedups]), max([1.05, *speedups])
    room = 0.08 * (high - low)
    return low - room, high + room
