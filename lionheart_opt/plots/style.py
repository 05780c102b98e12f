"""How figures look: colours, sizes, panels, legends, labels, files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from fontTools import subset  # type: ignore[import-untyped]
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.figure import Figure

from lionheart_opt.metric import Metric
from lionheart_opt.text import printable
from lionheart_opt.text_files import replacing, reported

#: Okabe and Ito's colours, told apart by colour-blind readers; markers tell them apart in print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
#: What is not a strategy: the ground truth, or all strategies together.
GREY = "#808080"
#: Widths in inches of a column and of a page in a two-column paper (IEEE).
COLUMN, PAGE = 3.5, 7.16
#: More strategies than this get a panel each, in so many columns.
MANY, COLUMNS = 4, 4
#: A legend takes at most this share of a figure's width: at another resolution it may be wider.
LEGEND_WIDTH = 0.93
#: Names of units along an axis need this many inches each; where there is less, some are left out.
NAME_WIDTH = 0.11
#: Points of a layer beyond which a PDF holds them as an image, at the resolution of the PNG.
CROWDED = 2_000
#: Tables of a font with which programs set text.
SETTING = ("GDEF", "GPOS", "GSUB", "MATH", "kern")
#: Prefixes of units, with their factors.
PREFIXES = (("", 1.0), ("m", 1e3), ("µ", 1e6), ("n", 1e9), ("p", 1e12))
STYLE: dict[str, Any] = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.25,
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "lines.markersize": 4,
    "figure.dpi": 200,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # TrueType: text stays text, and publishers accept it
    "ps.fonttype": 42,
}


@contextmanager
def paper_style() -> Iterator[None]:
    """Matplotlib's defaults with `STYLE`; the user's rcParams are back afterwards."""
    with matplotlib.style.context(["default", STYLE]):
        yield


class PaperFigure(Figure):
    """A figure that keeps its style however the user's rcParams are set when it is drawn or saved."""

    def draw(self, renderer: Any) -> None:
        """Draw everything; ticks that are made only now have the same style."""
        with paper_style():
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Write a file as `matplotlib.figure.Figure.savefig` does, with fonts embedded."""
        with paper_style():
            super().savefig(fname, **options)

    def _repr_png_(self) -> bytes:
        """What a notebook shows, whether or not it has loaded pyplot."""
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi="figure")
        return buffer.getvalue()


def new_figure(
    rows: int, columns: int, width: float, height: float, *, shared: bool = False
) -> tuple[PaperFigure, Any]:
    """A figure whose layout leaves room for everything on it.

    Args:
        rows: Number of rows of panels.
        columns: Number of columns of panels.
        width: Width in inches.
        height: Height in inches.
        shared: Whether all panels have the same two axes.

    Returns:
        The figure, and its axes as an array, shape (rows, columns).
    """
    figure = PaperFigure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, sharex=shared, sharey=shared, squeeze=False)


def new_panels(
    labels: Sequence[str], x_label: str, y_label: str
) -> tuple[PaperFigure, list[tuple[Any, list[str]]]]:
    """A figure in which the strategies can be told apart.

    Args:
        labels: Labels of the strategies.
        x_label: Label of the horizontal axis.
        y_label: Label of the vertical axis.

    Returns:
        The figure, and its panels with the labels of the strategies that each shows: all in one panel
        or, if they are more than `MANY`, one each.
    """
    if len(labels) <= MANY:
        figure, [[axes]] = new_figure(1, 1, COLUMN, 2.4)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.locator_params(nbins=6)
        return figure, [(axes, list(labels))]
    rows = -(-len(labels) // COLUMNS)
    figure, grid = new_figure(rows, COLUMNS, PAGE, 0.5 + 1.5 * rows, shared=True)
    panels = list(grid.flat)
    for axes, label in zip(panels, labels, strict=False):
        axes.set_title(as_text(label, 26), fontsize=7, pad=3)
        axes.locator_params(nbins=4)
    for axes in panels[len(labels) :]:
        axes.set_visible(False)
    for axes in panels[len(labels) - COLUMNS : len(labels)]:  # the lowest of each column
        axes.tick_params(labelbottom=True)
    figure.supxlabel(x_label, fontsize=8)
    figure.supylabel(y_label, fontsize=8)
    return figure, [(axes, [label]) for axes, label in zip(panels, labels, strict=False)]


def legend_above(figure: Any, handles: Sequence[Any]) -> None:
    """Put a legend above the panels, in as many columns as fit; the figure grows by its height.

    Args:
        figure: A figure, or a part of one (`matplotlib.figure.SubFigure`), which cannot grow.
        handles: Artists with labels; nothing is drawn where there are none.
    """
    if not handles:
        return
    labels = [handle.get_label() for handle in handles]
    for columns in range(min(len(handles), 6), 0, -1):
        legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns)
        extent = legend.get_window_extent()
        if columns == 1 or extent.width <= LEGEND_WIDTH * figure.bbox.width:
            break
        legend.remove()
    if isinstance(figure, Figure):
        figure.set_figheight(figure.get_figheight() + extent.height / figure.dpi)


def as_text(label: str, longest: int = 40) -> str:
    """A label that Matplotlib shows letter by letter, without mathematics; the middle of long ones cut.

    Args:
        label: Any text.
        longest: Number of letters beyond which an ellipsis replaces the middle.
    """
    label = printable(" ".join(label.split()))
    if len(label) > longest:
        head = (longest - 1) // 2
        label = f"{label[:head]}…{label[len(label) - (longest - 1 - head) :]}"
    return label.replace("$", r"\$")


def unit_text(name: str, longest: int = 28) -> str:
    """A unit's name as `as_text` shows it, but of long ones the end, which tells them apart."""
    return as_text(name if len(name) <= longest else f"…{name[1 - longest :]}")


