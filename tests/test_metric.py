"""Values of means, their derivatives, directions, ranges and words."""

from dataclasses import replace
from math import inf

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.metric import ACCURACY, VALUES, Metric

#: Name -> means at which it is tried, and its value there.
KNOWN = {
    "mean": ([0.8], 0.8),
    "root": ([0.25], 0.5),
    "ratio": ([1.5, 2.0], 0.75),
    "exponential": ([1.5, 2.0], np.exp(0.75)),
    "mean_of_ratios": ([1.0, 2.0, 0.3, 1.2], 0.375),
    "correlation": ([1.0, 2.0, 2.0, 5.0, 2.5], 0.5),
    "determination": ([0.5, 1.0, 3.0], 0.75),
    "matthews": ([0.4, 0.1, 0.2, 0.3], 0.10 / np.sqrt(0.5 * 0.6 * 0.4 * 0.5)),
}


@pytest.mark.parametrize("name", VALUES)
def test_values_and_derivatives(name: str) -> None:
    means, value = np.array(KNOWN[name][0]), KNOWN[name][1]
    metric = Metric(value=name, low=-inf, high=inf)
    assert float(metric.of(means)) == pytest.approx(value)
    for k in range(len(means)):
        step = np.zeros(len(means))
        step[k] = 1e-5
        change = float(metric.of(means + step) - metric.of(means - step)) / 2e-5
        assert metric.gradient(means)[k] == pytest.approx(change, rel=1e-4, abs=1e-7)
    several = np.stack([means, means])
    assert metric.of(several).shape == (2,) and metric.gradient(several).shape == several.shape


def test_classes_that_are_nowhere_do_not_count() -> None:
    metric = Metric(value="mean_of_ratios")
    assert float(metric.of(np.array([1.0, 2.0, 0.0, 0.0]))) == 0.5
    assert np.isfinite(metric.gradient(np.array([1.0, 2.0, 0.0, 0.0]))).all()
    assert float(Metric(value="ratio").of(np.zeros(2))) == 0.0


def test_a_drop_is_what_is_lost() -> None:
    values = np.array([0.7, 1.0])
    rises = Metric(name="error", higher_is_better=False, high=inf, unit="")
    np.testing.assert_allclose(ACCURACY.drop(0.9, values), [0.2, -0.1])
    np.testing.assert_allclose(rises.drop(0.9, values), [-0.2, 0.1])
    relative = Metric(higher_is_better=False, high=inf, relative=True)
    np.testing.assert_allclose(relative.drop(2.0, np.array([2.5])), [0.25])
    assert ACCURACY.drop_range(0.9) == pytest.approx((-0.1, 0.9))
    assert rises.drop_range(0.9) == (-0.9, inf)
    assert Metric(low=-1.0, relative=True).drop_range(-0.5) == pytest.approx((-3.0, 1.0))


def test_log_losses_add_up() -> None:
    rises = Metric(name="p", higher_is_better=False, high=inf, unit="")
    assert ACCURACY.log_loss(0.1, 0.8) == pytest.approx(np.log(0.8 / 0.7))
    assert ACCURACY.log_loss(0.8, 0.8) == pytest.approx(np.log(100.0))
    assert rises.log_loss(3.0, 2.0) == pytest.approx(np.log(5.0 / 2.0))
    assert Metric(relative=True).log_loss(0.1, 0.8) == pytest.approx(-np.log(0.9))
    assert rises.log_loss(0.3, 0.0) == 0.3
    both = rises.log_loss(1.0, 2.0) + rises.log_loss(3.0, 3.0)
    assert both == pytest.approx(rises.log_loss(4.0, 2.0))


def test_ranges() -> None:
    ACCURACY.check(np.array([0.0, 1.0]))
    for bad in (1.1, -0.1, np.nan):
        with pytest.raises(InputError, match="must be from 0 to 1"):
            ACCURACY.check(np.array([0.5, bad]))
    with pytest.raises(InputError, match="must be a range"):
        Metric(low=1.0, high=1.0)
    with pytest.raises(InputError, match="unknown value of a metric 'mode'"):
        Metric(value="mode")


@pytest.mark.parametrize(
    ("metric", "shown", "said", "words", "name"),
    [
        (ACCURACY, "91.25 %", "+1.00", "1 point", "accuracy drop"),
        (
            Metric(name="perplexity", higher_is_better=False, high=inf, unit=""),
            "0.9125",
            "+0.01",
            "0.01 perplexity",
            "perplexity rise",
        ),
        (
            Metric(name="bits", higher_is_better=False, high=inf, unit="bits"),
            "0.9125 bits",
            "+0.01",
            "0.01 bits",
            "bits rise",
        ),
        (Metric(relative=True), "91.25 %", "+1.00", "1 % of the baseline", "accuracy drop"),
    ],
)
def test_words(metric: Metric, shown: str, said: str, words: str, name: str) -> None:
    assert metric.shown(0.9125) == shown and metric.said(0.01) == said
    assert metric.in_words(0.01) == words and metric.drop_name == name
    assert metric.shown(None) == metric.said(None) == "-"
    assert ACCURACY.in_words(0.005) == "0.5 points"


@pytest.mark.parametrize(
    ("drop", "text"),
    [(None, "-"), (0.0123, "+1.23"), (-0.005, "-0.50"), (-1e-9, "+0.00"), (-0.0, "+0.00")],
)
def test_drops_are_in_points_with_a_sign(drop: float | None, text: str) -> None:
    assert ACCURACY.said(drop) == text


def test_rounding_leads_out_of_no_range() -> None:
    """A perfect correlation is 1, whatever the rounding; what is really beyond stays so."""
    metric = Metric(value="mean")
    assert float(metric.of(np.array([1.0 + 1e-12]))) == 1.0
    assert float(metric.of(np.array([-1e-12]))) == 0.0
    assert float(metric.of(np.array([1.01]))) == 1.01
    y = np.random.default_rng(0).normal(3.0, 1.0, 1000)
    means = np.stack([y, y, y**2, y**2, y * y], axis=-1).mean(axis=0)
    correlation = Metric(value="correlation", low=-1.0)
    correlation.check(np.atleast_1d(correlation.of(means)))


def test_records_keep_it() -> None:
    bits = Metric(name="bits", value="ratio", higher_is_better=False, high=inf, unit="bits")
    assert Metric.from_json(bits.to_json()) == bits and bits.is_known
    own = Metric(value=lambda means: means[..., 0])
    read = Metric.from_json(own.to_json())
    assert own.is_known and not read.is_known and read.name == own.name
    with pytest.raises(InputError, match="its function is not known here"):
        read.of(np.array([0.5]))
    for bad in ({}, {"name": 3, "low": 0, "high": 1}, {**bits.to_json(), "size": 3}, 7):
        with pytest.raises(InputError, match="metric: got"):
            Metric.from_json(bad)  # type: ignore[arg-type]


def test_baselines_without_a_drop_are_refused() -> None:
    """A share of 0 was taken for the drop itself."""
    error = Metric(name="MAE", higher_is_better=False, high=inf, unit="")
    error.check_baseline(0.0)
    with pytest.raises(
        InputError, match="max_relative_drop: the floating-point network's MAE is 0"
    ):
        replace(error, relative=True).check_baseline(0.0)
    with pytest.raises(InputError, match="MAE is infinite"):
        error.check_baseline(inf)
