"""Confidence bounds of the drop: over programmed chips, and over the population of examples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, sqrt

import numpy as np
from scipy.special import bdtrc, ndtri, stdtrit

from lionheart_opt.accuracy import Accuracy


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """An estimate with a lower and an upper bound, as fractions of 1."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Losses:
    """Moments over examples of their losses.

    Args:
        n: Number of examples.
        mean: Mean: the drop.
        deviation: Standard deviation.
        third: Third central moment.
        largest: The largest absolute loss that there may be, or that was seen.
    """

    n: int
    mean: float
    deviation: float
    third: float
    largest: float = 1.0

    @staticmethod
    def worst(n: int, baseline: float, accuracy: float) -> Losses:
        """Those of as many disagreements as two accuracies on the same examples allow."""
        mean = baseline - accuracy
        disagreement = min(baseline, 1.0 - accuracy) + min(accuracy, 1.0 - baseline)
        return Losses.of_one(n, mean, sqrt(max(disagreement - mean**2, 0.0)))

    @staticmethod
    def of_one(n: int, mean: float, deviation: float) -> Losses:
        """Losses in a single draw. They are -1, 0 or 1, so their cubes are the losses themselves."""
        second = deviation**2 + mean**2
        return Losses(
            n=n, mean=mean, deviation=deviation, third=mean - 3.0 * mean * second + 2.0 * mean**3
        )

    def mirrored(self) -> Losses:
        """Those of the other sign."""
        return replace(self, mean=-self.mean, third=-self.third)

    def width(self, tail: float) -> float:
        """Half-width of an upper bound of the mean over the population that the examples are from.

        Student's t over examples, after two more examples have been added, of the largest loss and gain
        (1 and -1 for accuracy): a few examples without a loss do not show that there is none (Bonett and
        Price, Journal of Educational and Behavioral Statistics 37, 2012). It is widened by the
        first-order effect of skewness (Hall, The Bootstrap and Edgeworth Expansion, 1992, chapter 2)
        where that is positive, as it is for rare losses without any gains.

        Args:
            tail: Probability with which the bound may be below the mean.
        """
        if self.n < 2 or self.deviation == inf:
            return inf
        n = self.n + 2
        mean = self.n * self.mean / n
        squares = self.n * (self.deviation**2 + self.mean**2)
        second = (squares + 2.0 * self.largest**2) / n
        cubes = self.n * (self.third + 3.0 * self.mean * self.deviation**2 + self.mean**3) / n
        variance = second - mean**2
        if variance <= 0.0:  # no example has any loss
            return 0.0
        third = cubes - 3.0 * mean * second + 2.0 * mean**3
        student = float(stdtrit(self.n - 1, 1.0 - tail))
        skewed = max(third, 0.0) / variance * (2.0 * student**2 + 1.0) / (6.0 * self.n)
        return student * sqrt(variance / self.n) + skewed


def losses_of(accuracy: Accuracy, column: int, draw: int | None = None) -> Losses | None:
    """Losses of the examples at one time; None where samples are exact.

    Args:
        accuracy: The accuracy. Where it does not say how losses differ, they differ as much as they can,
            which is without bound unless answers are right or wrong.
        column: Number of the time.
        draw: Number of a draw; None is the mean over all draws.
    """
    n, spread = accuracy.n_examples, accuracy.spread
    if n is None:
        return None
    samples = accuracy.samples[:, column]
    if spread is None and (not accuracy.metric.counts or accuracy.metric.relative):
        return Losses(n=n, mean=0.0, deviation=inf, third=0.0)
    share = float(np.mean(samples)) if draw is None else float(samples[draw])
    if spread is None:
        return Losses.worst(n, accuracy.baseline, share)
    if spread.largest is None or spread.each_third is None:
        mean = accuracy.baseline - share
        if draw is not None:
            return Losses.of_one(n, mean, float(spread.each[draw, column]))
        deviation, third = float(spread.deviation[column]), float(spread.third[column])
        return Losses(n=n, mean=mean, deviation=deviation, third=third)
    drops = accuracy.drops_at(accuracy.times_s[column])
    mean = float(np.mean(drops)) if draw is None else float(drops[draw])
    moments = (spread.deviation, spread.third)
    if draw is not None:
        moments = (spread.each[draw], spread.each_third[draw])
    deviation, third = (float(moment[column]) for moment in moments)
    largest = float(spread.largest[column])
    return Losses(n=n, mean=mean, deviation=deviation, third=third, largest=largest)


