"""Is the drop within the threshold? Confidence bounds over programming draws, decided in looks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from math import sqrt
from typing import Literal

import numpy as np
from scipy.special import bdtrc, stdtrit

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.errors import InputError

#: Skewness of draws, of either sign, that the bounds of a mean allow for.
SKEWNESS = 1.0


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """An estimate with a bound on each side, as fractions of 1."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AccuracyLimit:
    """Largest accepted drop against the floating-point network, and how sure one must be.

    What must stay below `max_drop` is the mean drop over programmed chips or, if `quantile` is set,
    the drop that this share of them stays within; at every one of the times.

    Two decisions can be wrong: `holds` where the true drop is above the threshold, and `broken` where
    it is not. Each has a probability of at most 1 - `confidence`, over all looks and times together,
    for the trained weights and the examples as they are (chance is in the draws alone):

    - Looks share the error in proportion to their draws; what a look cannot use goes to the next.
      The sum of the shares bounds the error (Bonferroni), however the looks depend on each other.
    - Times: `holds` needs every time to hold, and one that does not would have to pass by mistake;
      so nothing is shared (intersection-union test: Berger, Technometrics 24, 1982). `broken` needs
      one time only, so there the times share the error equally.
    - A quantile is bounded by order statistics: exact for any distribution (David and Nagaraja,
      Order Statistics, 3rd ed., section 7.1). n draws can show that a share q stays within the
      threshold only if q^n is at most the error: 29 draws for q = 0.9 at 95 %.
    - A mean is bounded by Student's t over draws, made wider by the first-order effect of skewness
      (Hall, The Bootstrap and Edgeworth Expansion, 1992, chapter 2), as if the draws were as skewed as
      `SKEWNESS`: a few draws cannot tell their own. More skewed ones exceed the error a little;
      no bound of a mean is free of assumptions, for one chip in a thousand may fail. Draws that
      agree because accuracy is a share of few examples are not taken for certain.

    Undecided at the last look is not feasible.

    Args:
        max_drop: in [0, 1] (0.01 is one point of top-1).
        time_s: when, after programming, it must hold: one time, or several.
        quantile: share of the programmed chips that must keep it, in (0, 1); None is the mean.
        confidence: of the whole decision, above 0.5.
        draws: numbers of draws at which to look, growing; the last is the maximum.

    Raises:
        InputError: a value is out of range, or so few draws could never show that the limit holds.
    """

    max_drop: float
    time_s: float | tuple[float, ...]
    quantile: float | None = None
    confidence: float = 0.95
    draws: tuple[int, ...] = (5, 10, 20)

    def __post_init__(self) -> None:
        growing = all(a < b for a, b in zip((0, *self.draws), self.draws, strict=False))
        if not self.draws or not growing:
            raise InputError(
                f"draws: got {list(self.draws)}; must be positive, each above the last"
            )
        if self.quantile is not None and not 0 < self.quantile < 1:
            raise InputError(f"quantile: got {self.quantile:g}; must be between 0 and 1")
        if not 0.5 < self.confidence < 1:
            raise InputError(f"confidence: got {self.confidence:g}; must be between 0.5 and 1")
        if not self.times_s:
            raise InputError("time_s: got []; at least one time is needed")
        if not self._can_hold(self.draws):
            earlier = self.draws[:-1]
            needed = next(n for n in count(self.draws[-1]) if self._can_hold((*earlier, n)))
            what = "a mean" if self.quantile is None else f"the quantile {self.quantile:g}"
            raise InputError(
                f"draws: got {list(self.draws)}; {what} with {100 * self.confidence:g} % confidence "
                f"can never be decided with {self.draws[-1]}: the last must be at least {needed}"
            )

    @property
    def times_s(self) -> tuple[float, ...]:
        """The times at which it must hold."""
        return self.time_s if isinstance(self.time_s, tuple) else (self.time_s,)

    def statistic(self, drops: np.ndarray) -> float:
        """Mean or quantile of drops, shape (n_draws,); the quantile is one of the drops."""
        if self.quantile is None:
            return float(np.mean(drops))
        return float(np.quantile(drops, self.quantile, method="inverted_cdf"))

    def bounds(self, accuracy: Accuracy) -> Bounds:
        """The statistic at the worst of the times, with a one-sided bound on each side.

        Where draws are too few for a bound, it is what a drop cannot exceed: the baseline above, the
        baseline minus 1 below. A number of draws that is no look counts as the next look.
        """
        least, most = accuracy.baseline - 1.0, accuracy.baseline
        error, n = 1.0 - self.confidence, len(accuracy.samples)
        above = _tail(self.draws, n, self.quantile, error)
        mirrored = None if self.quantile is None else 1.0 - self.quantile
        below = _tail(self.draws, n, mirrored, error / len(self.times_s))
        estimates, lows, highs = [], [], []
        for time_s in self.times_s:
            drops = accuracy.drops_at(time_s)
            estimates.append(self.statistic(drops))
            highs.append(min(_upper(drops, self.quantile, above, accuracy.rounding), most))
            lows.append(max(-_upper(-drops, mirrored, below, accuracy.rounding), least))
        return Bounds(estimate=max(estimates), low=max(lows), high=max(highs))

    def decision(self, accuracy: Accuracy) -> Literal["holds", "broken", "open"]:
        """Whether the bounds clear the threshold, break it, or more draws are needed."""
        bounds = self.bounds(accuracy)
        if bounds.high <= self.max_drop:
            return "holds"
        return "broken" if bounds.low > self.max_drop else "open"

    def violation(self, accuracy: Accuracy) -> float:
        """Upper bound of the drop minus the threshold: `<= 0` means that it surely holds."""
        return self.bounds(accuracy).high - self.max_drop

    def _can_hold(self, draws: tuple[int, ...]) -> bool:
        tail = _tail(draws, draws[-1], self.quantile, 1.0 - self.confidence)
        return _used(draws[-1], self.quantile, tail) > 0.0


