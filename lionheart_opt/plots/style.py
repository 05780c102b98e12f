"""How figures look: colours, style, sizes, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Okabe and Ito's colours, told apart by colour-blind readers; markers tell them apart in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
#: What is beside the strategies: the ground truth, or all of them together.
GREY = "#808080"
#: More strategies than this get a panel each, in so many columns.
MANY, COLUMNS = 4, 4
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "pdf.fonttype": 42,  # text stays text
    "savefig.bbox": "tight",
}


def new_figure(width: float, height: float) -> tuple[Figure, Any]:
    """A figure of that size in inches, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def new_figures(
    rows: int, columns: int, width: float, height: float, *, shared: bool = False
) -> tuple[Figure, Any]:
    """A figure of that size in inches, and its axes as an array, shape (rows, columns).

    Args:
        rows: of panels.
        columns: of panels.
        width: in inches.
        height: in inches.
        shared: whether all panels have the same two axes.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False)


def new_panels(
    labels: Sequence[str], x_label: str, y_label: str
) -> tuple[Figure, list[tuple[Any, list[str]]]]:
    """A figure in which so many strategies can be told apart.

    Args:
        labels: of the strategies.
        x_label: of the shared axis.
        y_label: of the shared axis.

    Returns:
        The figure, and its panels with the strategies that each shows: all in one, or, if they are
        more than `MANY`, one each.
    """
    if len(labels) <= MANY:
        figure, axes = new_figure(5.2, 3.6)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        return figure, [(axes, list(labels))]
    rows = -(-len(labels) // COLUMNS)
    figure, grid = new_figures(rows, COLUMNS, 7.2, 0.5 + 1.55 * rows, shared=True)
    every = list(grid.flat)
    for axes, label in zip(every, labels, strict=False):
        axes.set_title(label, fontsize=8, pad=3)
    for axes in every[len(labels) :]:
        axes.set_visible(False)
    for axes in every[len(labels) - COLUMNS : len(labels)]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    figure.supxlabel(x_label, fontsize=9)
    figure.supylabel(y_label, fontsize=9)
    return figure, [(axes, [label]) for axes, label in zip(every, labels, strict=False)]


def look(k: int) -> tuple[str, str]:
    """Colour and marker of the k-th thing."""
    return COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write `folder/name.pdf` and `.png`; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.pdf", folder / f"{name}.png"]
    figure.savefig(paths[0], metadata={"CreationDate": None})
    figure.set_layout_engine("none")  # laid out already; many panels take seconds
    figure.savefig(paths[1], dpi=200)
    return paths
