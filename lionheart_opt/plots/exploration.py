"""The figure of an exploration: every design, and the frontier of systems."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from lionheart_opt.evaluation import non_dominated
from lionheart_opt.plots.style import (
    COLOURS,
    COLUMN,
    GREY,
    PAGE,
    as_text,
    legend_above,
    new_figure,
    paper_style,
    save,
    say,
)
from lionheart_opt.results.exploration import Exploration

#: Ratio of the largest to the least value from which on an axis is logarithmic.
DECADES = 30.0
LABELS = {
    "latency_s": ("latency (s)", 1.0),
    "interval_s": ("time per inference (s)", 1.0),
    "energy_j": ("energy per inference (J)", 1.0),
    "area_m2": ("area (mm²)", 1e6),
}


@paper_style()
def exploration(source: Exploration) -> Figure:
    """Designs by their objectives, two at a time; filled points are on the front of all objectives.

    The line is the front of the two objectives of a panel alone.

    Args:
        source: What `lo.explore` returns.
    """
    names = source.objectives
    pairs = list(combinations(names, 2)) or [(names[0], names[0])]
    width = COLUMN if len(pairs) == 1 else PAGE
    figure, [panels] = new_figure(1, len(pairs), width, 2.4)
    front = {design.trial for design in source.front}
    possible = [design for design in source.designs if design.mapping is not None]
    on_front = np.array([design.trial in front for design in possible], dtype=bool)
    for axes, pair in zip(panels, pairs, strict=True):
        columns = [
            np.array([design.results[name] or 0.0 for design in possible]) * LABELS[name][1]
            for name in pair
        ]
        axes.set_xlabel(LABELS[pair[0]][0])
        axes.set_ylabel(LABELS[pair[1]][0])
        if not possible:
            say(axes, "no design has a mapping")
            continue
        x, y = columns
        _scale(axes.xaxis, x)
        _scale(axes.yaxis, y)
        hollow = {"facecolors": "none", "edgecolors": GREY, "linewidth": 0.6}
        axes.scatter(x[~on_front], y[~on_front], s=10, **hollow)
        axes.scatter(x[on_front], y[on_front], s=14, color=COLOURS[0], zorder=3, linewidth=0)
        kept = non_dominated(np.column_stack(columns))
        axes.step(x[kept], y[kept], where="post", color=COLOURS[0], linewidth=1.0)
    panels[0].set_title(as_text(f"{source.model} on {source.system}", 40))
    point: dict[str, Any] = {"marker": "o", "linestyle": ""}
    handles = [
        Line2D([], [], color=COLOURS[0], label="on the front", **point),
        Line2D([], [], color=GREY, fillstyle="none", label="dominated", **point),
    ]
    legend_above(figure, handles)
    return figure


def _scale(axis: Any, values: np.ndarray) -> None:
    """A logarithmic axis for values over decades, otherwise a linear one with few ticks."""
    if values.max() > DECADES * values.min() > 0:
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(4))


def draw_exploration(source: Exploration, folder: Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the paths."""
    return save(exploration(source), folder, "exploration")
