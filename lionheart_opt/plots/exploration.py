"""The figure of an exploration: every design, and the frontier of systems."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter

from lionheart_opt.estimates import ends_of
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
    prefix,
    save,
    say,
)
from lionheart_opt.results.exploration import Design, Exploration

#: Ratio of the largest to the least value from which on an axis is logarithmic.
DECADES = 30.0
#: Objective -> what the axis calls it, and its unit; areas are in mm² always.
LABELS = {
    "latency_s": ("latency", "s"),
    "interval_s": ("time per inference", "s"),
    "energy_j": ("energy per inference", "J"),
    "area_m2": ("area", "mm²"),
}


@paper_style()
def exploration(source: Exploration) -> Figure:
    """Designs by their objectives, two at a time; filled points are on the front of all objectives.

    The line is the front of the two objectives of a panel alone. Whiskers are intervals of 95 %, where
    costs have them. Designs share most errors, so that they can be told apart better than that.

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
        (x_label, x, x_reach), (y_label, y, y_reach) = (_scaled(name, possible) for name in pair)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        if not possible:
            say(axes, "no design has a mapping")
            continue
        _scale(axes.xaxis, x)
        _scale(axes.yaxis, y)
        hollow = {"facecolors": "none", "edgecolors": GREY, "linewidth": 0.6}
        axes.scatter(x[~on_front], y[~on_front], s=10, **hollow)
        axes.scatter(x[on_front], y[on_front], s=14, color=COLOURS[0], zorder=3, linewidth=0)
        axes.errorbar(
            x[on_front],
            y[on_front],
            xerr=x_reach[:, on_front],
            yerr=y_reach[:, on_front],
            linestyle="",
            ecolor=COLOURS[0],
            elinewidth=0.4,
        )
        kept = non_dominated(np.column_stack([x, y]))
        axes.step(x[kept], y[kept], where="post", color=COLOURS[0], linewidth=1.0)
    panels[0].set_title(as_text(f"{source.model} on {source.system}", 40))
    point: dict[str, Any] = {"marker": "o", "linestyle": ""}
    handles = [
        Line2D([], [], color=COLOURS[0], label="on the front", **point),
        Line2D([], [], color=GREY, fillstyle="none", label="dominated", **point),
    ]
    legend_above(figure, handles)
    return figure


def _scaled(name: str, designs: Sequence[Design]) -> tuple[str, np.ndarray, np.ndarray]:
    """An objective in the unit that reads best.

    Returns:
        Its label with the unit, its values, shape (n_designs,), and how far intervals reach below and
        above them, shape (2, n_designs), 0 where nothing is known.
    """
    values = np.array([design.results[name] or 0.0 for design in designs])
    quantity, unit = LABELS[name]
    sign, factor = ("", 1e6) if name == "area_m2" else prefix(values.max(initial=0.0))
    ends = [[design.results.get(end) for design in designs] for end in ends_of(name)]
    known = [np.array(end, dtype=float) for end in ends]  # None becomes NaN
    low, high = (np.where(np.isnan(end), values, end) for end in known)
    reach = np.array([values - low, high - values])
    return f"{quantity} ({sign}{unit})", factor * values, factor * reach


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
