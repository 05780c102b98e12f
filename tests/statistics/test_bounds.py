"""The bounds of a drop and of a difference, by hand: at each look, at several times, of few examples."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.statistics.bounds import mean_width, paired

LIMIT = AccuracyLimit(max_drop=0.05, time_s=60.0, draws=(5, 10, 20), over="examples")
TIMES_S = (1.0, 60.0, 3600.0)
DROPS = np.random.default_rng(3).normal(0.03, 0.01, size=20)


def accuracy(drops: list[float], baseline: float = 0.9) -> Accuracy:
    """Samples with the given drops at 60 s."""
    samples = baseline - np.array(drops)[:, None]
    return Accuracy(samples=samples, times_s=(60.0,), baseline=baseline)


def half_width(draws: np.ndarray, tail: float, rounding: float = 0.0) -> float:
    """Half of the interval of a mean, by hand."""
    n = len(draws)
    student = stats.t(n - 1).isf(tail)
    width = student + (2 * student**2 + 1) / (6 * np.sqrt(n))
    return float(width * max(np.std(draws, ddof=1), rounding) / np.sqrt(n))


@pytest.mark.parametrize(
    ("looks", "n", "error"),
    [
        ((5, 10, 20), 5, 0.25),
        ((5, 10, 20), 10, 0.25),  # half of the error by then, less the quarter that is spent
        ((5, 10, 20), 20, 0.5),
        ((5, 10, 20), 11, 0.5),
        ((2, 18, 20), 18, 0.8),
        ((1, 10, 20), 10, 0.5),  # nothing is spent at a look that has no bound
        ((20,), 20, 1.0),
    ],
)
def test_the_bound_at_each_of_several_looks(looks: tuple[int, ...], n: int, error: float) -> None:
    bounds = replace(LIMIT, draws=looks).bounds(accuracy(DROPS[:n].tolist()))
    half, mean = half_width(DROPS[:n], 0.05 * error), np.mean(DROPS[:n])
    assert (bounds.low, bounds.high) == pytest.approx((mean - half, mean + half))


def test_what_a_look_at_a_quantile_cannot_use_goes_to_the_next() -> None:
    """Of the 0.025 at 30 draws, the bound (all 30, 0.8^30) uses 0.0012; 60 draws get the rest."""
    limit = replace(LIMIT, quantile=0.8, draws=(30, 60))
    drops = np.linspace(0.0, 0.59, 60)

    def rank(n: int, error: float) -> int:
        """Least r with P(fewer than r of n draws are above the quantile) within the error."""
        return next(r for r in range(1, n + 1) if stats.binom.sf(r - 1, n, 0.8) <= error)

    first = rank(30, 0.025)
    spent = stats.binom.sf(first - 1, 30, 0.8)
    second = rank(60, 0.05 - spent)
    assert spent < 0.02 and second < rank(60, 0.025)
    for n, highest in ((30, first), (60, second)):
        bounds = limit.bounds(accuracy(drops[:n].tolist()))
        assert bounds.high == pytest.approx(drops[highest - 1])
        assert bounds.estimate == pytest.approx(drops[round(0.8 * n) - 1])


def test_times_share_the_error_of_the_lower_bound_only() -> None:
    limit = replace(LIMIT, time_s=TIMES_S, draws=(20,))
    later = DROPS + 0.002
    bounds = limit.bounds(
        Accuracy(
            samples=0.9 - np.stack([DROPS, later, DROPS - 0.01], axis=1),
            times_s=TIMES_S,
            baseline=0.9,
        )
    )
    mean = np.mean(later)
    assert bounds.estimate == pytest.approx(mean)
    assert bounds.high == pytest.approx(mean + half_width(later, 0.05))
    assert bounds.low == pytest.approx(mean - half_width(later, 0.05 / 3))


def test_the_bounds_of_few_examples_are_at_least_as_wide_as_their_rounding() -> None:
    """Shares of 100 examples: rounding alone has a standard deviation of 0.01 / sqrt(12)."""
    answer = replace(accuracy([0.03] * 5), n_examples=100)
    half = half_width(np.full(5, 0.03), 0.05 / 4, rounding=0.01 / np.sqrt(12))
    bounds = LIMIT.bounds(answer)
    assert (bounds.low, bounds.high) == pytest.approx((0.03 - half, 0.03 + half))


def test_a_paired_interval_has_its_confidence_on_both_sides_together() -> None:
    a, b = DROPS, np.random.default_rng(4).normal(0.02, 0.01, size=20)
    mean = np.mean(a - b)
    for confidence, tail in ((0.95, 0.025), (0.8, 0.1)):
        interval = paired(accuracy(a.tolist()), accuracy(b.tolist()), 60.0, confidence)
        half = half_width(a - b, tail)
        assert interval.estimate == pytest.approx(mean)
        assert (interval.low, interval.high) == pytest.approx((mean - half, mean + half))
    usual = paired(accuracy(a.tolist()), accuracy(b.tolist()), 60.0)
    assert usual.high == pytest.approx(mean + half_width(a - b, 0.025))


def test_a_paired_interval_of_few_examples_has_the_rounding_of_both() -> None:
    """100 and 200 examples: variances of rounding add up."""
    first = replace(accuracy([0.03] * 5), n_examples=100)
    second = replace(accuracy([0.01] * 5), n_examples=200)
    rounding = np.sqrt((0.01**2 + 0.005**2) / 12)
    half = half_width(np.full(5, 0.02), 0.025, rounding)
    interval = paired(first, second, 60.0)
    assert (interval.low, interval.high) == pytest.approx((0.02 - half, 0.02 + half))


def test_a_difference_of_one_draw_may_be_any() -> None:
    interval = paired(accuracy([0.03]), accuracy([0.01]), 60.0)
    assert (interval.estimate, interval.low, interval.high) == pytest.approx((0.02, -1.0, 1.0))


def test_bounds_are_not_beyond_what_a_drop_can_be() -> None:
    wild = accuracy([-0.1, 0.9], baseline=0.9)
    bounds = replace(LIMIT, draws=(2,)).bounds(wild)
    assert (bounds.low, bounds.high) == pytest.approx((-0.1, 0.9))
    interval = paired(wild, accuracy([0.9, -0.1], baseline=0.9), 60.0)
    assert (interval.low, interval.high) == (-1.0, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"max_drop": 0.0},
        {"max_drop": 1.0},
        {"time_s": 0.0},
        {"time_s": (60.0, 0.0)},
        {"draws": (2,)},
        {"quantile": 0.5, "draws": (5,)},
        {"quantile": 0.9, "draws": (1, 29)},
    ],
)
def test_limits_at_the_edge_of_what_makes_sense_are_accepted(change: dict[str, object]) -> None:
    replace(LIMIT, **change)


def test_looks_without_a_bound_leave_all_of_the_error() -> None:
    with pytest.raises(InputError, match=r"at least 29$"):
        replace(LIMIT, quantile=0.9, draws=(5, 28))


def test_a_limit_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match=r"max_drop: got -0\.01"):
        replace(LIMIT, max_drop=-0.01)


def test_the_shorter_of_two_accuracies_decides_how_many_draws_are_paired() -> None:
    first, second = accuracy([0.01, 0.02]), accuracy([0.03, 0.01, 0.9])
    assert paired(first, second, 60.0).estimate == pytest.approx((-0.02 + 0.01) / 2)
    assert paired(second, first, 60.0).estimate == pytest.approx((0.02 - 0.01) / 2)


def test_the_smallest_of_few_draws_can_bound_a_low_quantile() -> None:
    """1 - 0.99^5 = 0.049: hardly ever is one of five draws below the hundredth."""
    bounds = replace(LIMIT, quantile=0.01, draws=(5,)).bounds(
        accuracy([0.05, 0.02, 0.04, 0.03, 0.06])
    )
    assert bounds.high == pytest.approx(0.02)


def test_an_error_of_exactly_what_is_allowed_is_allowed() -> None:
    """Both of two draws are below the median with a probability of a quarter."""
    limit = replace(LIMIT, quantile=0.5, confidence=0.75, draws=(2,))
    assert limit.bounds(accuracy([0.02, 0.04])).high == pytest.approx(0.04)


def test_limits_look_at_5_10_and_20_draws_at_95_percent_of_the_mean() -> None:
    limit = AccuracyLimit(max_drop=0.01, time_s=1.0)
    assert (limit.draws, limit.confidence, limit.quantile) == ((5, 10, 20), 0.95, None)


@pytest.mark.parametrize("n", [2, 5, 9, 20, 129])
def test_the_deviation_is_numpys_to_the_last_bit(n: int) -> None:
    rng = np.random.default_rng(n)
    for scale in (1e-9, 0.01, 1e6):
        values = rng.normal(scale, scale, n)
        deviation = float(np.std(values, ddof=1))
        width = mean_width(values, 0.05, 0.0)
        assert width == mean_width(np.zeros(n), 0.05, deviation)
        assert width != mean_width(np.zeros(n), 0.05, deviation * (1.0 + 1e-14))
