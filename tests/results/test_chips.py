"""A few bad chips are recognised; chips that merely differ are not."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import answer, made_up_problem, search

from lionheart_opt.results.chips import bad_chips, trials_with_bad_chips


@pytest.mark.parametrize("bad", [1, 2])
def test_the_bad_ones_are_found(bad):
    rng = np.random.default_rng(0)
    drops = rng.normal(0.004, 0.001, 20)
    drops[3 : 3 + bad] = 0.4
    assert bad_chips(drops, 0.01).tolist() == list(range(3, 3 + bad))
    assert not len(bad_chips(np.delete(drops, range(3, 3 + bad)), 0.01))


def test_chips_that_differ_are_no_bad_ones():
    rng = np.random.default_rng(0)
    normal = sum(len(bad_chips(rng.normal(0.02, 0.01, 20), 0.01)) for _ in range(500))
    skewed = sum(len(bad_chips(0.01 * rng.gamma(1.78, size=20), 0.01)) for _ in range(500))
    assert normal == 0 and skewed <= 10
    assert not len(bad_chips(np.array([0.0, 0.0, 0.0, 0.0, 0.005]), 0.01)), "within the limit"
    assert not len(bad_chips(np.array([0.0] * 5 + [0.05]), 0.01, rounding=0.01)), "of few examples"
    assert not len(bad_chips(np.array([0.0, 0.0, 0.0, 0.5]), 0.01)), "too few to say"


def test_trials_say_which_chips_and_only_for_a_mean():
    problem = made_up_problem()
    good, plain = answer(problem, 1, 0.01), answer(problem, 2, 0.01)
    accuracy = replace(good.accuracy, samples=np.array([[0.89]] * 9 + [[0.3]]))
    bad = problem.evaluation(good.candidate, accuracy)
    run = search("x", bad, plain, problem=problem)
    assert trials_with_bad_chips(run) == {
        0: "1 of 10 chips lose up to +60.00 points, the others at most +1.00"
    }
    limit = replace(problem.accuracy_limit, quantile=0.5)
    assert trials_with_bad_chips(replace(run, problem=replace(problem, accuracy_limit=limit))) == {}
