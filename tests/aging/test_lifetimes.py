"""Until when a limit holds: worked out by hand, with the confidence that is promised."""

from __future__ import annotations

import json
from math import exp, log
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.aging.lifetimes import Lifetime, Until, lifetime_of, share_bounds, until
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit

TIMES = (1.0, 60.0, 3600.0, 86_400.0)
LIMIT = AccuracyLimit(max_drop=0.02, time_s=1.0, draws=(10,), over="examples")


def accuracy(*drops: float, spread: float = 0.001, n: int = 10) -> Accuracy:
    """Chips whose drops lie evenly around those at each time."""
    around = np.linspace(-1, 1, n)[:, None] * spread
    return Accuracy(
        samples=0.9 - (np.array(drops) + around), times_s=TIMES[: len(drops)], baseline=0.9
    )


def lifetime(*drops: float, share: float = 0.9, **how: Any) -> Lifetime:
    limit = how.pop("limit", LIMIT)
    return lifetime_of(accuracy(*drops, **how), limit, share=share, data="test", is_final=True)


def test_the_limit_is_kept_and_broken_where_the_bounds_say_so() -> None:
    found = lifetime(0.0, 0.01, 0.02, 0.05)
    assert found.limit.kept_s == found.refresh_s == 60.0  # at 3600 s it is exactly at the limit
    assert found.limit.broken_s == 86_400.0
    assert found.limit.estimate_s == pytest.approx(3600.0)


def test_what_is_never_shown_is_none() -> None:
    wide = lifetime(0.015, 0.018, 0.021, 0.022, spread=0.1)
    assert wide.limit.kept_s is None and wide.limit.broken_s is None and wide.refresh_s is None
    assert wide.limit.estimate_s is not None
    assert lifetime(0.0, 0.0, 0.0, 0.0).limit == Until(
        kept_s=86_400.0, broken_s=None, estimate_s=None
    )
    assert lifetime(0.1, 0.1).limit == Until(kept_s=None, broken_s=1.0, estimate_s=None)


def test_an_estimate_lies_on_a_line_over_the_logarithm_of_time() -> None:
    found = until(TIMES, [-1.0, -1.0, 3.0, 4.0], [False] * 4, [False] * 4)
    assert found.estimate_s == pytest.approx(exp(log(60) + 0.25 * (log(3600) - log(60))))
    from_zero = until((0.0, 60.0), [-1.0, 1.0], [True, False], [False, True])
    assert from_zero == Until(kept_s=0.0, broken_s=60.0, estimate_s=None)


def test_times_are_tested_in_order_up_to_the_first_that_does_not_show_it() -> None:
    found = until(TIMES, [0.0] * 4, [True, False, True, True], [True, True, False, True])
    assert (found.kept_s, found.broken_s) == (1.0, 86_400.0)


def test_a_break_in_between_is_not_skipped() -> None:
    """The drop recovers at the last time; it is not kept until then."""
    found = lifetime(0.0, 0.05, 0.0, 0.0)
    assert found.limit.kept_s == 1.0 and found.limit.broken_s is None


def test_times_may_be_given_in_any_order() -> None:
    forward = accuracy(0.0, 0.01, 0.02, 0.05)
    backward = Accuracy(
        samples=forward.samples[:, ::-1], times_s=forward.times_s[::-1], baseline=0.9
    )
    how: dict[str, Any] = {"share": 0.9, "data": "test", "is_final": True}
    assert lifetime_of(forward, LIMIT, **how) == lifetime_of(backward, LIMIT, **how)


@pytest.mark.parametrize(("count", "n"), [(0, 10), (3, 10), (10, 10), (29, 30)])
def test_shares_have_the_bounds_of_clopper_and_pearson(count: int, n: int) -> None:
    """One-sided, as scipy's exact test gives them."""
    bounds = share_bounds(count, n, 0.95)
    high = binomtest(count, n, alternative="less").proportion_ci(0.95, "exact").high
    low = binomtest(count, n, alternative="greater").proportion_ci(0.95, "exact").low
    assert (bounds.low, bounds.estimate, bounds.high) == pytest.approx((low, count / n, high))


def test_chips_at_the_limit_are_within_it() -> None:
    """0.808 - 0.798 is more than 0.01 in floating point."""
    samples = np.array([[0.798], [0.798], [0.797]])
    at_limit = Accuracy(samples=samples, times_s=(1.0,), baseline=0.808)
    limit = AccuracyLimit(max_drop=0.01, time_s=1.0, draws=(3,))
    found = lifetime_of(at_limit, limit, share=0.5, data="test", is_final=True)
    assert found.chips[0].estimate == pytest.approx(2 / 3)


def test_a_share_of_the_chips_needs_enough_of_them() -> None:
    """All of 10 chips show 74 % only, all of 30 show 90 %."""
    assert lifetime(0.0, 0.05).of_chips.kept_s is None
    many = lifetime(0.0, 0.05, n=30)
    assert many.of_chips.kept_s == 1.0 and many.of_chips.broken_s == 60.0
    assert lifetime(0.0, 0.05, share=0.7).of_chips.kept_s == 1.0


def test_a_limit_at_its_own_time_gives_the_same_bounds_at_all() -> None:
    """The times of the limit do not matter, and looks count unless it is a final measurement."""
    several = AccuracyLimit(max_drop=0.02, time_s=(1.0, 60.0), draws=(5, 10), over="examples")
    assert lifetime(0.0, 0.01, limit=several).drops == lifetime(0.0, 0.01).drops
    looked = lifetime_of(accuracy(0.0, 0.01), several, share=0.9, data="validation", is_final=False)
    assert looked.drops[0].high > lifetime(0.0, 0.01).drops[0].high


def test_the_confidence_is_kept() -> None:
    """At every measured time exactly at the limit or beyond: rarely said to be kept at any of them."""
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(400):
        samples = 0.9 - (np.array([0.02, 0.02, 0.03, 0.04]) + rng.normal(0, 0.005, (10, 4)))
        found = lifetime_of(
            Accuracy(samples=samples, times_s=TIMES, baseline=0.9),
            LIMIT,
            share=0.9,
            data="test",
            is_final=True,
        )
        wrong += found.limit.kept_s is not None
    assert wrong <= 30  # 20 are expected at most; 2.3 standard deviations


@pytest.mark.parametrize("share", [0.0, 1.1, float("nan"), True, "90 %"])
def test_shares_that_are_none_are_refused(share: Any) -> None:
    with pytest.raises(InputError, match=r"share: got .*; must be above 0, and 1 at most"):
        lifetime(0.0, share=share)


def test_it_is_plain_data_and_a_frame() -> None:
    found = lifetime(0.0, 0.01, 0.02, 0.05)
    data = json.loads(json.dumps(found.to_json()))
    assert data["limit"]["kept_s"] == data["refresh_s"] == 60.0
    assert data["drops"][1]["estimate"] == pytest.approx(0.01)
    frame = found.to_frame()
    assert frame["time_s"].tolist() == list(TIMES)
    assert frame["chips_within"].tolist() == [1.0, 1.0, 0.5, 0.0]
    assert "kept until 60 s, broken from 86400 s" in repr(found)
    assert found._repr_html_().startswith("<p>Lifetime(")