@lru_cache(maxsize=4096)
def tail_at(draws: tuple[int, ...], n_draws: int, quantile: float | None, error: float) -> float:
    """Error that a one-sided bound may have at the look at `n_draws`, of the `error` of all looks."""
    spent = tail = 0.0
    for look in draws:
        tail = error * look / draws[-1] - spent
        if look >= n_draws:
            break
        spent += used_tail(look, quantile, tail)
    return tail


def used_tail(n_draws: int, quantile: float | None, tail: float) -> float:
    """The error that an upper bound really uses, at most `tail`; 0 where there is no bound."""
    if quantile is None:
        return tail if n_draws > 1 else 0.0
    return float(bdtrc(rank(n_draws, quantile, tail) - 1, n_draws, quantile))


def mean_width(values: np.ndarray, tail: float, rounding: float, skewness: float = 1.0) -> float:
    """Half-width of an upper bound of the mean that `values` are drawn from.

    Args:
        values: The values. The half-width of a single one is infinite.
        tail: Probability with which the bound may be below the mean.
        rounding: Least standard deviation that is assumed.
        skewness: Skewness that is allowed for.
    """
    n = len(values)
    if n < 2:
        return inf
    student = _student(n - 1, tail)
    width = student + skewness * (2.0 * student**2 + 1.0) / (6.0 * sqrt(n))
    centred = values - np.add.reduce(values) / n
    deviation = sqrt(np.add.reduce(centred * centred) / (n - 1))  # as np.std, four times faster
    return width * max(deviation, rounding) / sqrt(n)


@lru_cache(maxsize=4096)
def _student(freedom: int, tail: float) -> float:
    """What Student's t exceeds with the probability of the tail."""
    return float(stdtrit(freedom, 1.0 - tail))


@lru_cache(maxsize=4096)
def rank(n: int, quantile: float, tail: float) -> int:
    """Least r such that the r-th smallest of n draws is below the quantile with a chance of `tail`.

    It is below if at least r draws are, each with a probability of at most `quantile`. Returns n + 1
    if there is no such r.
    """
    ranks = np.arange(1, n + 2)
    return int(ranks[np.argmax(bdtrc(ranks - 1.0, n, quantile) <= tail)])


def paired(a: Accuracy, b: Accuracy, time_s: float, confidence: float = 0.95) -> Bounds:
    """By how much the mean drop of `a` exceeds that of `b`, from the draws that both have.

    Draw k of one oracle and seed programs a unit with the same random numbers in every mapping, so
    differences draw by draw vary less than the drops (common random numbers). The bounds are those of
    a mean, two-sided: both hold together with `confidence`. They are about the examples that were used.

    Args:
        a: Accuracy of one mapping.
        b: Accuracy of another mapping, from the same oracle and seed, on the same examples.
        time_s: Time after programming, in seconds.
        confidence: Confidence of the interval.

    Raises:
        ValueError: The baselines differ, so the two are not about the same network and examples.
    """
    if a.baseline != b.baseline:
        raise ValueError("accuracies of different baselines cannot be paired")
    n = min(len(a.samples), len(b.samples))
    differences = a.drops_at(time_s)[:n] - b.drops_at(time_s)[:n]
    tail, rounding = (1.0 - confidence) / 2.0, float(np.hypot(a.rounding, b.rounding))
    mean, width = float(np.mean(differences)), mean_width(differences, tail, rounding)
    least, most = a.metric.drop_range(a.baseline)
    least, most = least - most, most - least
    return Bounds(estimate=mean, low=max(mean - width, least), high=min(mean + width, most))


def examples_needed(
    drop: float, confidence: float, disagreement: float = 0.05, power: float = 0.8
) -> int:
    """Number of examples with which a network without any drop is shown to drop less than that.

    Args:
        drop: The limit.
        confidence: Confidence of the limit.
        disagreement: Share of the examples that only one of the two networks gets right.
        power: Probability with which it is to be shown.
    """
    normal = float(ndtri(confidence) + ndtri(power))
    return int(np.ceil(normal**2 * disagreement / drop**2))
