"""Is the drop within the threshold? Confidence bounds over programming draws, decided in looks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from math import inf, sqrt
from typing import Literal

import numpy as np
from scipy.special import bdtrc, stdtrit

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.errors import InputError

#: Drops, in fractions of 1, that LionHeart searches a mapping for (IEEE TETC 2025, section IV-B4).
LIONHEART_THRESHOLDS = (0.005, 0.01, 0.03, 0.05, 0.1)
#: Decimals to which drops are compared: shares of examples differ from decimals by rounding only.
_DECIMALS = 12
#: Programming draws that a limit may ask for.
MOST_DRAWS = 1_000_000
#: Skewness of draws, of either sign, that the bounds of a mean allow for.
SKEWNESS = 1.0


def drop_excess(drop: float, max_drop: float) -> float:
    """By how much a drop exceeds the largest accepted one; `<= 0` is feasible.

    Every decision about a drop is this one. 0.808 - 0.798 is more than 0.01 in floating point, but a
    chip that loses ten of a thousand examples loses exactly 0.01. What is less than a billionth of an
    example counts as 0.
    """
    return round(drop - max_drop, _DECIMALS) + 0.0  # which turns -0.0 into 0.0


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """An estimate with a lower and an upper bound, as fractions of 1."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AccuracyLimit:
    """The largest accepted drop against the floating-point network, and the confidence it needs.

    What must stay below `max_drop`, at every time, is the mean drop over programmed chips. With a
    `quantile` it is the drop that this share of the chips stays within.

    Two decisions can be wrong: `holds` where the true drop is above the threshold, and `broken` where
    it is not. Each is wrong with a probability of at most 1 - `confidence`, over all looks and times
    together. The trained weights and the examples are taken as given: only the draws are random.

    - Looks share the error in proportion to their draws; what a look cannot use goes to the next.
      The sum of the shares bounds the error (Bonferroni), however the looks depend on each other.
    - Times: `holds` is wrong only if a time that breaks the limit passes by mistake, so the times do
      not share the error (intersection-union test: Berger, Technometrics 24, 1982). A single time is
      enough for `broken`, so there the times share the error equally.
    - A quantile is bounded by order statistics: exact for any distribution (David and Nagaraja,
      Order Statistics, 3rd ed., section 7.1). n draws can show that a share q stays within the
      threshold only if q^n is at most the error: 29 draws for q = 0.9 at 95 %.
    - A mean is bounded by Student's t over draws, widened by the first-order effect of skewness
      (Hall, The Bootstrap and Edgeworth Expansion, 1992, chapter 2). The skewness is taken to be
      `SKEWNESS`, because a few draws cannot show their own. More skewed draws exceed the error a
      little; no bound of a mean is free of assumptions, for one chip in a thousand may fail. Draws
      that agree only because accuracy is a share of few examples do not count as certain.

    A limit that is still undecided at the last look is not feasible.

    Args:
        max_drop: Largest accepted drop, in [0, 1] (0.01 is one point of top-1).
        time_s: Time after programming at which the limit must hold, or several times, in seconds.
        quantile: Share of the programmed chips that must keep the limit, in (0, 1); None limits the
            mean.
        confidence: Confidence of the whole decision, in (0.5, 1).
        draws: Growing numbers of draws at which to look; the last one is the maximum.

    Raises:
        InputError: A value is out of range, or the draws are so few that they could never show that
            the limit holds.
    """

    max_drop: float
    time_s: float | tuple[float, ...]
    quantile: float | None = None
    confidence: float = 0.95
    draws: tuple[int, ...] = (5, 10, 20)

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_drop <= 1.0:
            raise InputError(f"max_drop: got {self.max_drop:g}; must be a fraction from 0 to 1")
        for time_s in self.times_s:
            if not 0.0 <= time_s < inf:
                raise InputError(f"time_s: got {time_s:g}; must be finite and not negative")
        growing = all(a < b for a, b in zip((0, *self.draws), self.draws, strict=False))
        if not self.draws or not growing:
            raise InputError(
                f"draws: got {list(self.draws)}; must be positive, each above the one before"
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
        """The times after programming at which the limit must hold, in seconds."""
        return self.time_s if isinstance(self.time_s, tuple) else (self.time_s,)

    def statistic(self, drops: np.ndarray) -> float:
        """Mean or quantile of drops of shape (n_draws,); the quantile is one of the drops."""
        if self.quantile is None:
            return float(np.mean(drops))
        return float(np.quantile(drops, self.quantile, method="inverted_cdf"))

    def bounds(self, accuracy: Accuracy) -> Bounds:
        """The statistic at the worst of the times, with a one-sided bound on each side.

        Where the draws are too few for a bound, it is the most that a drop can be: the baseline above,
        the baseline minus 1 below. A number of draws between two looks counts as the later look.
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
        """Whether the bounds show that the limit `holds` or is `broken`; `open` needs more draws."""
        bounds = self.bounds(accuracy)
        if drop_excess(bounds.high, self.max_drop) <= 0.0:
            return "holds"
        return "broken" if drop_excess(bounds.low, self.max_drop) > 0.0 else "open"

    def _can_hold(self, draws: tuple[int, ...]) -> bool:
        tail = _tail(draws, draws[-1], self.quantile, 1.0 - self.confidence)
        return _used(draws[-1], self.quantile, tail) > 0.0


def paired(a: Accuracy, b: Accuracy, time_s: float, confidence: float = 0.95) -> Bounds:
    """By how much the mean drop of `a` exceeds that of `b`, from the draws that both have.

    Draw k of one oracle and seed programs a unit with the same random numbers in every mapping, so
    differences draw by draw vary less than the drops (common random numbers). The bounds are those of
    a mean, two-sided: both hold together with `confidence`.

    Args:
        a: Accuracy of one mapping.
        b: Accuracy of another mapping, from the same oracle and seed.
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
    return Bounds(
        estimate=float(np.mean(differences)),
        low=max(-_upper(-differences, None, tail, rounding), -1.0),
        high=min(_upper(differences, None, tail, rounding), 1.0),
    )


def _tail(draws: tuple[int, ...], n_draws: int, quantile: float | None, error: float) -> float:
    """Error that a one-sided bound may have at the look at `n_draws`, of the `error` of all looks."""
    spent = tail = 0.0
    for look in draws:
        tail = error * look / draws[-1] - spent
        if look >= n_draws:
            break
        spent += _used(look, quantile, tail)
    return tail


def _used(n_draws: int, quantile: float | None, tail: float) -> float:
    """The error that an upper bound really uses, at most `tail`; 0 where there is no bound."""
    if quantile is None:
        return tail if n_draws > 1 else 0.0
    return float(bdtrc(_rank(n_draws, quantile, tail) - 1, n_draws, quantile))


def _upper(values: np.ndarray, quantile: float | None, tail: float, rounding: float) -> float:
    """Upper bound of the mean or quantile that `values` are drawn from; infinite for too few draws."""
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
    """Least r such that the r-th smallest of n draws is below the quantile with a chance of `tail`.

    It is below if at least r draws are, each with a probability of at most `quantile`. Returns n + 1
    if there is no such r.
    """
    ranks = np.arange(1, n + 2)
    return int(ranks[np.argmax(bdtrc(ranks - 1.0, n, quantile) <= tail)])
