"""Every figure of a study, as PDF and PNG; that of the mappings is here.

What figures show is computed by `*_info`, drawn by `*_figure`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lionheart_opt.plots.drift import drift_figure
from lionheart_opt.plots.pareto import pareto_figure
from lionheart_opt.plots.progress import hypervolume_figure
from lionheart_opt.plots.style import COLOURS, STYLE, new_figure, save
from lionheart_opt.plots.thresholds import threshold_figure
from lionheart_opt.results.metrics import gains

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.results.result import SearchResult

#: More incumbents than this are too many rows: then each strategy shows the best of its seeds.
MOST_ROWS = 20


def draw_study(
    runs: Sequence[SearchResult], truth: SearchResult | None, folder: Path
) -> list[Path]:
    """Write every figure of a study as PDF and PNG; the paths written.

    Args:
        runs: of all strategies and seeds; answers to one question.
        truth: every mapping evaluated, where that is known.
        folder: created where it does not exist.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        figures = {
            "pareto": pareto_figure(runs, "speed-up", truth),
            "mac_ratio": pareto_figure(runs, "analog MACs", truth),
            "hypervolume_trials": hypervolume_figure(runs, "trials", truth),
            "hypervolume_seconds": hypervolume_figure(runs, "seconds", truth),
            "thresholds": threshold_figure(runs, truth),
            "mappings": mapping_figure(runs),
            "drift": drift_figure(runs),
        }
        return [path for name, figure in figures.items() for path in save(figure, folder, name)]


def mapping_figure(runs: Sequence[SearchResult]) -> Figure:
    """Which target runs each unit in each search's incumbent; of many, in each strategy's best one."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    found = [(run, run.best) for run in runs if run.best is not None]
    if len(found) > MOST_ROWS:
        found.sort(key=lambda one: tuple(one[1].objectives.values()))
        best = {run.label: (run, one) for run, one in reversed(found)}
        found = [best[label] for label in dict.fromkeys(run.label for run in runs) if label in best]
    problem = runs[0].problem
    units = [unit.name for unit in problem.units]
    targets = [target.name for target in problem.system.targets]
    grid = np.array(
        [[targets.index(best.mapping[unit]) for unit in units] for _, best in found]
    ).reshape(len(found), len(units))
    figure, axes = new_figure(1.8 + 0.34 * len(units), 1.2 + 0.24 * len(found))
    palette = ["#E8E8E8", *COLOURS][: len(targets)]
    if len(found):
        axes.imshow(
            grid, cmap=ListedColormap(palette), vmin=-0.5, vmax=len(targets) - 0.5, aspect="auto"
        )
    axes.grid(visible=False)
    axes.set_xticks(np.arange(len(units)), units, rotation=60, ha="right", fontsize=7)
    axes.set_xticks(np.arange(len(units) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(found) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5, alpha=1)
    axes.tick_params(which="minor", length=0)
    labels = [
        f"{run.label} (seed {run.seed}), {gains(problem, best.cost)[0]:.2f}x" for run, best in found
    ]
    axes.set_yticks(np.arange(len(found)), labels, fontsize=7)
    handles = [
        Patch(color=colour, label=name) for colour, name in zip(palette, targets, strict=True)
    ]
    axes.legend(handles=handles, bbox_to_anchor=(1.02, 1), loc="upper left")
    axes.set_xlabel("unit, in execution order")
    return figure
