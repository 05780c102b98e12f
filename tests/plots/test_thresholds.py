"""Best speed-ups within each largest drop: numbers and looks."""

import numpy as np
import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from made_up_runs import answer, made_up_problem, priced_problem, search

from lionheart_opt.plots import thresholds
from lionheart_opt.plots.thresholds import threshold_info


def test_thresholds_are_shown_with_quartiles_and_the_ground_truth():
    problem = made_up_problem()
    seeds = [search("x", answer(problem, k, 0.02), problem=problem, seed=k) for k in (1, 2, 3)]
    truth = search("ground truth", answer(problem, 4, 0.02), problem=problem)
    infos = {info.max_drop: info for info in threshold_info(seeds, truth)}
    assert infos[0.03].quartiles[0, 1] == pytest.approx(1 / 0.8)
    assert infos[0.03].quartiles[0, ::2] == pytest.approx(
        np.quantile([1 / 0.9, 1 / 0.8, 1 / 0.7], [0.25, 0.75])
    )
    assert infos[0.03].truth == pytest.approx(1 / 0.6) and infos[0.03].found.all()
    assert infos[0.01].quartiles[0].tolist() == [1, 1, 1] and infos[0.01].truth is None
    assert not infos[0.01].found.any()
    figure = thresholds(seeds, truth=truth)
    assert [axes.get_title() for axes in figure.axes] == [
        f"drop ≤ {drop}" for drop in ("0.5 points", "1 point", "3 points", "5 points", "10 points")
    ]
    check_figure(figure)
    assert {"ground truth", "quartiles over seeds"} <= set(shown_text(figure))


@pytest.mark.parametrize("repeats", [1, 5])
def test_it_can_be_saved_as_it_is(repeats):
    problem = made_up_problem()
    labels = [f"{label}{k or ''}" for k in range(repeats) for label in ODD_LABELS]
    figure = thresholds(
        [search(name, answer(problem, 1, 0.02), problem=problem) for name in labels]
    )
    check_figure(figure)
    assert {"$a_b$", "_hidden", "[/x]"} <= set(shown_text(figure))
    assert "quartiles over seeds" not in shown_text(figure), "of one seed there are none"


def test_nothing_found_is_all_digital():
    problem = made_up_problem()
    for answers in ((), (answer(problem, 5, None),), (answer(problem, 5, 0.5),)):
        figure = thresholds(search("x", *answers, problem=problem))
        check_figure(figure)
        assert "some seed found nothing (counts as 1×)" in shown_text(figure)


COMMON = "95 % interval of the largest, common to all"
PAIRED = "95 % interval of the difference to it"


def test_the_largest_speed_up_has_its_interval_and_the_others_what_remains():
    problem = priced_problem()
    few, many = (
        search(label, answer(problem, k, 0.02), problem=problem)
        for label, k in (("few", 2), ("many", 3))
    )
    info = threshold_info([few, many])[-1]
    np.testing.assert_allclose(info.largest, many.best_estimates["speedup"])
    low, high = info.distance[0]
    assert low < few.best_estimates["speedup"].value < high
    mine = few.best_estimates["speedup"]
    assert np.log(high / low) < np.log(info.largest.high / info.largest.low)
    paired = problem.cost(few.best.mapping).gain_over(problem.cost(many.best.mapping), "interval_s")
    np.testing.assert_allclose((low, high), np.array(paired[1:]) * info.largest.value)
    assert mine.value == pytest.approx(paired.value * info.largest.value)
    np.testing.assert_allclose(info.distance[1], info.largest.value)
    figure = thresholds([few, many])
    check_figure(figure)
    assert {COMMON, PAIRED} <= set(shown_text(figure))


def test_differences_are_to_the_ground_truth_where_it_is_known():
    problem = priced_problem()
    run = search("x", answer(problem, 2, 0.02), problem=problem)
    truth = search("all", *(answer(problem, k, 0.02) for k in (2, 4)), problem=problem)
    info = threshold_info([run], truth)[-1]
    assert info.truth == pytest.approx(info.largest.value) and info.distance[0, 0] < info.truth
    np.testing.assert_allclose(info.largest, truth.best_estimates["speedup"])


def test_without_intervals_there_is_neither_band_nor_whisker():
    problem = made_up_problem()
    runs = [search(str(k), answer(problem, k, 0.02), problem=problem) for k in (1, 2)]
    assert not {COMMON, PAIRED} & set(shown_text(thresholds(runs)))
