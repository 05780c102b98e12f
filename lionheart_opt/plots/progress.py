"""The figure of progress: hypervolume as trials or oracle seconds are spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from lionheart_opt.errors import unknown
from lionheart_opt.plots.source import Source, as_results, truth_of
from lionheart_opt.plots.style import GREY, as_text, legend_above, look, new_panels, paper_style
from lionheart_opt.results.history import final_hypervolume, history
from lionheart_opt.results.result import SearchResult

#: What a search spends.
Spent = Literal["trials", "seconds"]
_AXES: dict[Spent, str] = {"trials": "trials", "seconds": "oracle time spent (s)"}
#: Times that reach over more than this factor are shown on a logarithmic axis.
LOGARITHMIC = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgressInfo:
    """Hypervolume of one strategy as its budget is spent.

    Args:
        label: The strategy's label.
        spent: Trials or oracle seconds, growing from zero, shape (n,).
        quartiles: Quartiles of the hypervolume over seeds, shape (3, n).
        seeds: Number of seeds.
    """

    label: str
    spent: np.ndarray
    quartiles: np.ndarray
    seeds: int


def progress_info(results: Sequence[SearchResult], spent: Spent) -> list[ProgressInfo]:
    """Quartiles over seeds at every moment when one of them received an evaluation.

    A seed counts with the hypervolume after its latest evaluation, also when it has ended.
    """
    infos = []
    for label in dict.fromkeys(result.label for result in results):
        histories = [history(result) for result in results if result.label == label]
        if spent == "trials":
            histories = [(np.arange(len(volume)), volume) for _, volume in histories]
        moments = np.unique(np.concatenate([moments for moments, _ in histories]))
        values = [
            volume[np.searchsorted(answered, moments, side="right") - 1]
            for answered, volume in histories
        ]
        quartiles = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        infos.append(
            ProgressInfo(label=label, spent=moments, quartiles=quartiles, seeds=len(histories))
        )
    return infos


@paper_style()
def progress(
    source: Source, *, spent: Spent = "trials", truth: SearchResult | None = None
) -> Figure:
    """Hypervolume against what was spent: median over seeds (line) and quartiles (band).

    The hypervolume is the share of the box between (all-digital's time, the limit's drop) and (0, 0)
    that the evaluated mappings dominate. Lines are dotted after a strategy's last evaluation. Where each
    strategy has a panel of its own, thin grey lines are the medians of the others.

    Args:
        source: A study, a `SearchResult`, or several.
        spent: What is counted: trials, or seconds of the oracle.
        truth: Every mapping, evaluated; by default that of the study, where it is known. Its
            hypervolume is the dashed line.

    Raises:
        InputError: `spent` is unknown, or the source holds nothing that one figure can show.
    """
    if spent not in get_args(Spent):
        raise unknown("unit of what is spent", spent, get_args(Spent))
    results = as_results(source)
    truth = truth or truth_of(source)
    infos = progress_info(results, spent)
    figure, panels = new_panels(
        [info.label for info in infos], _AXES[spent], "hypervolume (share of the box)"
    )
    end = max(info.spent[-1] for info in infos)
    first = min((info.spent[1] for info in infos if len(info.spent) > 1), default=1.0)
    logarithmic = spent == "seconds" and end > LOGARITHMIC * first > 0
    for axes, shown in panels:
        if truth is not None:
            axes.axhline(final_hypervolume(truth), color="black", linestyle="--", linewidth=0.8)
        for info in infos:
            if info.label not in shown:
                thin = {"color": GREY, "alpha": 0.45, "linewidth": 0.6}
                axes.step(*_corners(info.spent, info.quartiles[1]), where="post", **thin)
        for k, info in enumerate(info for info in infos if info.label in shown):
            _curve(axes, info, end, *look(k))
        axes.set_ylim(bottom=0)
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(0.8 * first, 1.3 * end)
        elif end > 0:
            if spent == "trials":
                axes.locator_params(axis="x", integer=True)
            start = first - 0.04 * (end - first) if end / 2 < first < end else 0.0
            axes.set_xlim(start, end + 0.04 * (end - start))
    several = any(info.seeds > 1 for info in infos)
    legend_above(figure, _handles(infos, len(panels) > 1, several, truth is not None))
    return figure


def _curve(axes: Any, info: ProgressInfo, end: float, colour: str, marker: str) -> None:
    low, middle, high = info.quartiles
    axes.step(*_corners(info.spent, middle), where="post", color=colour, linewidth=1.5)
    axes.plot(info.spent[-1], middle[-1], color=colour, marker=marker)
    axes.hlines(middle[-1], info.spent[-1], end, color=colour, linestyle=":", linewidth=1.0)
    spent, low, high = _corners(info.spent, low, high)
    axes.fill_between(spent, low, high, step="post", color=colour, alpha=0.2, linewidth=0)


def _corners(spent: np.ndarray, *steps: np.ndarray) -> tuple[np.ndarray, ...]:
    """Both ends of step functions, and where one of them changes; nothing else is drawn."""
    changes = np.any([np.diff(each, prepend=np.nan) != 0.0 for each in steps], axis=0)
    changes[-1:] = True
    return spent[changes], *(each[changes] for each in steps)


def _handles(infos: Sequence[ProgressInfo], many: bool, several: bool, truth: bool) -> list[Any]:
    """The legend: strategies where they share a panel, and what the signs mean."""
    if many:
        colour = look(0)[0]
        names = [Line2D([], [], color=colour, linewidth=1.5, marker="o", label="median over seeds")]
    else:
        colour = GREY
        names = [
            Line2D([], [], color=look(k)[0], marker=look(k)[1], label=as_text(info.label))
            for k, info in enumerate(infos)
        ]
    handles: list[Any] = [
        *names,
        Line2D([], [], color=colour, linestyle=":", label="after the last trial"),
    ]
    if several:
        handles.append(Patch(color=colour, alpha=0.3, linewidth=0, label="quartiles over seeds"))
    if many:
        handles.append(
            Line2D([], [], color=GREY, alpha=0.45, linewidth=0.8, label="other strategies")
        )
    if truth:
        handles.append(
            Line2D([], [], color="black", linestyle="--", linewidth=0.8, label="ground truth")
        )
    return handles
