"""How often a chip must be calibrated to keep its limit: intervals, tried from the shortest on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from math import floor
from typing import Any, Protocol, runtime_checkable

from lionheart_opt.accuracy import Accuracy, AccuracyOracle
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit, drop_excess
from lionheart_opt.statistics.bounds import Bounds

#: Intervals that are tried unless others are asked for: 1 h, 6 h, 1 day, 1 week, 30 and 91 days, 1 year.
INTERVALS_S = (3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, 7_862_400.0, 31_536_000.0)

#: How long before a calibration a chip is measured, as a share of the time since programming.
_BEFORE = 1e-6


@dataclass(frozen=True, kw_only=True)
class TriedInterval:
    """What an interval between two calibrations does to the limit.

    Args:
        interval_s: Seconds between two calibrations, of which the first is right after programming.
        times_s: Times since programming at which the chips were measured: right before calibrations,
            when the last one is oldest, and at the end.
        drop: The limit's statistic at the worst of these times, with one-sided bounds.
        holds: Whether the limit is shown to hold at all of them.
    """

    interval_s: float
    times_s: tuple[float, ...]
    drop: Bounds
    holds: bool


@dataclass(frozen=True, kw_only=True)
class Recalibration:
    """Which intervals between two calibrations are shown to keep a limit.

    Intervals are tried from the shortest on, each with all of the error, up to the first that is not
    shown to keep the limit. So the longest that is has the confidence of the limit, however many were
    tried (fixed-sequence testing; Maurer, Hothorn and Lehmacher, 1995).

    Args:
        intervals: The intervals that were tried, growing; all but the last keep the limit. There are none
            where chips are not calibrated.
        asked_s: All intervals that were to be tried.
        until_s: Time since programming until which the limit has to hold.
    """

    intervals: tuple[TriedInterval, ...]
    asked_s: tuple[float, ...]
    until_s: float

    @property
    def kept_s(self) -> float | None:
        """The longest interval that is shown to keep the limit; None if none is."""
        return max((each.interval_s for each in self.intervals if each.holds), default=None)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "kept_s": self.kept_s}


@runtime_checkable
class Recalibrates(Protocol):
    """An oracle that can calibrate chips at other intervals than those of its study."""

    def recalibrated_every(self, interval_s: float) -> AccuracyOracle | None:
        """The same oracle, with the same weights and chips, which are calibrated so often.

        None where it does not calibrate chips.
        """
        ...


def checked_intervals(intervals_s: Sequence[float], until_s: float) -> tuple[float, ...]:
    """Intervals that can be tried, growing; those that are longer than the time are one calibration.

    Raises:
        InputError: An interval is not above 0, none is left, or the time is 0.
    """
    if not until_s > 0.0:
        raise InputError("intervals: the latest time is 0 s; a later one is needed (times)")
    for each in intervals_s:
        if not each > 0.0:
            raise InputError(f"intervals: got {each:g} s; must be above 0")
    chosen = tuple(sorted({each for each in intervals_s if each <= until_s}))
    if not chosen:
        raise InputError(
            f"intervals: none is at most {until_s:g} s, the latest time; set a later one (times)"
        )
    return chosen


def times_to_measure(interval_s: float, until_s: float) -> tuple[float, ...]:
    """Times since programming at which a limit is tested for an interval.

    Right before the first, second, fourth, eighth calibration after programming and so on, and the last
    one, when what was calibrated is oldest; and the end. Drift goes with the logarithm of time, so that
    nothing else is expected between them.

    Args:
        interval_s: Seconds between two calibrations.
        until_s: The end.
    """
    last = floor(until_s / interval_s * (1 + 1e-12))
    numbers, number = {last}, 1
    while number < last:
        numbers.add(number)
        number *= 2
    before = {each * interval_s * (1.0 - _BEFORE) for each in numbers}
    return tuple(sorted(before | {until_s}))


def tried_intervals(
    intervals_s: Sequence[float],
    until_s: float,
    limit: AccuracyLimit,
    measure: Callable[[float, tuple[float, ...]], Accuracy],
) -> Recalibration:
    """Try intervals from the shortest on, up to the first that is not shown to keep a limit.

    Args:
        intervals_s: The intervals, growing.
        until_s: Time since programming until which the limit has to hold.
        limit: The limit, as it is decided; its own times do not matter.
        measure: Gives the accuracy for an interval at some times.
    """
    tried = []
    for interval_s in intervals_s:
        times_s = times_to_measure(interval_s, until_s)
        drop = replace(limit, time_s=times_s).bounds(measure(interval_s, times_s))
        holds = drop_excess(drop.high, limit.max_drop) <= 0.0
        tried.append(TriedInterval(interval_s=interval_s, times_s=times_s, drop=drop, holds=holds))
        if not holds:
            break
    return Recalibration(intervals=tuple(tried), asked_s=tuple(intervals_s), until_s=until_s)
