"""Gains within each largest drop, and the intervals of their medians."""

import numpy as np
import pytest
from made_up_runs import Halves, answer, made_up_problem, priced_problem, search

from lionheart_opt.estimates import Estimate
from lionheart_opt.results.at_thresholds import (
    best_at,
    best_gains,
    fastest_of,
    gain_estimates,
    gap_below,
    median_interval,
    shares_of,
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
    for name in ("speedup", "energy_gain"):
        np.testing.assert_allclose(estimates[name], within[name])
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


def test_a_share_of_a_speed_up_is_known_better_than_the_speed_ups():
    problem = priced_problem()
    few, many = (search("x", answer(problem, k, 0.02), problem=problem) for k in (2, 3))
    reference = fastest_of([few, many], 0.05)
    assert reference == many.evaluations[0].mapping
    less, same = shares_of([few, many], 0.05, reference)
    assert same == (1.0, 1.0, 1.0)
    mine, best = (run.best_estimates["speedup"] for run in (few, many))
    assert (
        less.value == pytest.approx(mine.value / best.value) and less.low < less.value < less.high
    )
    widths = [np.log(each.high / each.low) for each in (less, mine, best)]
    assert widths[0] < np.hypot(*widths[1:])
    cost = problem.cost(few.evaluations[0].mapping)
    paired = cost.gain_over(problem.cost(reference), "interval_s")
    np.testing.assert_allclose(less, paired)


def test_a_search_that_found_nothing_is_compared_as_all_digital():
    problem = priced_problem()
    nothing = search("x", answer(problem, 2, 0.4), problem=problem)
    some = search("y", answer(problem, 2, 0.02), problem=problem)
    assert fastest_of([nothing], 0.05) == problem.all_digital
    [share] = shares_of([nothing], 0.05, fastest_of([some], 0.05))
    gain = some.best_estimates["speedup"]
    np.testing.assert_allclose(share, (1 / gain.value, 1 / gain.high, 1 / gain.low))


def test_the_gap_to_the_best_of_all_mappings_is_paired():
    problem = priced_problem()
    seeds = [search("x", answer(problem, k, 0.02), problem=problem, seed=k) for k in (1, 2, 3)]
    truth = search("all", *(answer(problem, k, 0.02) for k in (1, 2, 3, 4)), problem=problem)
    shares = shares_of(seeds, 0.05, fastest_of([truth], 0.05))
    gap = gap_below(seeds, 0.05, truth)
    assert gap["speedup_gap"] == pytest.approx(1 - shares[1].value)
    low, high = gap["speedup_gap_interval"]
    assert 0 < low < gap["speedup_gap"] < high
    ends = np.median([(1 - share.high, 1 - share.low) for share in shares], axis=0)
    assert (low, high) == pytest.approx(tuple(ends))
    assert gap_below([truth], 0.05, truth) == {
        "speedup_gap": 0.0,
        "speedup_gap_interval": [0.0, 0.0],
    }
    for unknown in (None, search("all", answer(problem, 1, 0.4), problem=problem)):
        assert set(gap_below(seeds, 0.05, unknown).values()) == {None}
    plain = made_up_problem()
    run, best = (search("x", answer(plain, k, 0.02), problem=plain) for k in (1, 2))
    assert gap_below([run], 0.05, best)["speedup_gap_interval"] is None
