"""The figure of an exploration."""

from dataclasses import replace

import numpy as np
import pytest
from figure_checks import check_figure, shown_text
from matplotlib.collections import LineCollection, PathCollection

import lionheart_opt as lo
from lionheart_opt.plots.exploration import draw_exploration
from lionheart_opt.synthetic import convolutional_workload


@pytest.fixture(scope="module")
def found():
    vary = {"targets.ima.rows": [16, 256], "targets.ima.tiles": [1, 2]}
    return lo.explore(convolutional_workload(), vary, system="imc-cluster")


def test_every_design_is_a_point(found):
    figure = lo.plot.exploration(found)
    check_figure(figure)
    assert len(figure.axes) == 3
    possible = [each for each in found.designs if each.mapping is not None]
    for axes in figure.axes:
        points = [each for each in axes.collections if isinstance(each, PathCollection)]
        assert sum(len(each.get_offsets()) for each in points) == len(possible)


def test_points_on_the_front_have_whiskers_in_time_and_energy(found):
    for axes, axis_has_interval in zip(
        lo.plot.exploration(found).axes, ((True, True), (True, False), (True, False)), strict=True
    ):
        whiskers = [each for each in axes.collections if isinstance(each, LineCollection)]
        for k, (lines, has_interval) in enumerate(zip(whiskers, axis_has_interval, strict=True)):
            lengths = [float(np.ptp(line[:, k])) for line in lines.get_segments()]
            assert all((length > 0) == has_interval for length in lengths)


def test_figures_are_files(found, tmp_path):
    names = [path.name for path in draw_exploration(found, tmp_path)]
    assert names == ["exploration.pdf", "exploration.png"]


def test_one_panel_for_two_objectives_and_no_design(found):
    two = replace(found, objectives=("latency_s", "energy_j"))
    check_figure(lo.plot.exploration(two))
    nothing = tuple(replace(each, mapping=None) for each in found.designs)
    figure = lo.plot.exploration(replace(two, designs=nothing))
    check_figure(figure)
    assert "no design has a mapping" in shown_text(figure)
