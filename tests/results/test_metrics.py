"""What a search is worth: hypervolume and the best mapping at a threshold, worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.results.history import final_hypervolume, history
from lionheart_opt.results.metrics import hypervolume, thresholds
from lionheart_opt.testing import brute_force, tiny_problem


def test_hypervolume_of_known_corners():
    assert hypervolume(np.empty((0, 2)), 0.1) == 0
    assert hypervolume(np.array([[1.0, 0.0]]), 0.1) == 0  # all-digital is worth nothing
    assert hypervolume(np.array([[0.0, 0.0]]), 0.1) == pytest.approx(1)
    assert hypervolume(np.array([[0.5, 0.05]]), 0.1) == pytest.approx(0.25)
    assert hypervolume(np.array([[0.5, 0.05], [0.25, 0.075]]), 0.1) == pytest.approx(0.3125)
    assert hypervolume(np.array([[0.5, -0.3]]), 0.1) == pytest.approx(0.5)  # luck gains nothing
    assert hypervolume(np.array([[0.5, 0.05]]), 0.05) == 0  # the limit itself is worth nothing
    assert hypervolume(np.array([[0.5, 0.0]]), 0.0) == 0


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(-0.1, 0.3)), max_size=12), st.randoms())
def test_hypervolume_grows_with_points_and_ignores_their_order(pairs, dice):
    array = np.array(pairs).reshape(-1, 2)
    volume = hypervolume(array, 0.1)
    assert 0 <= volume <= 1 + 1e-12
    assert hypervolume(array[:-1], 0.1) <= volume + 1e-12
    shuffled = list(pairs)
    dice.shuffle(shuffled)
    again = hypervolume(np.array(shuffled).reshape(-1, 2), 0.1)
    assert again == pytest.approx(volume, abs=1e-12)


def test_hypervolume_agrees_with_optunas():
    from optuna._hypervolume import compute_hypervolume

    dice = np.random.default_rng(0)
    for _ in range(20):
        pairs = dice.uniform(-0.02, 0.15, size=(8, 2)) * (8.0, 1.0)
        clipped = np.clip(pairs, 0, None)
        inside = clipped[(clipped < (1.0, 0.1)).all(axis=1)]
        theirs = compute_hypervolume(inside, np.array([1.0, 0.1])) / 0.1 if len(inside) else 0
        assert hypervolume(pairs, 0.1) == pytest.approx(theirs)


def test_the_history_of_a_search_worked_out_by_hand():
    problem = made_up_problem()
    run = search(
        "x",
        answer(problem, 1, 0.05, training_s=100),  # (0.9, 5 points): 0.1 x 0.5
        answer(problem, 2, 0.08, training_s=100, shared_s=500),  # and (0.8, 8 points): + 0.1 x 0.2
        answer(problem, 5, None),  # a broken cost limit: a trial that costs nothing
        answer(problem, 3, 0.2),  # outside the box
        answer(problem, 3, 0.05, shared_s=500),  # (0.7, 5 points) dominates the others: 0.3 x 0.5
        problem=problem,
        answers_s=7.0,
    )
    seconds, volumes = history(run)
    assert volumes == pytest.approx([0, 0.05, 0.07, 0.07, 0.07, 0.15])
    assert seconds == pytest.approx([0, 108, 709, 709, 710, 711])
    assert run.oracle_s == pytest.approx(711)
    assert final_hypervolume(run) == pytest.approx(0.15)
    nothing = history(search("x", problem=problem))
    assert [values.tolist() for values in nothing] == [[0.0], [0.0]]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-0.05, 0.2)), max_size=10))
def test_the_history_is_the_hypervolume_of_what_was_known(pairs):
    problem = made_up_problem()
    run = search("x", *(answer(problem, k, drop) for k, drop in pairs), problem=problem)
    _, volumes = history(run)
    for n, volume in enumerate(volumes):
        assert volume == pytest.approx(hypervolume(run.points[:n], 0.1), abs=1e-12)


def test_thresholds_are_those_up_to_the_limit_and_the_limit():
    limit = made_up_problem().accuracy_limit
    assert thresholds(limit) == (0.005, 0.01, 0.03, 0.05, 0.1)
    assert thresholds(replace(limit, max_drop=0.02)) == (0.005, 0.01, 0.02)
    assert thresholds(replace(limit, max_drop=0.005)) == (0.005,)
    assert thresholds(replace(limit, max_drop=0.2))[-2:] == (0.1, 0.2)


def test_feasible_at_a_threshold_is_judged_as_the_study_judges():
    problem = tiny_problem(max_drop=0.1)
    everything = brute_force(problem)
    run = search("x", *everything, problem=problem)
    lucky = 0
    for threshold in (0.005, 0.01, 0.03, 0.05, 0.1):
        limit = replace(problem.accuracy_limit, max_drop=threshold)
        kept = [
            evaluation
            for evaluation in everything
            if limit.bounds(evaluation.accuracy).high <= limit.max_drop
        ]
        assert run.feasible_at(threshold) == kept
        below = [
            evaluation
            for evaluation in everything
            if limit.bounds(evaluation.accuracy).estimate <= threshold
        ]
        lucky += len(below) - len(kept)
        fastest = run.fastest_at(threshold)
        assert fastest.cost.latency_s == min(evaluation.cost.latency_s for evaluation in kept)
    assert lucky > 0, "some means are below a threshold that is not surely kept"


def test_a_broken_cost_limit_is_feasible_at_no_threshold():
    problem = made_up_problem(cost_limits={"latency_s": 4.6})
    run = search("x", answer(problem, 0, 0.0), answer(problem, 1, 0.0), problem=problem)
    assert [len(evaluation.mapping.units_on("tile")) for evaluation in run.feasible_at(0.1)] == [1]
