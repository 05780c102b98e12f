"""Numbers with their intervals."""

import numpy as np
import pytest

from lionheart_opt.estimates import Estimate, Spread, Uncertain, ends_of, gain


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


class TestCalculation:
    """Numbers with shared errors, against small changes of the errors themselves."""

    spread = Spread(errors=("a", "b"), shifts={}, layers={}, correlations=np.eye(2))
    time = Uncertain(3.0, np.array([0.1, -0.2]), spread)
    other = Uncertain(2.0, np.array([0.3, 0.05]), spread)

    @pytest.mark.parametrize(
        "of",
        [
            lambda x, y: x + y,
            lambda x, y: x - y,
            lambda x, y: x * y,
            lambda x, y: x / y,
            lambda x, y: 16 / (x + y * 15),
            lambda x, y: 2.0 * (x - 1.0) / y + 5.0,
        ],
    )
    def test_shifts_are_derivatives(self, of) -> None:
        step = 1e-6

        def at(errors: np.ndarray) -> float:
            return of(
                *(each.value * np.exp(each.shift @ errors) for each in (self.time, self.other))
            )

        result = of(self.time, self.other)
        assert result.value == pytest.approx(of(3.0, 2.0))
        slopes = [(np.log(at(step * unit)) - np.log(at(-step * unit))) / 2 for unit in np.eye(2)]
        np.testing.assert_allclose(result.shift, np.array(slopes) / step, rtol=1e-6)

    def test_what_two_numbers_share_cancels(self) -> None:
        half = self.time * 0.5
        np.testing.assert_allclose((self.time / half).shift, 0.0, atol=1e-12)
        assert (self.time / self.other).estimate.low is not None

    def test_what_is_not_known_stays_so(self) -> None:
        plain = Uncertain.of(3.0, None, "latency_s")
        assert plain.estimate == Estimate(3.0)
        assert (plain + self.time).estimate == Estimate(6.0)
        assert (self.time * plain).estimate == Estimate(9.0)
        assert (self.time * 0.0).value == 0.0

    def test_numbers_with_other_errors_are_no_sum(self) -> None:
        spread = Spread(errors=("c",), shifts={}, layers={}, correlations=np.eye(1))
        with pytest.raises(ValueError, match="other errors"):
            self.time + Uncertain(1.0, np.array([0.1]), spread)
