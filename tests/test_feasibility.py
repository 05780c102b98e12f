"""The drop is judged by a confidence bound, not by a lucky mean."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lionheart_opt.feasibility import AccuracyLimit
from lionheart_opt.protocols import Accuracy

LIMIT = AccuracyLimit(max_drop=0.05, time_s=60.0, draws=(5, 10, 20))


def accuracy(drops: list[float], baseline: float = 0.9) -> Accuracy:
    """Samples with the given drops at 60 s, and none at 1 s."""
    now = baseline - np.array(drops)
    samples = np.stack([np.full(len(drops), baseline), now], axis=1)
    return Accuracy(samples=samples, times_s=(1.0, 60.0), baseline=baseline)


def test_bounds_are_students_t_shared_between_the_looks() -> None:
    drops = [0.01, 0.03, 0.02, 0.05, 0.04]
    bounds = LIMIT.bounds(accuracy(drops))
    error = np.std(drops, ddof=1) / np.sqrt(5)
    # scipy's own interval, at the confidence that one of three looks has (two-sided).
    low, high = stats.t.interval(1 - 2 * 0.05 / 3, 4, loc=0.03, scale=error)
    assert bounds.estimate == pytest.approx(0.03)
    assert (bounds.low, bounds.high) == pytest.approx((low, high))


def test_the_time_of_the_limit_is_what_counts() -> None:
    early = AccuracyLimit(max_drop=0.05, time_s=1.0)
    bad_later = accuracy([0.3, 0.31, 0.29, 0.3, 0.32])
    assert early.decision(bad_later) == "holds"
    assert LIMIT.decision(bad_later) == "broken"


def test_near_the_threshold_more_draws_are_asked_for() -> None:
    assert LIMIT.decision(accuracy([0.0, 0.08, 0.02, 0.07, 0.05])) == "open"
    assert LIMIT.decision(accuracy([0.02])) == "open"


def test_what_is_open_does_not_pass_as_feasible() -> None:
    undecided = accuracy([0.0, 0.08, 0.02, 0.07, 0.05])
    assert LIMIT.violation(undecided) > 0
    assert np.mean(undecided.drops_at(60.0)) < LIMIT.max_drop


def test_all_digital_is_exact_with_one_draw_and_a_zero_threshold() -> None:
    limit = AccuracyLimit(max_drop=0.0, time_s=60.0)
    assert limit.decision(accuracy([0.0])) == "holds"
    assert limit.violation(accuracy([0.0, 0.0])) == 0.0


@given(st.lists(st.floats(-0.2, 0.9), min_size=2, max_size=20), st.floats(0, 1))
def test_decision_and_violation_agree(drops: list[float], max_drop: float) -> None:
    limit = AccuracyLimit(max_drop=max_drop, time_s=60.0)
    answer = accuracy(drops)
    bounds = limit.bounds(answer)
    assert bounds.low <= bounds.estimate <= bounds.high
    assert (limit.decision(answer) == "holds") == (limit.violation(answer) <= 0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_more_confidence_is_harder_to_please(seed: int) -> None:
    drops = np.random.default_rng(seed).normal(0.04, 0.02, size=10).tolist()
    violations = [
        AccuracyLimit(max_drop=0.05, time_s=60.0, confidence=confidence).violation(accuracy(drops))
        for confidence in (0.6, 0.9, 0.99)
    ]
    assert violations == sorted(violations)


def test_wrong_decisions_are_as_rare_as_promised() -> None:
    """A true drop just above the threshold, judged over all looks: passes in at most 5 % of trials."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(2000):
        drops = rng.normal(0.0501, 0.01, size=20).tolist()
        for looks in LIMIT.draws:
            decision = LIMIT.decision(accuracy(drops[:looks]))
            if decision != "open":
                wrong += decision == "holds"
                break
    assert wrong / 2000 <= 0.05
