"""The figure of how long a mapping keeps its limit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from figure_checks import check_figure, shown_text

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.aging.lifetimes import Lifetime, lifetime_of
from lionheart_opt.aging.recalibration import Recalibration, TriedInterval
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.plots import lifetime
from lionheart_opt.plots.lifetime import draw_lifetime
from lionheart_opt.statistics.bounds import Bounds


def made_up(times_s: tuple[float, ...]) -> Lifetime:
    """Each time loses one point more than the one before, from 0 on."""
    drops = 0.01 * np.arange(len(times_s)) + 0.001 * np.linspace(-1, 1, 10)[:, None]
    limit = AccuracyLimit(max_drop=0.015, time_s=1.0, draws=(10,), over="examples")
    accuracy = Accuracy(samples=0.9 - drops, times_s=times_s, baseline=0.9)
    return lifetime_of(accuracy, limit, share=0.9, data="test", is_final=True)


def test_bounds_limit_and_what_they_show_are_drawn() -> None:
    drops, chips = lifetime(made_up((1.0, 3600.0, 86_400.0, 31_536_000.0))).axes
    line = drops.containers[0].lines[0]
    assert line.get_ydata() == pytest.approx([0, 1, 2, 3])
    at = {(each.get_linestyle(), *each.get_xdata()[:1]) for each in drops.lines}
    assert {("-", 3600.0), (":", 86_400.0)} <= at
    assert ("--", 1.5) in {(each.get_linestyle(), each.get_ydata()[0]) for each in drops.lines}
    assert chips.containers[0].lines[0].get_ydata() == pytest.approx([100, 100, 0, 0])


@pytest.mark.parametrize("times_s", [(0.0,), (60.0,), (0.0, 1.0, 60.0), (1.0, 3600.0, 86_400.0)])
def test_nothing_is_cut_off(times_s: tuple[float, ...]) -> None:
    figure = lifetime(made_up(times_s))
    check_figure(figure)
    assert ("measured at time zero only" in shown_text(figure)) == (times_s == (0.0,))


def test_files_are_written(tmp_path) -> None:
    files = draw_lifetime(made_up((1.0, 60.0)), tmp_path)
    assert [file.name for file in files] == ["lifetime.pdf", "lifetime.png"]


def test_intervals_between_calibrations_have_a_panel() -> None:
    tried = tuple(
        TriedInterval(
            interval_s=interval_s,
            times_s=(interval_s,),
            drop=Bounds(estimate=drop, low=drop - 0.001, high=drop + 0.001),
            holds=drop < 0.014,
        )
        for interval_s, drop in ((3600.0, 0.01), (86_400.0, 0.02))
    )
    recalibration = Recalibration(intervals=tried, asked_s=(3600.0, 86_400.0), until_s=86_400.0)
    figure = lifetime(replace(made_up((1.0, 3600.0, 86_400.0)), recalibration=recalibration))
    check_figure(figure)
    _, _, panel = figure.axes
    assert panel.containers[0].lines[0].get_ydata() == pytest.approx([1, 2])
    at = {(each.get_linestyle(), *each.get_xdata()[:1]) for each in panel.lines}
    assert ("-", 3600.0) in at
    none = Recalibration(intervals=(), asked_s=(3600.0,), until_s=86_400.0)
    assert len(lifetime(replace(made_up((1.0,)), recalibration=none)).axes) == 2
