"""The figure of `cost`: time and energy of mappings, by component and by layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lionheart_opt.plots.style import COLOURS, STYLE, look, new_figures, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lionheart_opt.cost import Cost


def costs_figure(costs: dict[str, Cost], title: str) -> Figure:
    """Time and energy of several mappings side by side, by component and by layer."""
    components = list(
        dict.fromkeys(
            c for cost in costs.values() for layer in cost.layers for c in layer.components
        )
    )
    layers = [layer.name for layer in next(iter(costs.values())).layers]
    figure, grid = new_figures(2, 2, 8.4, 6.4)
    for row, (quantity, unit) in enumerate((("latency", "ms"), ("energy", "mJ"))):
        by_component = {
            name: [1e3 * _component(cost, name, row) for cost in costs.values()]
            for name in components
        }
        totals = {
            name: [
                1e3
                * sum(
                    layer.components[c][row]
                    for layer in cost.layers
                    if layer.name == name
                    for c in layer.components
                )
                for cost in costs.values()
            ]
            for name in layers
        }
        largest = sorted(layers, key=lambda name: -max(totals[name]))[: len(COLOURS) - 1]
        by_layer = {name: totals[name] for name in layers if name in largest}
        others = [sum(totals[n][k] for n in layers if n not in largest) for k in range(len(costs))]
        if len(layers) > len(largest):
            by_layer["other layers"] = others
        for column, stacks in enumerate((by_component, by_layer)):
            axes = grid[row][column]
            _stack(axes, list(costs), stacks)
            axes.set_ylabel(f"{quantity} ({unit})")
            axes.set_title("by component" if column == 0 else "by layer", fontsize=9)
    figure.suptitle(title, fontsize=10)
    return figure


def _component(cost: Cost, name: str, which: int) -> float:
    return sum(layer.components.get(name, (0.0, 0.0))[which] for layer in cost.layers)


def _stack(axes: Any, names: Sequence[str], stacks: dict[str, list[float]]) -> None:
    bottom = np.zeros(len(names))
    for k, (label, values) in enumerate(stacks.items()):
        hatch = "//" if k >= len(COLOURS) else None
        axes.bar(
            names, values, bottom=bottom, width=0.6, color=look(k)[0], hatch=hatch, label=label
        )
        bottom += np.array(values)
    axes.legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=7)


def draw_costs(costs: dict[str, Cost], folder: Path, title: str) -> list[Path]:
    """Write the cost breakdown as PDF and PNG; the paths written."""
    from matplotlib import rc_context

    with rc_context(STYLE):
        return save(costs_figure(costs, title), folder, "costs")
