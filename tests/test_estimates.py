"""Numbers with their intervals."""

import numpy as np
import pytest

from lionheart_opt.estimates import Estimate, Spread, ends_of, gain


def test_intervals_are_factors() -> None:
    assert Estimate.within(6.0, None) == Estimate(6.0, None, None)
    value, low, high = Estimate.within(6.0, np.log(2.0))
    assert (value, low, high) == pytest.approx((6.0, 3.0, 12.0))
    assert Estimate.within(0.0, 1.0) == Estimate(0.0, 0.0, 0.0)


def test_errors_add_up_as_they_depend_on_each_other() -> None:
    spread = Spread(
        errors=("a", "b"), shifts={}, layers={}, correlations=np.array([[1.0, -0.5], [-0.5, 1.0]])
    )
    assert spread.half_width(np.array([3.0, 4.0])) == pytest.approx((9 + 16 - 12) ** 0.5)
    assert spread.half_width(np.zeros(2)) == 0.0


@pytest.mark.parametrize(("before", "after", "times"), [(6, 3, 2), (0, 0, 1), (3, 0, np.inf)])
def test_a_gain_needs_no_energies(before: float, after: float, times: float) -> None:
    assert gain(before, after) == times


def test_a_rate_and_a_multiple_have_intervals_too():
    time = Estimate(0.5, 0.25, 1.0)
    assert time.inverse == Estimate(2.0, 1.0, 4.0) and time.times(3) == Estimate(1.5, 0.75, 3.0)
    assert Estimate(0.5).inverse == Estimate(2.0) and Estimate(0.5).times(2) == Estimate(1.0)
    assert ends_of("tokens_per_s") == ("tokens_per_s_low", "tokens_per_s_high")


def test_a_number_is_said_with_its_interval():
    assert Estimate(2.0, 1.0, 4.0).said("{:.1f}".format) == "2.0 [1.0, 4.0]"
    assert Estimate(1.0, 1.0, 1.0).said(str) == "1.0" == Estimate(1.0).said(str)
