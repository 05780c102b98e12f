"""Hypervolume as a budget is spent: numbers and looks."""

import pytest
from figure_checks import ODD_LABELS, check_figure, shown_text
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.errors import InputError
from lionheart_opt.plots import progress
from lionheart_opt.plots.progress import progress_info


def test_progress_is_a_step_function_with_quartiles_over_seeds():
    problem = made_up_problem()
    # hypervolume 0.05 after 1 s and 0.1 after 101 s; 0.1 after 11 s
    slow = search("x", answer(problem, 1, 0.05), answer(problem, 2, 0.05, 99.0), problem=problem)
    fast = search("x", answer(problem, 2, 0.05, 10.0), problem=problem, seed=1)
    [info] = progress_info([slow, fast], "seconds")
    assert info.spent.tolist() == [0, 1, 11, 101] and info.seeds == 2
    assert info.quartiles[1] == pytest.approx([0, 0.025, 0.075, 0.1])
    assert info.quartiles[0] == pytest.approx([0, 0.0125, 0.0625, 0.1])
    assert info.quartiles[2] == pytest.approx([0, 0.0375, 0.0875, 0.1])
    [info] = progress_info([slow, fast], "trials")
    assert info.spent.tolist() == [0, 1, 2]
    assert info.quartiles[1] == pytest.approx([0, 0.075, 0.1]), "a search that has ended keeps it"


@pytest.mark.parametrize("spent", ["trials", "seconds"])
@pytest.mark.parametrize("repeats", [1, 5])
def test_it_can_be_saved_as_it_is(spent, repeats):
    problem = made_up_problem()
    results = [
        search(
            f"{label}{k or ''}",
            *(answer(problem, n, 0.02, training_s) for n in (1, 3)),
            problem=problem,
            seed=seed,
        )
        for k in range(repeats)
        for label in ODD_LABELS
        for seed, training_s in enumerate((0.0, 500.0))
    ]
    truth = search("all", answer(problem, 5, 0.01), problem=problem)
    figure = progress(results, spent=spent, truth=truth)
    check_figure(figure)
    assert {"$a_b$", "_hidden", "[/x]", "quartiles over seeds", "ground truth"} <= set(
        shown_text(figure)
    )


def test_the_axis_starts_where_something_happens():
    problem = made_up_problem()
    late = [answer(problem, k, 0.02, shared_s=1000.0) for k in (1, 2, 3)]
    [axes] = progress(search("x", *late, problem=problem), spent="seconds").axes
    assert 900 < axes.get_xlim()[0] < 1001 and axes.get_xlim()[1] > 1003


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("spent", ["trials", "seconds"])
def test_nothing_measured_and_a_single_trial_can_be_drawn(spent):
    problem = made_up_problem()
    for answers in ((), (answer(problem, 5, None),), (answer(problem, 5, 0.5),)):
        check_figure(progress(search("x", *answers, problem=problem), spent=spent))


def test_an_unknown_unit_is_refused():
    problem = made_up_problem()
    with pytest.raises(InputError, match="'minutes'"):
        progress(search("x", problem=problem), spent="minutes")
