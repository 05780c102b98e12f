"""Hypervolume as budgets are spent."""

import numpy as np
import pytest
from made_up_runs import answer, made_up_problem, search

import lionheart_opt as lo
from lionheart_opt.results.history import final_hypervolume, history
from lionheart_opt.results.metrics import hypervolume
from lionheart_opt.synthetic import synthetic_problem


def test_a_search_without_trials_has_only_a_start():
    problem = made_up_problem()
    seconds, volumes = history(search("x", problem=problem, answers_s=3.0))
    assert seconds.tolist() == [0.0] and volumes.tolist() == [0.0]
    assert final_hypervolume(search("x", problem=problem)) == 0.0


def test_what_broke_a_cost_limit_costs_nothing_and_adds_nothing():
    problem = made_up_problem(cost_limits={"energy_j": 4.5})
    result = search("x", answer(problem, 0, None), answer(problem, 1, 0.0), problem=problem)
    seconds, volumes = history(result)
    assert seconds.tolist() == [0.0, 0.0, 1.0]
    assert volumes.tolist() == pytest.approx([0.0, 0.0, 0.1])


def test_answers_come_first_and_a_shared_training_once():
    problem = made_up_problem()
    answers = [
        answer(problem, k, 0.05, shared_s=shared) for k, shared in ((1, 4.0), (2, 4.0), (3, 6.0))
    ]
    seconds, _ = history(search("x", *answers, problem=problem, answers_s=10.0))
    assert seconds.tolist() == [0.0, 15.0, 16.0, 19.0]


@pytest.mark.parametrize("seed", range(3))
def test_each_volume_is_that_of_all_points_so_far(seed):
    problem = synthetic_problem(
        n_units=8, seed=seed, objectives=("latency_s", "drop"), max_drop=0.3
    )
    result = lo.search(problem, "random", trials=30, seed=seed)
    seconds, volumes = history(result)
    assert len(seconds) == len(volumes) == 31
    expected = [hypervolume(result.points[:n], 0.3) for n in range(31)]
    np.testing.assert_allclose(volumes, expected, rtol=1e-12)
    assert volumes[-1] == pytest.approx(final_hypervolume(result)) and volumes[-1] > 0
    assert (np.diff(seconds) > 0).all() and seconds[-1] == pytest.approx(result.oracle_s)


def test_the_history_is_the_hypervolume_of_all_that_came_before():
    """Also where points have the same time or drop, or no loss at all."""
    problem, rng = made_up_problem(), np.random.default_rng(0)
    drops = rng.choice([-0.01, 0.0, 0.01, 0.02, 0.03, 0.05, 0.09, 0.2], 60)
    answers = [
        answer(problem, int(k), d) for k, d in zip(rng.integers(0, 6, 60), drops, strict=True)
    ]
    run = search("x", *answers, problem=problem)
    _, volumes = history(run)
    limit = problem.accuracy_limit.max_drop
    expected = [hypervolume(run.points[:n], limit) for n in range(61)]
    np.testing.assert_allclose(volumes, expected, rtol=1e-12, atol=0.0)
