"""The figure of systems: time and energy of one network on each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lionheart_opt.estimates import ends_of
from lionheart_opt.hardware.system_comparison import SystemComparison
from lionheart_opt.plots.style import (
    GREY,
    PAGE,
    as_text,
    legend_above,
    look,
    new_figure,
    paper_style,
    save,
)

PANELS = (("interval_s", "time per inference (s)"), ("energy_j", "energy per inference (J)"))
MAPPINGS = ("all-digital", "all-analog", "best")
#: Distance of two mappings of a system, in rows.
APART = 0.22


@paper_style()
def systems(source: SystemComparison) -> Figure:
    """Time and energy per inference on every system: all-digital, all-analog, and the fastest that fits.

    Hollow points do not fit. Whiskers are intervals of 95 %, where costs have them. Systems that cannot
    price the network are left out and named below.

    Args:
        source: What `lo.systems` returns.
    """
    priced = [prices for prices in source.systems if prices.costs]
    figure, [panels] = new_figure(1, 2, PAGE, 1.2 + 0.25 * len(priced))
    for axes, (column, label) in zip(panels, PANELS, strict=True):
        for row, prices in enumerate(priced):
            for each in prices.rows():
                number = MAPPINGS.index(each["mapping"])
                colour, marker = look(number)
                low, high = (each[end] for end in ends_of(column))
                reach = None if low is None else [[each[column] - low], [high - each[column]]]
                axes.errorbar(
                    each[column],
                    row + APART * (number - 1),
                    xerr=reach,
                    elinewidth=0.6,
                    color=colour,
                    marker=marker,
                    fillstyle="full" if each["fits"] else "none",
                    linewidth=0,
                )
        axes.set_xscale("log")
        axes.set_xlabel(label)
        axes.set_yticks(range(len(priced)), [as_text(prices.system, 24) for prices in priced])
        axes.set_ylim(len(priced) - 0.5, -0.5)
    panels[1].tick_params(labelleft=False)
    handles = [
        Line2D([], [], color=look(k)[0], marker=look(k)[1], linewidth=0, label=name)
        for k, name in enumerate(MAPPINGS)
    ]
    hollow: dict[str, Any] = {"color": GREY, "marker": "o", "fillstyle": "none", "linewidth": 0}
    legend_above(figure, [*handles, Line2D([], [], label="does not fit", **hollow)])
    left_out = [as_text(prices.system, 24) for prices in source.systems if not prices.costs]
    if left_out:
        figure.supxlabel(f"cannot be priced on {', '.join(left_out)}", fontsize=7)
    panels[0].set_title(as_text(source.model, 50))
    return figure


def draw_systems(source: SystemComparison, folder: Path) -> list[Path]:
    """Write the figure as PDF and PNG, and return the paths."""
    return save(systems(source), folder, "systems")
