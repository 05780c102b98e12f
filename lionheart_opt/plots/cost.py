"""The figure of costs: time and energy of mappings, by component and by layer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from lionheart_opt.cost import Cost, CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.plots.style import (
    COLOURS,
    GREY,
    PAGE,
    PaperFigure,
    as_text,
    legend_above,
    look,
    paper_style,
    prefix,
    save,
    say,
)

QUANTITIES = (("latency", "s"), ("energy", "J"))
OBJECTIVES: tuple[CostObjective, ...] = ("latency_s", "energy_j")
OTHERS = "other layers"


@dataclass(frozen=True, kw_only=True, eq=False)
class CostInfo:
    """Shares of several costs; both dictionaries add up to the totals.

    Args:
        components: Component -> latency in s and energy in J, shape (2, n_costs).
        layers: The layers that cost most -> latency in s and energy in J, shape (2, n_costs); the rest
            is one entry, `other layers`.
    """

    components: dict[str, np.ndarray]
    layers: dict[str, np.ndarray]


def cost_info(costs: dict[str, Cost], most: int = len(COLOURS)) -> CostInfo:
    """Latency and energy by component and by layer.

    Args:
        costs: Name of each mapping -> its cost.
        most: Number of entries beyond which the layers that cost least are taken together.
    """
    components: dict[str, np.ndarray] = {}
    layers: dict[str, np.ndarray] = {}
    for k, cost in enumerate(costs.values()):
        for layer in cost.layers:
            for component, share in layer.components.items():
                for table, name in ((components, component), (layers, layer.name)):
                    table.setdefault(name, np.zeros((2, len(costs))))[:, k] += share
    if len(layers) > most:
        totals = np.maximum(sum(layers.values()), np.finfo(float).tiny)
        largest = {name: float((share / totals).max()) for name, share in layers.items()}
        kept = sorted(layers, key=lambda name: -largest[name])[: most - 1]
        rest = sum(share for name, share in layers.items() if name not in kept)
        layers = {name: share for name, share in layers.items() if name in kept}
        layers[OTHERS] = np.asarray(rest)
    return CostInfo(components=components, layers=layers)


@paper_style()
def cost(costs: Cost | dict[str, Cost], *, title: str = "") -> Figure:
    """Time and energy of one or several mappings, by component and by layer.

    Args:
        costs: A cost, or the name of each mapping -> its cost.
        title: Title of the figure, for example the network and the system.

    Whiskers are intervals of 95 %, where the costs say how well they are known. A mapping that needs more
    crossbars than there are says so below the bars.

    Raises:
        InputError: There is no cost.
    """
    named = {"": costs} if isinstance(costs, Cost) else costs
    if not named:
        raise InputError("nothing to plot: got no costs")
    info = cost_info(named)
    figure = PaperFigure(figsize=(PAGE, 2.6 + 0.5 * len(named)), layout="constrained")
    if title:
        figure.suptitle(as_text(title, 90), fontsize=9)
    misfits = [
        f"{as_text(name, 40)}: {each.misfit}".removeprefix(": ")
        for name, each in named.items()
        if each.misfit
    ]
    if misfits:
        figure.supxlabel("\n".join(misfits), fontsize=8)
    [parts] = figure.subfigures(1, 2, squeeze=False)
    _column(parts[0], "by component", named, info.components)
    _column(parts[1], "by layer", named, info.layers)
    return figure


def _column(part: Any, title: str, costs: dict[str, Cost], stacks: dict[str, np.ndarray]) -> None:
    """Stacked bars of latency above those of energy, with their intervals and one legend."""
    names = list(costs)
    panels = part.subplots(2, 1)
    styles = {name: _style(name, k) for k, name in enumerate(stacks)}
    for axes, (quantity, unit), row in zip(panels, QUANTITIES, (0, 1), strict=True):
        totals = sum((share[row] for share in stacks.values()), np.zeros(len(names)))
        sign, scale = prefix(float(totals.max()))
        left = np.zeros(len(names))
        for name, share in stacks.items():
            axes.barh(range(len(names)), scale * share[row], left=left, height=0.6, **styles[name])
            left += scale * share[row]
        ends = scale * _ends(costs, OBJECTIVES[row])
        if any(each.estimate(OBJECTIVES[row]).low for each in costs.values()):
            reach, look_of = np.abs(ends - left), {"ecolor": "black", "elinewidth": 1, "capsize": 2}
            axes.errorbar(left, range(len(names)), xerr=reach, fmt="none", **look_of)
        axes.set_yticks(range(len(names)), [as_text(name, 24) for name in names])
        axes.tick_params(axis="y", length=0)
        if totals.any():
            axes.set_xlim(0, 1.04 * max(ends.max(), left.max()))
        else:
            say(axes, "nothing has a price")
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(f"{quantity} ({sign}{unit})")
    panels[0].set_title(title)
    legend_above(part, [Patch(label=as_text(name, 26), **styles[name]) for name in stacks])


def _ends(costs: dict[str, Cost], quantity: CostObjective) -> np.ndarray:
    """Ends of the intervals of totals, shape (2, n_costs); the totals where nothing is known."""
    estimates = [cost.estimate(quantity) for cost in costs.values()]
    pairs = [(e.value, e.value) if e.low is None else (e.low, e.high) for e in estimates]
    return np.array(pairs).T


def _style(name: str, k: int) -> dict[str, Any]:
    if name == OTHERS:
        return {"facecolor": "#D8D8D8", "edgecolor": GREY, "linewidth": 0}
    hatch = "//" if k >= len(COLOURS) else None
    return {"facecolor": look(k)[0], "edgecolor": "white", "linewidth": 0, "hatch": hatch}


def draw_costs(costs: dict[str, Cost], folder: Path, title: str) -> list[Path]:
    """Write the figure as PDF and PNG, and return the paths."""
    return save(cost(costs, title=title), folder, "costs")
