"""What incumbents lose over time: numbers and looks."""

from dataclasses import replace

import numpy as np
import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text, tick_labels
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.plots import drift
from lionheart_opt.plots.drift import drift_info
from lionheart_opt.results.result import SearchResult

TIMES_S = (0.0, 1.0, 3600.0, 86_400.0, 31_536_000.0)


def drifting(problem, times_s, label="x", n_draws=40) -> SearchResult:
    """A search whose incumbent, all-analog, loses more the later it is."""
    rng = np.random.default_rng(0)
    drops = 0.002 * np.arange(len(times_s)) + 0.001 * rng.normal(size=(n_draws, len(times_s)))
    accuracy = Accuracy(samples=0.9 - drops, times_s=times_s, baseline=0.9)
    evaluation = problem.evaluation(problem.pretrained(problem.all_analog), accuracy)
    return SearchResult(label=label, seed=0, problem=problem, evaluations=[evaluation])


def test_drift_shows_quantile_bands_from_a_second_to_a_year():
    result = drifting(made_up_problem(), TIMES_S)
    [info] = drift_info([result])
    assert info.times_s.tolist() == list(TIMES_S[1:]), "a logarithmic axis has no zero"
    drops = 100 * (0.9 - result.best.accuracy.samples[:, 1:])
    assert info.drop == pytest.approx(drops.mean(axis=0))
    for band, quantile in zip(info.bands, (0.05, 0.25, 0.75, 0.95), strict=True):
        assert band == pytest.approx(np.quantile(drops, quantile, axis=0))
    figure = drift(result)
    [axes] = figure.axes
    shown = [label.get_text() for label in tick_labels(axes, "x")]
    assert shown == ["1 s", "1 min", "1 h", "1 day", "1 month", "1 year"]
    assert axes.get_xscale() == "log" and len(axes.collections) == 2
    check_figure(figure)


def test_the_line_of_a_quantile_limit_is_the_quantile():
    problem = made_up_problem()
    limit = replace(problem.accuracy_limit, quantile=0.8, draws=(40,))
    result = drifting(replace(problem, accuracy_limit=limit), (1.0, 86_400.0))
    [info] = drift_info([result])
    drops = 100 * (0.9 - result.best.accuracy.samples)
    assert info.drop == pytest.approx(np.sort(drops, axis=0)[31])


@pytest.mark.parametrize(("time_s", "name"), [(86_400.0, "1 day"), (259_200.0, "3 days")])
def test_a_single_time_is_named_on_the_axis(time_s, name):
    problem = made_up_problem()
    limit = replace(problem.accuracy_limit, time_s=time_s)
    figure = drift(drifting(replace(problem, accuracy_limit=limit), (time_s,)))
    assert [label.get_text() for label in tick_labels(figure.axes[0], "x")] == [name]
    check_figure(figure)


@pytest.mark.parametrize("repeats", [1, 5])
def test_it_can_be_saved_as_it_is(repeats):
    problem = made_up_problem()
    labels = [f"{label}{k or ''}" for k in range(repeats) for label in ODD_LABELS]
    figure = drift([drifting(problem, TIMES_S, label) for label in labels])
    check_figure(figure)
    assert {"$a_b$", "_hidden", "[/x]"} <= set(shown_text(figure))


def test_why_there_is_nothing_is_said():
    problem = made_up_problem()
    for answers in ((), (answer(problem, 5, None),), (answer(problem, 5, 0.5),)):
        figure = drift(search("x", *answers, problem=problem))
        check_figure(figure)
        assert "no incumbent was measured" in shown_text(figure)
    limit = replace(problem.accuracy_limit, time_s=0.0)
    figure = drift(drifting(replace(problem, accuracy_limit=limit), (0.0,)))
    check_figure(figure)
    assert "measured at time zero only" in shown_text(figure)
