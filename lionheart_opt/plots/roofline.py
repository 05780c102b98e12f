"""The figure of a roofline: what each layer reaches below what its target could do."""

from __future__ import annotations

from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lionheart_opt.cost import Ceiling
from lionheart_opt.hardware.roofline import Roofline, attainable
from lionheart_opt.plots.style import (
    COLUMN,
    as_text,
    legend_above,
    look,
    new_figure,
    paper_style,
    save,
    say,
)

#: Area in points squared of the layer that takes longest, and the least area.
LARGEST, LEAST = 60.0, 4.0
#: Operations per byte up to which lines are drawn where no layer moves any.
EDGE = 100.0


@paper_style()
def roofline(source: Roofline) -> Figure:
    """Operations per second against operations per byte of every layer, below its target's ceiling.

    The area of a point is its share of the time. A layer far below its line wastes its target; one at the
    slope is limited by an interface, one at the flat part by arithmetic. Layers whose data are all in
    caches move nothing and lie at the right edge. A vertical line is the interval of 95 % of what a layer
    reaches; that it crosses its ceiling means that its time is not known better.

    Args:
        source: What `lo.roofline` returns.
    """
    figure, [[axes]] = new_figure(1, 1, COLUMN, 2.6)
    axes.set_xlabel("operations per byte")
    axes.set_ylabel("operations per second")
    if not source.points:
        say(axes, "no layer has multiply-accumulates")
        return figure
    axes.set_xscale("log")
    axes.set_yscale("log")
    moving = [point.ops_per_byte for point in source.points if isfinite(point.ops_per_byte)]
    edge = 4 * max(moving, default=EDGE)
    reach = np.geomspace(min(moving, default=1.0) / 2, edge, 200)
    if len(moving) < len(source.points):
        axes.set_xlabel("operations per byte (right edge: no bytes)")
    longest = max(point.time_s for point in source.points)
    handles = []
    for k, ceiling in enumerate(source.ceilings):
        colour, marker = look(k)
        points = [point for point in source.points if point.target == ceiling.target]
        if not points:
            continue
        _draw_ceiling(axes, ceiling, reach, colour)
        axes.scatter(
            [min(point.ops_per_byte, edge) for point in points],
            [point.ops_per_s for point in points],
            s=[max(LEAST, LARGEST * point.time_s / longest) for point in points],
            color=colour,
            marker=marker,
            alpha=0.6,
            linewidth=0,
            zorder=3,
        )
        known = [point for point in points if point.ops_per_s_low is not None]
        axes.vlines(
            [min(point.ops_per_byte, edge) for point in known],
            [point.ops_per_s_low for point in known],
            [point.ops_per_s_high for point in known],
            color=colour,
            alpha=0.35,
            linewidth=0.8,
        )
        label = as_text(ceiling.target)
        handles.append(Line2D([], [], color=colour, marker=marker, linewidth=1.2, label=label))
    axes.set_title(as_text(f"{source.model} on {source.system}", 50))
    legend_above(figure, handles)
    return figure


def _draw_ceiling(axes: Any, ceiling: Ceiling, reach: np.ndarray, colour: str) -> None:
    heights = [attainable(ceiling, float(intensity)) for intensity in reach]
    if None not in heights:
        axes.plot(reach, heights, color=colour, linewidth=1.2)


def draw_roofline(source: Roofline, folder: Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the paths."""
    return save(roofline(source), folder, "roofline")
