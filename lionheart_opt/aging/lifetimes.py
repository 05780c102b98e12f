"""How long a mapping keeps its limit: the result, and oracles that measure at other times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from math import exp, log
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from scipy.special import betaincinv

from lionheart_opt.accuracy import Accuracy, AccuracyOracle
from lionheart_opt.aging.recalibration import Recalibration
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit, drop_excess
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.statistics.bounds import Bounds
from lionheart_opt.text import shown

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, kw_only=True)
class Until:
    """Until when something holds, in seconds since programming. Between measured times nothing is shown.

    Args:
        kept_s: The last measured time up to which it is shown to hold at every measured time; None if it
            is not shown even at the first.
        broken_s: The first measured time from which on it is shown not to hold at every measured time;
            None if it is not shown even at the last.
        estimate_s: An estimate without confidence: where the estimates first cross the limit, on a
            straight line over the logarithm of time between two measured times. None where they do not
            cross, or cross before the first measured time or right after time zero.
    """

    kept_s: float | None
    broken_s: float | None
    estimate_s: float | None


@dataclass(frozen=True, kw_only=True, repr=False)
class Lifetime:
    """How long a mapping keeps its limit.

    All bounds are one-sided: each is right by itself with `confidence`. Times are tested from the first
    one on (`kept_s`), or from the last one back (`broken_s`), each with all of the error, up to the first
    that does not show it. So all that is shown by one of them is right with `confidence`, however many
    times there are (fixed-sequence testing; Maurer, Hothorn and Lehmacher, 1995).

    A chip that is programmed afresh is as old as one that was never used. So reprogramming at least every
    `limit.kept_s` seconds (`refresh_s`) keeps the limit at every age that was measured.

    Args:
        times_s: Measured times since programming, growing, shape (n_times,).
        drops: The limit's statistic (mean or quantile of the drop) at each time, with bounds that cover
            what the limit's do.
        chips: Share of the chips whose drop is within the limit at each time, with Clopper-Pearson bounds
            (the yield curve). It is about the examples that were measured: a chip near the limit may be
            on the other side of it on others.
        limit: Until when the limit holds.
        share: A share of the chips, from 0 to 1.
        of_chips: Until when at least that share of the chips is within the limit (0.9: `t90`).
        max_drop: The limit.
        confidence: Confidence of each bound.
        n_draws: Number of chips.
        n_examples: Number of examples; None where samples are exact.
        data: `test`, or `validation`, by which the mapping may have been chosen.
        subject: What was measured, for titles.
        metric: What drops are of.
        recalibration: Which intervals between two calibrations keep the limit; None if it was not asked.
    """

    times_s: tuple[float, ...]
    drops: tuple[Bounds, ...]
    chips: tuple[Bounds, ...]
    limit: Until
    share: float
    of_chips: Until
    max_drop: float
    confidence: float
    n_draws: int
    n_examples: int | None
    data: str
    subject: str = ""
    recalibration: Recalibration | None = None
    metric: Metric = ACCURACY

    @property
    def refresh_s(self) -> float | None:
        """Longest time between two programmings that is shown to keep the limit; None if none is.

        It is the last measured time where the limit is kept at all of them: longer may be possible.
        """
        return self.limit.kept_s

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        data = {**asdict(self), "metric": self.metric.to_json(), "refresh_s": self.refresh_s}
        return data | {"recalibration": self.recalibration and self.recalibration.to_json()}

    def to_frame(self) -> pandas.DataFrame:
        """One row a time.

        Columns: `time_s`, `drop`, `drop_low`, `drop_high`, `chips_within` (share), `chips_within_low`,
        `chips_within_high`.
        """
        import pandas

        rows = [
            (time_s, drop.estimate, drop.low, drop.high, chips.estimate, chips.low, chips.high)
            for time_s, drop, chips in zip(self.times_s, self.drops, self.chips, strict=True)
        ]
        columns = [
            *("time_s", "drop", "drop_low", "drop_high"),
            *("chips_within", "chips_within_low", "chips_within_high"),
        ]
        return pandas.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        def said(time_s: float | None) -> str:
            return "never shown" if time_s is None else f"{time_s:g} s"

        subject = f"{self.subject}: " if self.subject else ""
        return (
            f"Lifetime({subject}limit of {self.max_drop:g} kept until {said(self.limit.kept_s)}, broken "
            f"from {said(self.limit.broken_s)}; {len(self.times_s)} times, {self.n_draws} draws, "
            f"{self.data} data)"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.to_frame().to_html(index=False)}"


@runtime_checkable
class MeasuresAt(Protocol):
    """An oracle that can measure at other times than those of its study."""

    def at_times(self, times_s: Sequence[float]) -> AccuracyOracle:
        """The same oracle, with the same weights and chips, that measures at these times.

        Raises:
            InputError: It does not know a time.
        """
        ...


def lifetime_of(
    accuracy: Accuracy, limit: AccuracyLimit, *, share: float, data: str, is_final: bool
) -> Lifetime:
    """How long a mapping keeps a limit.

    Args:
        accuracy: Its accuracy at one or more times.
        limit: The limit; its own times do not matter.
        share: A share of the chips, from 0 to 1.
        data: What the accuracy was measured on.
        is_final: Whether it was looked at once, so that all of the error can be spent on it; False takes
            the looks of the limit.

    Raises:
        InputError: The share is not from 0 to 1, or the draws are too few for the limit's quantile.
    """
    share, n_draws = checked_share(share), len(accuracy.samples)
    if is_final:
        limit = looked_at_once(limit, n_draws)
    times_s = tuple(sorted(set(accuracy.times_s)))
    drops = tuple(replace(limit, time_s=time_s).bounds(accuracy) for time_s in times_s)
    chips = []
    for time_s in times_s:
        excess = [drop_excess(float(drop), limit.max_drop) for drop in accuracy.drops_at(time_s)]
        chips.append(share_bounds(sum(each <= 0.0 for each in excess), n_draws, limit.confidence))
    return Lifetime(
        times_s=times_s,
        drops=drops,
        chips=tuple(chips),
        limit=until(
            times_s,
            [drop_excess(drop.estimate, limit.max_drop) for drop in drops],
            [drop_excess(drop.high, limit.max_drop) <= 0.0 for drop in drops],
            [drop_excess(drop.low, limit.max_drop) > 0.0 for drop in drops],
        ),
        share=share,
        of_chips=until(
            times_s,
            [drop_excess(share, each.estimate) for each in chips],
            [drop_excess(share, each.low) <= 0.0 for each in chips],
            [drop_excess(share, each.high) > 0.0 for each in chips],
        ),
        max_drop=limit.max_drop,
        confidence=limit.confidence,
        n_draws=n_draws,
        n_examples=accuracy.n_examples,
        data=data,
        metric=accuracy.metric,
    )


def checked_share(share: float) -> float:
    """A share of the chips that can be asked for.

    Raises:
        InputError: It is not above 0, or above 1.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0.0 < share <= 1.0:
        raise InputError(f"share: got {shown(share)}; must be above 0, and 1 at most")
    return float(share)


