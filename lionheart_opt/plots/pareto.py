"""The figure of all evaluations: drop against speed-up, or against the share of analog MACs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lionheart_opt.errors import unknown
from lionheart_opt.evaluation import non_dominated
from lionheart_opt.plots.source import Source, as_results, truth_of
from lionheart_opt.plots.style import (
    CROWDED,
    GREY,
    MANY,
    as_text,
    drop_label,
    duration,
    legend_above,
    look,
    new_panels,
    paper_style,
    say,
)
from lionheart_opt.results.best import outcome_of
from lionheart_opt.results.result import SearchResult

#: What a mapping gains. The share of MACs is LionHeart's own axis (Figs. 5 and 7).
Gain = Literal["speed-up", "analog MACs"]
_AXES: dict[Gain, str] = {
    "speed-up": "speed-up over all-digital (×)",
    "analog MACs": "analog MACs (% of all)",
}
#: Drops beyond this multiple of the limit are drawn at the upper edge.
BEYOND = 2.0
#: Points of fronts in a panel that have a bar, at most: more would hide the points.
MOST_BARS = 6
BAR: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.6}


@dataclass(frozen=True, kw_only=True, eq=False)
class ParetoInfo:
    """Points of one strategy, all seeds together.

    Args:
        label: The strategy's label.
        gain: Speed-up over all-digital, or analog MACs in %, shape (n,).
        drop: Drops as they are shown (the limit's statistic at its worst time), shape (n,).
        feasible: Whether each point keeps every limit, shape (n,).
        front: Row numbers of the feasible points that no other feasible one dominates, by gain.
        bars: Row numbers of the points of the front whose intervals are known and shown, shape (n_bars,).
        ends: Ends of these intervals of 95 % of gains, shape (2, n_bars).
    """

    label: str
    gain: np.ndarray
    drop: np.ndarray
    feasible: np.ndarray
    front: np.ndarray
    bars: np.ndarray
    ends: np.ndarray


def pareto_info(
    label: str, results: Sequence[SearchResult], gain: Gain, *, most_bars: int = MOST_BARS
) -> ParetoInfo:
    """Gain against drop of everything that these searches have measured.

    Args:
        label: What figures call them.
        results: The searches.
        gain: What a mapping gains; of speed-ups, points of the front have intervals.
        most_bars: Number of such points at most, from one end of the front to the other.
    """
    points = np.concatenate([result.points for result in results])
    measured = [(result, evaluation) for result in results for evaluation in result.measured]
    if gain == "speed-up":
        gains = 1.0 / points[:, 0]
    else:
        ratios = [
            result.problem.analog_mac_ratio(evaluation.mapping) for result, evaluation in measured
        ]
        gains = 100.0 * np.array(ratios)
    drops = results[0].metric.drop_scale * points[:, 1]
    feasible = np.array([evaluation.feasible for _, evaluation in measured], dtype=bool)
    rows = np.flatnonzero(feasible)
    front = rows[non_dominated(np.column_stack([-gains, drops])[rows])][::-1]  # most gain last
    n_bars = most_bars if gain == "speed-up" and len(front) else 0
    bars = front[np.unique(np.linspace(0, len(front) - 1, n_bars).round().astype(int))]
    mappings = [measured[row][1].mapping for row in bars]
    width = results[0].problem.half_widths(mappings)["speedup"]
    bars, width = bars[np.isfinite(width)], width[np.isfinite(width)]
    return ParetoInfo(
        label=label,
        gain=gains,
        drop=drops,
        feasible=feasible,
        front=front,
        bars=bars,
        ends=gains[bars] * np.exp([-width, width]),
    )


@paper_style()
def pareto(source: Source, *, gain: Gain = "speed-up", truth: SearchResult | None = None) -> Figure:
    """Drop against gain of every evaluation.

    Filled points keep the limits; lines are Pareto fronts. The grey line is the front of the ground
    truth. Where that is not known and each strategy has a panel of its own, it is the front of all
    strategies together.

    Horizontal bars are intervals of 95 % of speed-ups over all-digital, of some points on each front.
    They follow from the constants of the system. All mappings share these, so that an error moves all
    points together: which of two mappings is faster is known better, see `thresholds` and `beside_best`.

    Args:
        source: A study, a `SearchResult`, or several.
        gain: What a mapping gains: the speed-up over all-digital, or the share of analog MACs.
        truth: Every mapping, evaluated; by default that of the study, where it is known.

    Raises:
        InputError: `gain` is unknown, or the source holds nothing that one figure can show.
    """
    if gain not in get_args(Gain):
        raise unknown("gain", gain, get_args(Gain))
    results = as_results(source)
    truth = truth or truth_of(source)
    limit, metric = results[0].problem.accuracy_limit, results[0].metric
    labels = list(dict.fromkeys(result.label for result in results))
    n_bars = MOST_BARS if len(labels) > MANY else max(MOST_BARS // len(labels), 2)
    infos = {
        label: pareto_info(
            label,
            [result for result in results if result.label == label],
            gain,
            most_bars=n_bars,
        )
        for label in labels
    }
    times = " or ".join(duration(time_s) for time_s in limit.times_s)
    figure, panels = new_panels(labels, _AXES[gain], drop_label(metric, f" after {times}"))
    reference = None
    if truth is not None:
        reference = pareto_info("ground truth", [truth], gain, most_bars=0)
    elif len(panels) > 1:
        reference = pareto_info("all strategies", results, gain, most_bars=0)
    highest = max(info.drop.max(initial=0.0) for info in infos.values())
    edge = BEYOND * metric.drop_scale * limit.max_drop
    top = edge if 0 < edge < highest else None
    for axes, shown in panels:
        if reference is not None:
            _line(axes, reference, GREY, 1.5)
        for k, label in enumerate(shown):
            _points(axes, infos[label], *look(k), top)
            _bars(axes, infos[label], look(k)[0])
        axes.axhline(
            metric.drop_scale * limit.max_drop, color="black", linestyle="--", linewidth=0.8
        )
        if top is not None:
            axes.set_ylim(top=1.04 * top)
        mine = [result for result in results if result.label in shown]
        if not any(len(infos[label].gain) for label in shown):
            say(axes, "nothing was measured")
        elif not any(result.beats_all_digital for result in mine):
            foot = {"transform": axes.transAxes, "ha": "center", "va": "bottom"}
            axes.text(0.5, 0.02, outcome_of(mine), color=GREY, fontsize=6, **foot)
    colours = [look(k) for k in range(len(labels))] if len(panels) == 1 else []
    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=1.2, label=as_text(label))
        for label, (colour, marker) in zip(labels, colours, strict=False)
    ]
    if reference is not None:
        handles.append(Line2D([], [], color=GREY, linewidth=1.5, label=f"front: {reference.label}"))
    if any(len(info.bars) for info in infos.values()):
        label = "95 % interval, errors shared"
        handles.append(Line2D([], [], color=GREY, label=label, **BAR))
    legend_above(figure, [*handles, *_signs(metric.in_words(limit.max_drop), top is not None)])
    return figure


def _line(axes: Any, info: ParetoInfo, colour: str, width: float) -> None:
    axes.step(
        info.gain[info.front], info.drop[info.front], where="pre", color=colour, linewidth=width
    )


def _points(axes: Any, info: ParetoInfo, colour: str, marker: str, top: float | None) -> None:
    kept = info.feasible
    filled = {"color": colour, "marker": marker, "linewidth": 0}
    crowded = {"rasterized": len(kept) > CROWDED}
    axes.scatter(info.gain[kept], info.drop[kept], s=10, alpha=0.4, **filled, **crowded)
    axes.scatter(info.gain[info.front], info.drop[info.front], s=14, zorder=3, **filled)
    beyond = ~kept & (info.drop > (np.inf if top is None else top))
    for rows, sign, drop in (
        (~kept & ~beyond, marker, info.drop),
        (beyond, "^", np.full(len(info.drop), top, dtype=float)),
    ):
        hollow = {"s": 10, "facecolors": "none", "edgecolors": colour, "linewidth": 0.7}
        axes.scatter(info.gain[rows], drop[rows], marker=sign, alpha=0.6, **hollow, **crowded)
    _line(axes, info, colour, 1.2)


def _bars(axes: Any, info: ParetoInfo, colour: str) -> None:
    if len(info.bars):
        axes.hlines(info.drop[info.bars], *info.ends, color=colour, **BAR)


def _signs(limit_text: str, beyond: bool) -> list[Line2D]:
    """What fillings and lines mean, whatever the strategy."""
    hollow: dict[str, Any] = {"color": "black", "linestyle": "", "fillstyle": "none"}
    handles = [
        Line2D([], [], color="black", linestyle="", marker="o", label="limits hold"),
        Line2D([], [], marker="o", label="limits do not hold", **hollow),
    ]
    if beyond:
        handles.append(Line2D([], [], marker="^", label="beyond the axis", **hollow))
    label = f"limit: {limit_text}"
    return [*handles, Line2D([], [], color="black", linestyle="--", linewidth=0.8, label=label)]
