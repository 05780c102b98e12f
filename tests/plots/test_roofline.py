"""The figure of a roofline."""

from figure_checks import check_figure, shown_text
from matplotlib.collections import LineCollection, PathCollection

import lionheart_opt as lo
from lionheart_opt.hardware.roofline import Roofline
from lionheart_opt.plots.roofline import draw_roofline
from lionheart_opt.plugins import load_system


def test_every_layer_lies_below_its_line(tmp_path):
    source = lo.roofline("resnet8", "lionheart", "best")
    figure = lo.plot.roofline(source)
    check_figure(figure)
    [axes] = figure.axes
    drawn = [each for each in axes.collections if isinstance(each, PathCollection)]
    intervals = [each for each in axes.collections if isinstance(each, LineCollection)]
    assert sum(len(each.get_offsets()) for each in drawn) == len(source.points)
    assert sum(len(each.get_segments()) for each in intervals) == len(source.points)
    assert len(axes.lines) == 2
    assert {"core", "tile"} <= set(shown_text(figure))
    names = [path.name for path in draw_roofline(source, tmp_path)]
    assert names == ["roofline.pdf", "roofline.png"]


def test_tiles_as_large_as_the_layer_have_the_slope_only():
    figure = lo.plot.roofline(lo.roofline("resnet8", "alpine-high-power"))
    check_figure(figure)


def test_no_products_are_said():
    figure = lo.plot.roofline(Roofline(model="x", system="y", points=(), ceilings=()))
    check_figure(figure)
    assert "no layer has multiply-accumulates" in shown_text(figure)


def test_layers_that_move_no_bytes_lie_at_the_right_edge():
    system = load_system("lionheart").with_constants({"machine.llc_bytes": 2**22})
    source = lo.roofline("mlp", system, "all-digital")
    figure = lo.plot.roofline(source)
    check_figure(figure)
    [axes] = figure.axes
    points, _ = axes.collections
    assert {float(x) for x in points.get_offsets()[:, 0]} == {float(axes.lines[0].get_xdata()[-1])}
    assert any("no bytes" in text for text in shown_text(figure))
