"""The figure of costs beside the best: what each strategy's best mapping costs, in pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isclose
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lionheart_opt.cost import COST_OBJECTIVES
from lionheart_opt.plots.source import Source, as_results
from lionheart_opt.plots.style import (
    COLOURS,
    COLUMN,
    PAGE,
    as_text,
    legend_above,
    new_figure,
    paper_style,
    say,
)
from lionheart_opt.results.beside_best import costs_over_best
from lionheart_opt.results.result import SearchResult

HEADS = {"latency_s": "latency", "interval_s": "time per inference", "energy_j": "energy"}


@dataclass(frozen=True, kw_only=True, eq=False)
class BesideBestInfo:
    """How many times as much the best mappings of strategies cost as the best of all.

    Args:
        labels: Labels of the strategies.
        ratios: Quantity -> ratio and the ends of its interval of 95 %, shape (n_strategies, 3); NaN where
            a strategy has found nothing, or where an end is not known.
        is_open: Quantity -> whether the interval contains 1 for another mapping than the best, shape
            (n_strategies,).
    """

    labels: list[str]
    ratios: dict[str, np.ndarray]
    is_open: dict[str, np.ndarray]


def beside_best_info(results: Sequence[SearchResult]) -> BesideBestInfo:
    """The ratios of `costs_over_best`; the time per inference only where it is not the latency."""
    labels = list(dict.fromkeys(result.label for result in results))
    rows = [
        costs_over_best([each for each in results if each.label == label], results)
        for label in labels
    ]
    names: list[str] = list(COST_OBJECTIVES)
    found = [row for row in rows if row is not None]
    if all(isclose(row["latency_s"]["ratio"], row["interval_s"]["ratio"]) for row in found):
        names.remove("interval_s")
    unknown: dict[str, Any] = {"ratio": np.nan, "interval": None, "told_apart": None}
    ratios, is_open = {}, {}
    for name in names:
        costs = [unknown if row is None else row[name] for row in rows]
        values = [(cost["ratio"], *(cost["interval"] or (np.nan, np.nan))) for cost in costs]
        ratios[name] = np.array(values, dtype=float)
        is_other = ratios[name][:, 1] < ratios[name][:, 2]
        is_open[name] = is_other & [cost["told_apart"] is False for cost in costs]
    return BesideBestInfo(labels=labels, ratios=ratios, is_open=is_open)


@paper_style()
def beside_best(source: Source) -> Figure:
    """How many times as much each strategy's best mapping costs as the best of all strategies.

    Whiskers are intervals of 95 % of these ratios. Both mappings rest on the same constants of the
    system, so that their errors mostly cancel: ratios are known better than the gains over all-digital.
    Hollow dots are not told apart from the best.

    Args:
        source: A study, a `SearchResult`, or several.

    Raises:
        InputError: The source holds nothing that one figure can show.
    """
    info = beside_best_info(as_results(source))
    width = COLUMN if len(info.ratios) == 1 else PAGE
    figure, [panels] = new_figure(1, len(info.ratios), width, 0.9 + 0.18 * len(info.labels))
    rows = np.arange(len(info.labels))[::-1]
    for k, (axes, (name, ratios)) in enumerate(zip(panels, info.ratios.items(), strict=True)):
        value, low, high = ratios.T
        is_open = info.is_open[name]
        axes.hlines(rows, low, high, color=COLOURS[0], linewidth=1.0)
        for kept, face in ((~is_open, COLOURS[0]), (is_open, "white")):
            look = {"s": 16, "facecolor": face, "edgecolor": COLOURS[0], "zorder": 3}
            axes.scatter(value[kept], rows[kept], **look)
        axes.axvline(1.0, color="black", linewidth=0.8)
        labels = [as_text(label, 30) for label in info.labels]
        axes.set_yticks(rows, labels if k == 0 else [""] * len(labels))
        axes.set_ylim(-0.6, len(labels) - 0.4)
        axes.locator_params(axis="x", nbins=4)
        axes.set_title(HEADS[name], fontsize=7)
        if np.isnan(value).all():
            say(axes, "nothing is feasible")
    figure.supxlabel(
        "cost of the best mapping, as a multiple of that of the best of all", fontsize=8
    )
    legend_above(figure, _signs(info))
    return figure


def _signs(info: BesideBestInfo) -> list[Line2D]:
    dot: dict[str, Any] = {"color": COLOURS[0], "marker": "o", "linestyle": ""}
    handles = [Line2D([], [], label="best of its seeds", **dot)]
    if any((ratios[:, 1] < ratios[:, 2]).any() for ratios in info.ratios.values()):
        label = "95 % interval of the ratio (shared constants cancel)"
        handles.append(Line2D([], [], color=COLOURS[0], linewidth=1.0, label=label))
    if any(is_open.any() for is_open in info.is_open.values()):
        label = "not told apart from the best"
        handles.append(Line2D([], [], markerfacecolor="white", label=label, **dot))
    return handles
