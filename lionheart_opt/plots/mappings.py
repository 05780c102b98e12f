"""The figure of mappings: which target runs each unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.plots.source import Source, as_results
from lionheart_opt.plots.style import (
    COLOURS,
    COLUMN,
    PAGE,
    as_text,
    legend_above,
    name_height,
    name_units,
    new_figure,
    paper_style,
    say,
    unit_text,
)
from lionheart_opt.results.result import SearchResult

#: More incumbents than this are too many rows: then each strategy shows the best of its seeds.
MOST_ROWS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class MappingsInfo:
    """The incumbents of some searches.

    Args:
        labels: Strategy, seed and speed-up of each incumbent.
        units: Names of the units that have a choice, in execution order.
        targets: Names of the system's targets.
        grid: Number of the target that runs each unit, shape (n_incumbents, n_units).
    """

    labels: list[str]
    units: list[str]
    targets: list[str]
    grid: np.ndarray


def mappings_info(results: Sequence[SearchResult]) -> MappingsInfo:
    """Each search's incumbent; if there are more than `MOST_ROWS`, each strategy's best one."""
    incumbents = [(result, result.best) for result in results if result.best is not None]
    if len(incumbents) > MOST_ROWS:
        best: dict[str, tuple[SearchResult, Evaluation]] = {}
        for result, evaluation in incumbents:
            rival = best.get(result.label)
            if rival is None or _objectives(evaluation) < _objectives(rival[1]):
                best[result.label] = result, evaluation
        incumbents = list(best.values())
    problem = results[0].problem
    units = [unit.name for unit in problem.units]
    targets = [target.name for target in problem.system.targets]
    rows = [
        [targets.index(evaluation.mapping[unit]) for unit in units] for _, evaluation in incumbents
    ]
    labels = [
        f"{as_text(result.label, 30)}, seed {result.seed}: {_worth(result, evaluation)}"
        for result, evaluation in incumbents
    ]
    grid = np.array(rows, dtype=int).reshape(len(rows), len(units))
    return MappingsInfo(labels=labels, units=units, targets=targets, grid=grid)


@paper_style()
def mappings(source: Source) -> Figure:
    """Which target runs each unit in each search's best mapping, with its speed-up over all-digital.

    In brackets, speed-ups have their intervals of 95 %. They follow from the constants of the system,
    which all mappings share: two of them can be told apart better, see `beside_best`.

    Where nothing beats all-digital, its row says so.

    If there are more than 20 incumbents, each strategy shows the best of its seeds.

    Args:
        source: A study, a `SearchResult`, or several.

    Raises:
        InputError: The source holds nothing that one figure can show.
    """
    info = mappings_info(as_results(source))
    n_rows, n_units = info.grid.shape
    units = [unit_text(unit) for unit in info.units]
    widest = max(map(len, info.labels), default=0) * 0.055 + 0.3
    width = min(max(COLUMN, widest + 0.25 * n_units), PAGE)
    figure, [[axes]] = new_figure(1, 1, width, 0.4 + name_height(units) + 0.18 * max(n_rows, 2))
    palette = ["#D8D8D8", *COLOURS][: len(info.targets)]
    axes.grid(visible=False)
    if n_rows and n_units:
        last = len(info.targets) - 0.5
        axes.imshow(info.grid, cmap=ListedColormap(palette), vmin=-0.5, vmax=last, aspect="auto")
        room = width - widest
        name_units(axes, units, room)
        axes.set_xticks(np.arange(n_units + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(n_rows + 1) - 0.5, minor=True)
        gap = min(1.5, 0.15 * 72 * room / n_units)  # points
        axes.grid(which="minor", color="white", linewidth=gap, alpha=1)
        axes.tick_params(which="minor", length=0)
        axes.set_yticks(np.arange(n_rows), info.labels)
        axes.set_xlabel("unit, in execution order")
    else:
        axes.set_xticks([])
        axes.set_yticks([])
        say(axes, "no feasible mapping" if n_units else "no unit has a choice")
    legend_above(
        figure,
        [
            Patch(color=colour, label=as_text(target))
            for colour, target in zip(palette, info.targets, strict=False)
        ],
    )
    return figure


def _worth(result: SearchResult, evaluation: Evaluation) -> str:
    if not result.beats_all_digital:
        return result.outcome
    [known] = result.problem.estimates([evaluation.mapping])
    value, low, high = known["speedup"]
    return f"{value:.2f}×" + (
        f" [{low:.2f}, {high:.2f}]" if low is not None and low != high else ""
    )


def _objectives(evaluation: Evaluation) -> tuple[float, ...]:
    return tuple(evaluation.objectives.values())
