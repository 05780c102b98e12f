"""What must hold of every figure: nothing is cut off, nothing lies over anything else."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations, pairwise

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

#: Labels that must be shown as they are.
ODD_LABELS = ("$a_b$", "_hidden", "[/x]", "a very long label, " * 8)
#: Points by which an extent may be wrong: glyphs are hinted.
SLACK = 1.0


def tick_labels(axes, which: str) -> list:
    """The tick labels that are within the axes' range."""
    axis = getattr(axes, f"{which}axis")
    low, high = sorted(axis.get_view_interval())
    ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [tick.label1 for tick in ticks if tick.label1.get_visible() and tick.label1.get_text()]


def shown_text(figure: Figure) -> list[str]:
    """Every text, as a reader sees it."""
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if text.get_visible()]
    return [text._preprocess_math(text.get_text())[0] for text in texts]


def check_figure(figure: Figure) -> None:
    """Save as a user does, at several resolutions, and look where everything has come to lie."""
    assert isinstance(figure, Figure)
    for dpi in (72, 200):
        figure.set_dpi(dpi)
        figure.savefig(BytesIO(), dpi="figure")
        figure.draw_without_rendering()  # extents are those of the last renderer
        slack = SLACK * dpi / 72
        parts = [figure, *figure.subfigs]
        panels = [axes for axes in figure.axes if axes.get_visible()]
        assert panels
        legends = [legend for part in parts for legend in part.legends]
        titles = [text for text in figure.texts if text.get_text()]
        pieces = [*panels, *legends, *titles]
        extents = [piece.get_tightbbox() for piece in pieces]
        for piece, extent in zip(pieces, extents, strict=True):
            assert extent.x0 >= -slack and extent.y0 >= -slack, (piece, extent, dpi)
            assert extent.x1 <= figure.bbox.x1 + slack, (piece, extent, figure.bbox, dpi)
            assert extent.y1 <= figure.bbox.y1 + slack, (piece, extent, figure.bbox, dpi)
        for (first, a), (second, b) in combinations(zip(pieces, extents, strict=True), 2):
            assert not overlap(a, b, slack), (first, a, second, b, dpi)
        for axes in panels:
            for which in "xy":
                labels = [label for label in tick_labels(axes, which) if not label.get_rotation()]
                boxes = [label.get_window_extent() for label in labels]
                for a, b in pairwise(boxes):
                    assert not overlap(a, b, 0.0), (axes, which, labels)


def overlap(a: Bbox, b: Bbox, slack: float) -> bool:
    common = Bbox.intersection(a, b)
    return common is not None and min(common.width, common.height) > slack
