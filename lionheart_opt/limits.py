"""Is the drop within the threshold? Bounds over programming draws and examples, decided in looks."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from math import hypot, inf
from typing import Literal

import numpy as np

from lionheart_opt.accuracy import Accuracy, Fidelity
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.metric import Metric
from lionheart_opt.statistics.bounds import (
    Bounds,
    losses_of,
    mean_width,
    rank,
    tail_at,
    used_tail,
)

#: Drops, in fractions of 1, that LionHeart searches a mapping for (IEEE TETC 2025, section IV-B4).
LIONHEART_THRESHOLDS = (0.005, 0.01, 0.03, 0.05, 0.1)
#: Decimals to which drops are compared: shares of examples differ from decimals by rounding only.
_DECIMALS = 12
#: Programming draws that a limit may ask for.
MOST_DRAWS = 1_000_000
#: What a limit may be about -> skewness of draws, of either sign, that its bounds of a mean allow for.
SKEWNESS = {"population": 1.5, "examples": 1.0}


def drop_excess(drop: float, max_drop: float) -> float:
    """By how much a drop exceeds the largest accepted one; `<= 0` is feasible.

    Every decision about a drop is this one. 0.808 - 0.798 is more than 0.01 in floating point, but a
    chip that loses ten of a thousand examples loses exactly 0.01. What is less than a billionth of an
    example counts as 0.
    """
    return round(drop - max_drop, _DECIMALS) + 0.0  # which turns -0.0 into 0.0


@dataclass(frozen=True, kw_only=True)
class AccuracyLimit:
    """The largest accepted drop against the floating-point network, and the confidence it needs.

    What must stay below `max_drop`, at every time, is the mean drop over programmed chips and over the
    population that the examples are drawn from. With a `quantile` it is the drop that this share of the
    chips stays within.

    Two decisions can be wrong: `holds` where the true drop is above the threshold, and `broken` where
    it is not. Each is wrong with a probability of at most 1 - `confidence`, over all looks and times
    together. The trained weights are taken as given: another training may give another drop.

    **Chips and examples.** Every chip sees every example, so the loss of an example on a chip varies as
    in a two-way layout: variance of the mean = chip / C + example / N + rest / (C N), for C chips and N
    examples (as in multi-reader studies of radiology: Gallas et al., Academic Radiology 16, 2009). The
    spread of the chips' drops contains chip + rest / N, and that of the examples' mean losses contains
    example + rest / C. Both together are never too little, and count the rest twice, which is small.
    Each has a half-width of its own, below; the half-width of the bound is the root of the sum of their
    squares (method of variance estimates recovery: Zou and Donner, Statistics in Medicine 27, 2008).

    - Chips, mean: Student's t over draws with C - 1 degrees of freedom, widened by the first-order
      effect of skewness (Hall, The Bootstrap and Edgeworth Expansion, 1992, chapter 2). The skewness is
      taken to be `SKEWNESS`, because a few draws cannot show their own. More skewed draws exceed the
      error a little; no bound of a mean is free of assumptions, for one chip in a thousand may fail.
      Draws that agree only because accuracy is a share of few examples do not count as certain.
    - Chips, quantile: order statistics, exact for any distribution (David and Nagaraja, Order
      Statistics, 3rd ed., section 7.1). n draws can show that a share q stays within the threshold
      only if q^n is at most the error: 29 draws for q = 0.9 at 95 %.
    - Examples: see `Losses.width`. Losses are paired, example by example. Where an oracle does not say
      which examples are right, they are taken to disagree as often as the accuracies allow.
    - Looks share the error: in proportion to their draws, and half of it is for all examples. What a
      look cannot use goes to the next number of draws. The sum of the shares bounds the error
      (Bonferroni), however the looks depend on each other.
    - Times: `holds` is wrong only if a time that breaks the limit passes by mistake, so the times do
      not share the error (intersection-union test: Berger, Technometrics 24, 1982). A single time is
      enough for `broken`, so there the times share the error equally.

    A limit that is still undecided at the last look is not feasible.

    Args:
        max_drop: Largest accepted drop, in the unit of the metric (0.01 is one point of top-1), or as a
            share of the baseline where `relative`.
        time_s: Time after programming at which the limit must hold, or several times, in seconds.
        quantile: Share of the programmed chips that must keep the limit, in (0, 1); None limits the
            mean.
        confidence: Confidence of the whole decision, in (0.5, 1).
        draws: Growing numbers of draws at which to look; the last one is the maximum.
        examples: Growing numbers of examples at which to look; `all`, the last one, is every example
            that the oracle has. An oracle may use some more, to fill its batches.
        over: What the limit is about: the `population` that the examples are drawn from, or these
            `examples` themselves, so that only chips are random.

    Raises:
        InputError: A value is out of range, or the draws are so few that they could never show that
            the limit holds.
    """

    max_drop: float
    time_s: float | tuple[float, ...]
    quantile: float | None = None
    confidence: float = 0.95
    draws: tuple[int, ...] = (5, 10, 20)
    examples: tuple[int | Literal["all"], ...] = ("all",)
    over: Literal["population", "examples"] = "population"
    relative: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_drop < inf:
            raise InputError(f"max_drop: got {self.max_drop:g}; must be a number from 0 on")
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
        if not isinstance(self.over, str) or self.over not in SKEWNESS:
            raise unknown("over", self.over, SKEWNESS)
        numbers = self.examples[:-1]
        if self.examples[-1:] != ("all",) or not all(
            isinstance(b, int) and not isinstance(b, bool) and a < b
            for a, b in zip((0, *numbers), numbers, strict=False)
            if isinstance(a, int)
        ):
            raise InputError(
                f'examples: got {list(self.examples)}; must be growing numbers, then "all", such as '
                '[1000, "all"]'
            )
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

    def check(self, metric: Metric) -> None:
        """Refuse a limit that no drop of a metric can break, or that is about other drops.

        Raises:
            InputError: `max_drop` is larger than the range of the metric, or only one of the two is
                relative.
        """
        if self.relative and not metric.relative:
            raise InputError("max_relative_drop: this oracle has no relative drops; use max_drop")
        if self.relative and metric.higher_is_better and metric.low >= 0.0 and self.max_drop > 1.0:
            raise InputError(
                f"max_relative_drop: got {self.max_drop:g}; must be from 0 to 1, a share of the "
                f"floating-point network's {metric.name} (0.02 is 2 %)"
            )
        most = metric.high - metric.low
        if not self.relative and self.max_drop > most:
            hint = " (0.01 is one point)" if metric.unit == "%" else ""
            raise InputError(
                f"max_drop: got {self.max_drop:g}; must be from 0 to {most:g}, the range of "
                f"{metric.name}{hint}"
            )

    def statistic(self, drops: np.ndarray) -> float:
        """Mean or quantile of drops of shape (n_draws,); the quantile is one of the drops."""
        if self.quantile is None:
            return float(np.add.reduce(drops)) / len(drops)  # as np.mean, four times faster
        return float(np.quantile(drops, self.quantile, method="inverted_cdf"))

    def bounds(self, accuracy: Accuracy) -> Bounds:
        """The statistic at the worst of the times, with a one-sided bound on each side.

        Where the draws are too few for a bound, it is the most that a drop can be: of accuracy, the
        baseline above, and the baseline minus 1 below. A number of draws between two looks counts as the
        later look.
        """
        least, most = accuracy.metric.drop_range(accuracy.baseline)
        estimates, lows, highs = [], [], []
        for time_s in self.times_s:
            drops = accuracy.drops_at(time_s)
            estimate = self.statistic(drops)
            estimates.append(estimate)
            highs.append(min(estimate + hypot(*self._widths(accuracy, time_s, drops, 1)), most))
            lows.append(max(estimate - hypot(*self._widths(accuracy, time_s, drops, -1)), least))
        return Bounds(estimate=max(estimates), low=max(lows), high=max(highs))

    def decision(self, accuracy: Accuracy) -> Literal["holds", "broken", "open"]:
        """Whether the bounds show that the limit `holds` or is `broken`; `open` needs another look."""
        bounds = self.bounds(accuracy)
        if drop_excess(bounds.high, self.max_drop) <= 0.0:
            return "holds"
        return "broken" if drop_excess(bounds.low, self.max_drop) > 0.0 else "open"

    @property
    def first_look(self) -> Fidelity:
        """What to measure of every candidate."""
        level = self.examples[0]
        return Fidelity(
            draws=(0, self.draws[0]), examples=(0, None if level == "all" else int(level))
        )

    def next_look(self, accuracy: Accuracy) -> Fidelity | None:
        """What to measure beside an accuracy that is open: more draws, or more examples.

        That which narrows the bound most, for what it costs. None if the accuracy is decided, or if
        everything has been measured.
        """
        if self.decision(accuracy) != "open":
            return None
        draws, used = len(accuracy.samples), accuracy.n_examples
        more_draws = next((look for look in self.draws if look > draws), None)
        more_examples = next((size for size in self._sizes(accuracy) if size > (used or inf)), None)
        if accuracy.outcomes is None:  # further examples could not be joined to these
            more_examples = None
        if more_examples is not None and more_draws is not None:
            drops = {time_s: accuracy.drops_at(time_s) for time_s in self.times_s}
            worst = max(self.times_s, key=lambda time_s: self.statistic(drops[time_s]))
            chips, examples = self._widths(accuracy, worst, drops[worst], 1)
            assert used is not None, "it has fewer examples than there are"
            # squares fall as 1 / n: what is gained, by passes of an example through the network
            if chips**2 / (more_draws * used) < examples**2 / (more_examples * draws):
                more_draws = None
        if more_draws is not None:
            return Fidelity(draws=(draws, more_draws), examples=(0, used))
        if more_examples is None:
            return None
        return Fidelity(draws=(0, draws), examples=(used or 0, more_examples))

    def _widths(
        self, accuracy: Accuracy, time_s: float, drops: np.ndarray, sign: Literal[1, -1]
    ) -> tuple[float, float]:
        """Half-widths over chips and over examples, above the estimate (`sign` 1) or below it (-1).

        Args:
            accuracy: The accuracy.
            time_s: A time of the limit.
            drops: Drops at that time, shape (n_draws,).
            sign: The side.
        """
        quantile, error = self.quantile, 1.0 - self.confidence
        if sign < 0:
            quantile = None if quantile is None else 1.0 - quantile
            error /= len(self.times_s)
        sizes = self._sizes(accuracy)
        if len(sizes) > 1:
            is_last = accuracy.n_examples == sizes[-1]
            error *= 0.5 if is_last else 0.5 / (len(sizes) - 1)
        tail = tail_at(self.draws, len(drops), quantile, error)
        draw: int | None = None
        if quantile is None:
            chips = mean_width(drops, tail, accuracy.rounding, SKEWNESS[self.over])
        else:
            number = rank(len(drops), quantile, tail)
            draw = int(np.argsort(sign * drops, kind="stable")[min(number, len(drops)) - 1])
            chips = inf
            if number <= len(drops):
                chips = sign * (float(drops[draw]) - self.statistic(drops))
        losses = losses_of(accuracy, accuracy.times_s.index(time_s), draw)
        if losses is None or self.over == "examples":
            return chips, 0.0
        return chips, (losses if sign > 0 else losses.mirrored()).width(tail)

    def _sizes(self, accuracy: Accuracy) -> list[int]:
        """The different numbers of examples at which to look, growing; those that the data have."""
        most = accuracy.of_examples or accuracy.n_examples
        if most is None:
            return []
        numbers = {most if level == "all" else min(int(level), most) for level in self.examples}
        return sorted(numbers)

    def _can_hold(self, draws: tuple[int, ...]) -> bool:
        error = (1.0 - self.confidence) * (0.5 if len(self.examples) > 1 else 1.0)
        tail = tail_at(draws, draws[-1], self.quantile, error)
        return used_tail(draws[-1], self.quantile, tail) > 0.0
