"""Gains within each largest drop, and the intervals of their medians."""

import numpy as np
import pytest
from made_up_runs import Halves, answer, made_up_problem, priced_problem, search

from lionheart_opt.estimates import Estimate
from lionheart_opt.results.at_thresholds import (
    best_at,
    best_gains,
    gain_estimates,
    median_interval,
    with_all_digital,
)


def test_each_gain_has_a_mapping_of_its_own():
    problem = made_up_problem()
    first = search("x", *(answer(problem, k, 0.01 * k) for k in (1, 2, 4)), problem=problem)
    best = best_at(first, 0.03)
    assert best["speedup"] is best["energy_gain"] is first.evaluations[1]
    assert best_gains(first, 0.03) == pytest.approx((1 / 0.8, 1 / 0.7))
    assert best_at(first, 0.001) == {} and best_gains(first, 0.001) is None


def test_gains_within_a_drop_have_the_intervals_of_their_mappings():
    problem = priced_problem()
    run = search("x", *(answer(problem, k, 0.01 * k) for k in (1, 2, 4)), problem=problem)
    estimates = gain_estimates(run, 0.03)
    within = search("y", answer(problem, 2, 0.0), problem=problem).best_estimates
    assert estimates == {name: within[name] for name in ("speedup", "energy_gain")}
    assert gain_estimates(run, 0.001) == {}
    [speedup] = with_all_digital(problem, [{}])["speedup"]
    assert speedup == (1.0, 1.0, 1.0), "all-digital gains nothing, and that is certain"


def test_a_mapping_that_loses_counts_as_all_digital():
    problem = made_up_problem(cost_model=Halves(analog=(2.0, 0.5)))
    run = search("x", answer(problem, 2, 0.0), problem=problem)
    assert gain_estimates(run, 0.03)["speedup"].value < 1.0
    seeds = with_all_digital(problem, [gain_estimates(run, 0.03)])
    assert seeds["speedup"] == [Estimate(1.0)] and seeds["energy_gain"][0].value > 1.0


def test_the_interval_of_a_median_needs_every_end():
    estimates = [Estimate(2.0, 1.0, 4.0), Estimate(3.0, 2.0, 5.0), Estimate(9.0, 8.0, 11.0)]
    assert median_interval(estimates) == [2.0, 5.0]
    assert median_interval([*estimates, Estimate(1.0)]) is None
    low, high = median_interval(estimates[:2])
    assert (low, high) == (np.mean([1.0, 2.0]), np.mean([4.0, 5.0]))