def looked_at_once(limit: AccuracyLimit, n_draws: int) -> AccuracyLimit:
    """The limit as it is decided by a single look at so many draws and all examples.

    Raises:
        InputError: They are too few for the limit's quantile.
    """
    return replace(limit, draws=(n_draws,), examples=("all",))


def share_bounds(count: int, n: int, confidence: float) -> Bounds:
    """A share of independent draws with bounds of the probability, each with the confidence.

    Clopper and Pearson, Biometrika 26, 1934.
    """
    low = float(betaincinv(count, n - count + 1, 1.0 - confidence)) if count else 0.0
    high = float(betaincinv(count + 1, n - count, confidence)) if count < n else 1.0
    return Bounds(estimate=count / n, low=low, high=high)


def until(
    times_s: Sequence[float],
    excess: Sequence[float],
    holds: Sequence[bool],
    breaks: Sequence[bool],
) -> Until:
    """Until when something holds.

    Args:
        times_s: Times, growing.
        excess: Estimate at each time; above 0 it does not hold.
        holds: Whether each time shows that it holds.
        breaks: Whether each time shows that it does not.
    """
    n = len(times_s)
    kept = next((k for k in range(n) if not holds[k]), n)
    broken = next((k for k in range(n, 0, -1) if not breaks[k - 1]), 0)
    crossed = next((k for k in range(n) if excess[k] > 0.0), n)
    estimate = None
    if 0 < crossed < n and times_s[crossed - 1] > 0.0:
        before, after = log(times_s[crossed - 1]), log(times_s[crossed])
        part = -excess[crossed - 1] / (excess[crossed] - excess[crossed - 1])
        estimate = exp(before + part * (after - before))
    return Until(
        kept_s=times_s[kept - 1] if kept else None,
        broken_s=times_s[broken] if broken < n else None,
        estimate_s=estimate,
    )