def paired(a: Accuracy, b: Accuracy, time_s: float, confidence: float = 0.95) -> Bounds:
    """By how much the mean drop of `a` exceeds that of `b`, from the draws that both have.

    Draw k of one oracle and seed programs a unit with the same random numbers in every mapping, so
    differences draw by draw vary less than the drops (common random numbers). Bounds as those of a
    mean, two-sided: both hold with `confidence`.

    Args:
        a: of one mapping.
        b: of another mapping, from the same oracle and seed.
        time_s: since programming.
        confidence: of the interval.

    Raises:
        ValueError: the baselines differ, so that the two are not about the same network and examples.
    """
    if a.baseline != b.baseline:
        raise ValueError("accuracies of different baselines cannot be paired")
    n = min(len(a.samples), len(b.samples))
    differences = a.drops_at(time_s)[:n] - b.drops_at(time_s)[:n]
    tail, rounding = (1.0 - confidence) / 2.0, float(np.hypot(a.rounding, b.rounding))
    return Bounds(
        estimate=float(np.mean(differences)),
        low=max(-_upper(-differences, None, tail, rounding), -1.0),
        high=min(_upper(differences, None, tail, rounding), 1.0),
    )


def _tail(draws: tuple[int, ...], n_draws: int, quantile: float | None, error: float) -> float:
    """Error that a one-sided bound may have at a look at `n_draws`, given all looks and their error."""
    spent = tail = 0.0
    for look in draws:
        tail = error * look / draws[-1] - spent
        if look >= n_draws:
            break
        spent += _used(look, quantile, tail)
    return tail


def _used(n_draws: int, quantile: float | None, tail: float) -> float:
    """The error that an upper bound really has, at most `tail`; 0 where there is no bound."""
    if quantile is None:
        return tail if n_draws > 1 else 0.0
    return float(bdtrc(_rank(n_draws, quantile, tail) - 1, n_draws, quantile))


def _upper(values: np.ndarray, quantile: float | None, tail: float, rounding: float) -> float:
    """Upper bound of the mean or quantile of what `values` are draws of; infinite if they are few."""
    n = len(values)
    if quantile is None:
        if n < 2:
            return np.inf
        student = float(stdtrit(n - 1, 1.0 - tail))
        width = student + SKEWNESS * (2.0 * student**2 + 1.0) / (6.0 * sqrt(n))
        deviation = max(float(np.std(values, ddof=1)), rounding)
        return float(np.mean(values)) + width * deviation / sqrt(n)
    rank = _rank(n, quantile, tail)
    return float(np.sort(values)[rank - 1]) if rank <= n else np.inf


def _rank(n: int, quantile: float, tail: float) -> int:
    """Least r such that the r-th smallest of n draws is below the quantile with at most `tail`.

    It is below if at least r draws are, each with a probability of at most `quantile`; n + 1 if
    there is no such r.
    """
    ranks = np.arange(1, n + 2)
    return int(ranks[np.argmax(bdtrc(ranks - 1.0, n, quantile) <= tail)])
