"""The tornado chart: which constant of a system matters for a cost, and for the gain of a mapping."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lionheart_opt.cost import Cost, CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.plots.style import COLOURS, PAGE, PaperFigure, as_text, paper_style, save

#: Errors that are drawn at most, in the order of what they do.
_MOST = 10
#: Change of a logarithm that is too small to be seen.
_LEAST = 1e-3
_QUANTITIES: tuple[tuple[CostObjective, str, str], ...] = (
    ("interval_s", "time per inference", "speed-up"),
    ("energy_j", "energy", "energy gain"),
)


def tornado_info(cost: Cost, quantity: CostObjective, over: Cost | None = None) -> dict[str, float]:
    """What each error of the system does to a cost or a gain, the largest first.

    Args:
        cost: Cost of a mapping.
        quantity: What of it.
        over: Cost of the mapping that it is compared with; None for the cost itself.

    Returns:
        Error -> change of the logarithm where it is half of its interval of 95 %. Its sign says in which
        direction; the entry `together` is half of the interval.

    Raises:
        InputError: The system says of nothing how well it is known.
    """
    spread, reference = cost.spread, over.spread if over else None
    if spread is None or (over is not None and reference is None):
        raise InputError(
            "nothing to plot: the system file says of no constant how well it is known"
        )
    shift = spread.shifts[quantity]
    if reference is not None:
        shift = reference.shifts[quantity] - shift
    order = np.argsort(-np.abs(shift), kind="stable")
    bars = {spread.errors[k]: float(shift[k]) for k in order if abs(shift[k]) > _LEAST}
    return {"together": spread.half_width(shift), **bars}


@paper_style()
def tornado(cost: Cost, *, over: Cost | None = None, title: str = "") -> Figure:
    """By which factor each uncertain constant moves a cost, and the gain over another mapping.

    Each bar moves one constant to the ends of its interval of 95 %. The black bar is all together: errors
    that depend on each other partly cancel or add up.

    Args:
        cost: Cost of a mapping.
        over: Cost of the mapping that it is compared with, such as all-digital; None for no gains.
        title: Title of the figure.

    Raises:
        InputError: The system says of nothing how well it is known.
    """
    panels: list[tuple[CostObjective, str, Cost | None]]
    panels = [(quantity, name, None) for quantity, name, _ in _QUANTITIES]
    if over is not None:
        panels += [(quantity, name, over) for quantity, _, name in _QUANTITIES]
    bars = [tornado_info(cost, quantity, reference) for quantity, _, reference in panels]
    figure = PaperFigure(figsize=(PAGE, 0.9 + 2.3 * (len(panels) // 2)), layout="constrained")
    if title:
        figure.suptitle(as_text(title, 90), fontsize=9)
    grid = figure.subplots(len(panels) // 2, 2, squeeze=False)
    for axes, (_, name, _), shifts in zip(grid.flat, panels, bars, strict=True):
        _draw(axes, name, dict(list(shifts.items())[: _MOST + 1]))
    return figure


def _draw(axes: Axes, name: str, shifts: dict[str, float]) -> None:
    for row, (error, shift) in enumerate(shifts.items()):
        low, high = np.exp(-abs(shift)), np.exp(abs(shift))
        colour = "black" if error == "together" else COLOURS[0]
        axes.barh(row, high - low, left=low, height=0.6, color=colour)
    axes.set_xscale("log")
    axes.xaxis.set_minor_formatter(NullFormatter())
    widest = float(np.exp(max(map(abs, shifts.values()))))
    ends = [float(f"{end:.2g}") for end in (1 / widest, widest)]
    axes.set_xticks([ends[0], 1.0, ends[1]], [f"{end:g}" for end in (ends[0], 1.0, ends[1])])
    axes.axvline(1.0, color="white", linewidth=0.8)
    labels = [error.removeprefix("software.").removeprefix("targets.") for error in shifts]
    axes.set_yticks(range(len(shifts)), [as_text(label, 34) for label in labels])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(shifts) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{name}: factor")


def draw_tornado(cost: Cost, over: Cost, folder: Path, title: str) -> list[Path]:
    """Write the figure as PDF and PNG, and return the paths."""
    return save(tornado(cost, over=over, title=title), folder, "tornado")
