"""Best speed-ups within each largest drop: numbers and looks."""

import numpy as np
import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from made_up_runs import answer, made_up_problem, search

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
