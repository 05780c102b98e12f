"""The figures of what was evaluated: drop against speed-up, and against the share of analog MACs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lionheart_opt.plots.style import GREY, look, new_panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.results.result import SearchResult

#: What a mapping gains. The share of MACs is LionHeart's own axis (Figs. 5 and 7).
Gain = Literal["speed-up", "analog MACs"]
_AXES: dict[Gain, str] = {
    "speed-up": "speed-up over all-digital",
    "analog MACs": "analog MACs (% of all)",
}
#: Drops beyond this multiple of the limit are drawn at the upper edge.
BEYOND = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ParetoInfo:
    """Points of one strategy, all seeds together.

    Args:
        label: the strategy.
        gain: speed-up over all-digital, or analog MACs in %, shape (n,).
        drop: in points (the limit's statistic at its worst time), shape (n,).
        feasible: shape (n,).
        front: numbers of the feasible points that no other feasible one dominates, by gain.
    """

    label: str
    gain: np.ndarray
    drop: np.ndarray
    feasible: np.ndarray
    front: np.ndarray


def pareto_info(label: str, runs: Sequence[SearchResult], gain: Gain = "speed-up") -> ParetoInfo:
    """Gain against drop of everything that some runs have measured."""
    pairs = np.concatenate([run.points for run in runs])
    if gain == "speed-up":
        gains = 1.0 / pairs[:, 0]
    else:
        ratios = [run.problem.analog_mac_ratio(one.mapping) for run in runs for one in run.measured]
        gains = 100.0 * np.array(ratios)
    feasible = np.array([one.feasible for run in runs for one in run.measured], dtype=bool)
    drop = 100.0 * pairs[:, 1]
    front: list[int] = []
    for k in np.lexsort((drop, -gains)):  # most gain first; of equal ones the most accurate
        if feasible[k] and (not front or drop[k] < drop[front[-1]]):
            front.append(int(k))
    return ParetoInfo(
        label=label,
        gain=gains,
        drop=drop,
        feasible=feasible,
        front=np.array(front[::-1], dtype=int),
    )


def pareto_figure(
    runs: Sequence[SearchResult], gain: Gain, truth: SearchResult | None = None
) -> Figure:
    """Drop against gain; filled points keep the limit, lines join fronts.

    The grey line is the front of the ground truth; of all strategies together where that is not
    known and each has a panel of its own.
    """
    labels = list(dict.fromkeys(run.label for run in runs))
    infos = {
        label: pareto_info(label, [run for run in runs if run.label == label], gain)
        for label in labels
    }
    limit = runs[0].problem.accuracy_limit
    times = " or ".join(_time(time_s) for time_s in limit.times_s)
    figure, panels = new_panels(
        labels, _AXES[gain], f"accuracy drop (points), {times} after programming"
    )
    reference = None
    if truth is not None:
        reference = pareto_info("ground truth", [truth], gain)
    elif len(panels) > 1:
        reference = pareto_info("all strategies", runs, gain)
    highest = max((info.drop.max(initial=0.0) for info in infos.values()), default=0.0)
    edge = BEYOND * 100 * limit.max_drop
    top = edge if 0 < edge < highest else None
    for axes, shown in panels:
        if reference is not None:
            axes.step(
                reference.gain[reference.front],
                reference.drop[reference.front],
                where="pre",
                color=GREY,
                linewidth=1.5,
                label=f"front of {reference.label}",
            )
        for k, label in enumerate(shown):
            _points(axes, infos[label], *look(k), top)
        axes.axhline(100 * limit.max_drop, color="black", linestyle="--", linewidth=0.8)
        if top is not None:
            axes.set_ylim(top=1.04 * top)
    _legend(figure, panels, f"limit: {100 * limit.max_drop:g} points", top)
    return figure


def _points(axes: Any, info: ParetoInfo, colour: str, marker: str, top: float | None) -> None:
    kept = info.feasible
    solid = {"s": 18, "color": colour, "marker": marker, "linewidth": 0, "zorder": 3}
    axes.scatter(info.gain[kept], info.drop[kept], label=info.label, **solid)
    beyond = ~kept & (info.drop > (np.inf if top is None else top))
    for these, style, drop in (
        (~kept & ~beyond, marker, info.drop),
        (beyond, "^", np.full(len(info.drop), top, dtype=float)),
    ):
        hollow = {"s": 14, "facecolors": "none", "edgecolors": colour, "linewidth": 0.7}
        axes.scatter(info.gain[these], drop[these], marker=style, alpha=0.6, **hollow)
    axes.step(
        info.gain[info.front], info.drop[info.front], where="pre", color=colour, linewidth=1.2
    )


def _legend(figure: Figure, panels: list[Any], limit: str, top: float | None) -> None:
    from matplotlib.lines import Line2D

    def entry(label: str, **style: Any) -> Any:
        return Line2D([], [], label=label, **{"color": "black", "linestyle": "", **style})

    handles = [
        entry("limit holds", marker="o", markersize=4),
        entry("does not hold", marker="o", markersize=4, fillstyle="none"),
        *([entry("beyond the axis", marker="^", markersize=4, fillstyle="none")] if top else []),
        entry(limit, linestyle="--", linewidth=0.8),
    ]
    found, _ = panels[0][0].get_legend_handles_labels()
    if len(panels) == 1:
        panels[0][0].legend(handles=[*found, *handles], bbox_to_anchor=(1.02, 1), loc="upper left")
    else:
        grey = [one for one in found if one.get_label().startswith("front")]
        figure.legend(handles=[*grey, *handles], loc="outside upper center", ncols=5, fontsize=7)


def _time(time_s: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if time_s >= length and time_s % length == 0:
            count = int(time_s // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{time_s:g} s"