def name_height(names: Sequence[str]) -> float:
    """Inches that `name_units` needs below the axes, about."""
    return 0.048 * max(map(len, names), default=0) + 0.1


def name_units(axes: Any, names: Sequence[str], width: float) -> None:
    """Name the columns 0, 1, ... along the horizontal axis.

    Args:
        axes: The axes.
        names: Name of each column; only every k-th is shown where there is no room for all.
        width: Width of the axes in inches.
    """
    step = max(int(np.ceil(len(names) * NAME_WIDTH / width)), 1)
    shown = range(0, len(names), step)
    roomy = width / max(len(names), 1) > 2 * NAME_WIDTH
    turn = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"} if roomy else {"rotation": 90}
    axes.set_xticks(shown, [names[k] for k in shown], fontsize=6, **turn)


def say(axes: Any, text: str) -> None:
    """Write in the middle of empty axes why they are empty."""
    middle = {"transform": axes.transAxes, "ha": "center", "va": "center"}
    box = {"facecolor": "white", "edgecolor": "none"}
    axes.text(0.5, 0.5, text, color=GREY, bbox=box, zorder=4, **middle)


def look(k: int) -> tuple[str, str]:
    """Colour and marker of the k-th strategy."""
    return COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]


def prefix(largest: float) -> tuple[str, float]:
    """The prefix with which a quantity reads best, and the factor that goes with it."""
    return next((pair for pair in PREFIXES if largest * pair[1] >= 1.0), PREFIXES[0])


def duration(time_s: float) -> str:
    """A time in whole days, hours or minutes where it is that, else in seconds: `1 day`, `90 s`."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if time_s >= length and time_s % length == 0:
            count = int(time_s // length)
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return f"{time_s:g} s"


@contextmanager
def glyphs_only() -> Iterator[None]:
    """Leave out of embedded fonts what sets text; a PDF has each glyph in its place.

    To read these tables takes longer than to draw a figure; options of subsets drop them too late.
    """
    usual = subset.load_font

    def without_setting(*given: Any, **options: Any) -> Any:
        font = usual(*given, **options)
        for table in SETTING:
            if table in font:
                del font[table]
        return font

    subset.load_font = without_setting
    try:
        yield
    finally:
        subset.load_font = usual


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write `folder/name.pdf` and `folder/name.png`, and return their paths.

    The figure is laid out once and drawn twice; `Figure.savefig` would draw it four times.
    """
    paths = [folder / f"{name}.pdf", folder / f"{name}.png"]
    canvas, dpi = figure.canvas, figure.dpi
    with reported(folder), paper_style(), glyphs_only():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            figure.set_dpi(STYLE["savefig.dpi"])
            with replacing(paths[1]) as part:
                FigureCanvasAgg(figure).print_png(part)  # type: ignore[no-untyped-call]
            figure.set_layout_engine("none")  # laid out already
            with replacing(paths[0]) as part:
                pdf = FigureCanvasPdf(figure)
                pdf.print_pdf(part, metadata={"CreationDate": None})  # type: ignore[no-untyped-call]
        finally:
            figure.set_dpi(dpi)
            figure.set_canvas(canvas)
    return paths


def drop_label(metric: Metric, when: str = "") -> str:
    """Label of an axis of drops; `when` follows their name."""
    return f"{metric.drop_name}{when}\n({metric.drop_unit_in_full})"
