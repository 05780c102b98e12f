"""The figures of progress: hypervolume as trials and oracle time are spent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lionheart_opt.plots.style import GREY, look, new_panels
from lionheart_opt.results.history import final_hypervolume, history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.results.result import SearchResult

#: What is spent.
Spent = Literal["trials", "seconds"]
_AXES: dict[Spent, str] = {"trials": "trials", "seconds": "oracle time spent (s)"}
#: Times that reach over more than this factor are shown on a logarithmic axis.
LOGARITHMIC = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ProgressInfo:
    """Hypervolume of one strategy as its budget is spent.

    Args:
        label: the strategy.
        spent: trials or oracle seconds, growing from zero, shape (n,).
        quartiles: over seeds, shape (3, n).
    """

    label: str
    spent: np.ndarray
    quartiles: np.ndarray


def progress_info(runs: Sequence[SearchResult], spent: Spent) -> list[ProgressInfo]:
    """Quartiles over seeds at every moment when one of them got an answer.

    Each seed has what it had after its last answer so far, also beyond its end.
    """
    infos = []
    for label in dict.fromkeys(run.label for run in runs):
        histories = [history(run) for run in runs if run.label == label]
        if spent == "trials":
            histories = [(np.arange(len(volume)), volume) for _, volume in histories]
        moments = np.unique(np.concatenate([moments for moments, _ in histories]))
        values = [
            volume[np.searchsorted(answered, moments, side="right") - 1]
            for answered, volume in histories
        ]
        quartiles = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        infos.append(ProgressInfo(label=label, spent=moments, quartiles=quartiles))
    return infos


def hypervolume_figure(
    runs: Sequence[SearchResult], spent: Spent, truth: SearchResult | None = None
) -> Figure:
    """Median (line) and quartile band over seeds; dotted after a strategy's last answer.

    Where each strategy has a panel of its own, the medians of the others are grey lines.
    """
    infos = progress_info(runs, spent)
    figure, panels = new_panels(
        [info.label for info in infos], _AXES[spent], "hypervolume (share of the box)"
    )
    end = max(info.spent[-1] for info in infos)
    first = min((info.spent[1] for info in infos if len(info.spent) > 1), default=1.0)
    logarithmic = spent == "seconds" and end > LOGARITHMIC * first > 0
    for axes, shown in panels:
        if truth is not None:
            whole = final_hypervolume(truth)
            axes.axhline(whole, color="black", linestyle="--", linewidth=0.8, label="ground truth")
        for info in infos:
            if info.label not in shown:
                middle = info.quartiles[1]
                axes.step(info.spent, middle, where="post", color=GREY, alpha=0.45, linewidth=0.6)
        for k, label in enumerate(shown):
            [info] = [one for one in infos if one.label == label]
            colour, marker = look(k)
            low, middle, high = info.quartiles
            axes.step(info.spent, middle, where="post", color=colour, linewidth=1.5)
            axes.plot(
                info.spent[-1], middle[-1], color=colour, marker=marker, markersize=4, label=label
            )
            axes.hlines(middle[-1], info.spent[-1], end, color=colour, linestyle=":", linewidth=1.0)
            axes.fill_between(
                info.spent, low, high, step="post", color=colour, alpha=0.2, linewidth=0
            )
        axes.set_ylim(bottom=0)
        if logarithmic:
            axes.set_xscale("log")
            axes.set_xlim(0.8 * first, 1.3 * end)
        elif end > 0:
            axes.set_xlim(0, 1.04 * end)
    if len(panels) == 1:
        panels[0][0].legend(bbox_to_anchor=(1.02, 1), loc="upper left")
    else:
        _legend(figure, truth is not None)
    return figure


def _legend(figure: Figure, truth: bool) -> None:
    """What lines mean where each strategy has a panel."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    colour = look(0)[0]
    handles = [
        Line2D([], [], color=colour, linewidth=1.5, marker="o", markersize=4, label="median"),
        Patch(color=colour, alpha=0.2, linewidth=0, label="quartiles over seeds"),
        Line2D([], [], color=colour, linestyle=":", label="after its last answer"),
        Line2D([], [], color=GREY, alpha=0.45, linewidth=0.8, label="the other strategies"),
    ]
    if truth:
        handles.append(
            Line2D([], [], color="black", linestyle="--", linewidth=0.8, label="ground truth")
        )
    figure.legend(handles=handles, loc="outside upper center", ncols=5, fontsize=7)
