"""The figure of systems."""

from dataclasses import replace

import numpy as np
import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text

import lionheart_opt as lo
from lionheart_opt.plots.systems import draw_systems
from lionheart_opt.synthetic import convolutional_workload


@pytest.fixture(scope="module")
def comparison():
    return lo.systems(convolutional_workload(), ["lionheart", "diana"])


def test_every_price_is_a_point(comparison, tmp_path):
    figure = lo.plot.systems(comparison)
    check_figure(figure)
    frame = comparison.to_frame()
    for axes, column in zip(figure.axes, ("interval_s", "energy_j"), strict=True):
        drawn = sorted(line.get_xdata()[0] for line in axes.lines)
        assert drawn == pytest.approx(sorted(frame[column]))
    assert [path.name for path in draw_systems(comparison, tmp_path)] == [
        "systems.pdf",
        "systems.png",
    ]


def test_whiskers_are_intervals(comparison):
    figure = lo.plot.systems(comparison)
    frame = comparison.to_frame()
    ends = (("interval_low_s", "interval_high_s"), ("energy_low_j", "energy_high_j"))
    for axes, (low, high) in zip(figure.axes, ends, strict=True):
        drawn = sorted(
            tuple(part.get_segments()[0][:, 0]) for part in axes.collections if part.get_segments()
        )
        assert len(drawn) == len(frame) > 3
        expected = sorted(zip(frame[low], frame[high], strict=True))
        np.testing.assert_allclose(drawn, expected)


def test_what_does_not_fit_is_hollow_and_what_has_no_price_is_named(comparison):
    first, second = comparison.systems
    costs = {
        name: replace(cost, tiles={"t": 2}, capacities={"t": 1})
        for name, cost in first.costs.items()
    }
    systems = (
        replace(first, costs=costs, system=ODD_LABELS[0]),
        replace(second, costs={}, problem="no"),
    )
    figure = lo.plot.systems(replace(comparison, systems=systems))
    check_figure(figure)
    assert {line.get_fillstyle() for line in figure.axes[0].lines} == {"none"}
    assert "cannot be priced on diana" in shown_text(figure)
