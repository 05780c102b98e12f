"""Pareto fronts: what is on them, and how they look."""

import sys

import numpy as np
import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from made_up_runs import answer, first_analog, made_up_problem, priced_problem, search

from lionheart_opt.errors import InputError
from lionheart_opt.plots import pareto
from lionheart_opt.plots.pareto import pareto_info

GAINS = ("speed-up", "analog MACs")


@pytest.fixture
def many():
    """Searches with random drops, some of them infeasible."""
    rng, problem = np.random.default_rng(0), made_up_problem()
    return [
        search(
            f"s{k}",
            *(answer(problem, n, float(rng.uniform(-0.01, 0.2))) for n in (0, 1, 2, 3, 4, 5, 2, 4)),
            problem=problem,
        )
        for k in range(6)
    ]


@pytest.mark.parametrize("gain", GAINS)
def test_the_front_is_what_no_other_feasible_point_dominates(many, gain):
    info = pareto_info("all", many, gain)
    kept = np.flatnonzero(info.feasible)
    assert 0 < len(kept) < len(info.feasible) and len(info.front) > 1
    assert info.feasible[info.front].all()
    assert (np.diff(info.gain[info.front]) > 0).all() and (np.diff(info.drop[info.front]) > 0).all()
    for k in kept:
        as_good = (info.gain[info.front] >= info.gain[k]) & (info.drop[info.front] <= info.drop[k])
        assert as_good.any()


def test_the_axis_of_analog_macs_is_lionhearts():
    problem = made_up_problem()
    result = search("x", answer(problem, 1, 0.02), answer(problem, 5, 0.02), problem=problem)
    ratio = problem.analog_mac_ratio(first_analog(problem, 1))
    assert pareto_info("x", [result], "analog MACs").gain == pytest.approx([100 * ratio, 100.0])


def test_drops_beyond_the_axis_are_not_left_out():
    problem = made_up_problem()
    far = search("x", answer(problem, 1, 0.02), answer(problem, 5, 0.8), problem=problem)
    figure = pareto(far)
    [axes] = figure.axes
    assert axes.get_ylim()[1] < 80
    drawn = np.concatenate([points.get_offsets() for points in axes.collections])
    assert set(np.round(drawn[:, 1], 6)) == {2.0, 20.0}, "at the upper edge"
    assert "beyond the axis" in shown_text(figure)


@pytest.mark.parametrize("gain", GAINS)
@pytest.mark.parametrize("count", [1, 4, 6])
def test_it_can_be_saved_as_it_is(many, gain, count):
    problem = made_up_problem()
    truth = search("all", answer(problem, 5, 0.01), problem=problem)
    for truth_or_none in (None, truth):
        check_figure(pareto(many[:count], gain=gain, truth=truth_or_none))


@pytest.mark.parametrize("repeats", [1, 5])
def test_odd_labels_are_text(repeats):
    problem = made_up_problem()
    labels = [f"{label}{k or ''}" for k in range(repeats) for label in ODD_LABELS]
    figure = pareto([search(name, answer(problem, 1, 0.02), problem=problem) for name in labels])
    check_figure(figure)
    assert set(labels) - set(shown_text(figure)) == {name for name in labels if len(name) > 40}


def test_nothing_measured_is_said():
    problem = made_up_problem()
    for result in (
        search("x", problem=problem),
        search("x", answer(problem, 5, None), problem=problem),
    ):
        figure = pareto(result)
        check_figure(figure)
        assert "nothing was measured" in shown_text(figure)


def test_an_unknown_gain_is_refused(many):
    with pytest.raises(InputError, match="did you mean 'speed-up'"):
        pareto(many, gain="speedup")


@pytest.mark.parametrize("is_crowded", [True, False])
def test_a_crowded_layer_is_an_image_in_a_pdf_and_the_front_is_not(many, is_crowded, monkeypatch):
    from matplotlib.collections import PathCollection

    if is_crowded:
        monkeypatch.setattr(sys.modules["lionheart_opt.plots.pareto"], "CROWDED", 2)
    [axes] = pareto(many[:1]).axes
    layers = [each for each in axes.collections if isinstance(each, PathCollection)]
    assert [bool(each.get_rasterized()) for each in layers].count(False) == (1 if is_crowded else 4)
    assert not any(line.get_rasterized() for line in axes.lines)


BARS = "95 % interval, errors shared"


def test_speed_ups_on_the_front_have_intervals():
    problem = priced_problem()
    answers = [answer(problem, k, 0.01 * k) for k in (1, 2, 3, 2)]
    result = search("x", *answers, answer(problem, 4, 0.5), problem=problem)
    info = pareto_info("x", [result], "speed-up")
    frame = result.to_frame()
    assert info.bars.tolist() == info.front.tolist() and len(info.front) == 3
    for column, ends in zip(("speedup_low", "speedup_high"), info.ends, strict=True):
        np.testing.assert_allclose(ends, frame[column].to_numpy()[info.front])
    assert (info.ends[0] < info.gain[info.front]).all()
    for gain, most in (("analog MACs", 6), ("speed-up", 0)):
        without = pareto_info("x", [result], gain, most_bars=most)
        assert len(without.bars) == 0 and without.ends.shape == (2, 0)
    figure = pareto(result)
    check_figure(figure)
    assert BARS in shown_text(figure)
    assert BARS not in shown_text(pareto(result, gain="analog MACs"))
    silent = made_up_problem()
    plain = pareto(search("x", answer(silent, 1, 0.02), problem=silent))
    assert BARS not in shown_text(plain)


def test_a_long_front_has_few_bars(monkeypatch):
    from matplotlib.collections import LineCollection

    monkeypatch.setattr(sys.modules[pareto_info.__module__], "MOST_BARS", 2)
    problem = priced_problem()
    units = range(1, len(problem.units) + 1)
    result = search("x", *(answer(problem, k, 0.005 * k) for k in units), problem=problem)
    front = pareto_info("x", [result], "speed-up").front
    assert len(front) == 3
    [axes] = pareto(result).axes
    [bars] = [each for each in axes.collections if isinstance(each, LineCollection)]
    drops = [segment[0, 1] for segment in bars.get_segments()]
    assert drops == pytest.approx([0.5, 1.5]), "the first and the last point of the front"
