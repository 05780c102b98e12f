"""Intervals between calibrations: when they are measured, and in which order they are tried."""

from __future__ import annotations

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.aging.recalibration import (
    INTERVALS_S,
    Recalibration,
    checked_intervals,
    times_to_measure,
    tried_intervals,
)
from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.oracle.settings import Calibration

LIMIT = AccuracyLimit(max_drop=0.02, time_s=1.0, draws=(10,), over="examples")
HOUR, DAY = 3600.0, 86_400.0


def tried(drops: dict[float, float], until_s: float = DAY) -> tuple[Recalibration, list[float]]:
    """Intervals with these drops at the end, and none before; also which were measured."""
    measured: list[float] = []

    def measure(interval_s: float, times_s: tuple[float, ...]) -> Accuracy:
        measured.append(interval_s)
        of_times = np.zeros(len(times_s))
        of_times[-1] = drops[interval_s]
        samples = 0.9 - of_times + 0.001 * np.linspace(-1, 1, 10)[:, None]
        return Accuracy(samples=samples, times_s=times_s, baseline=0.9)

    return tried_intervals(sorted(drops), until_s, LIMIT, measure), measured


def test_the_longest_interval_before_the_first_that_is_not_shown_is_kept() -> None:
    found, measured = tried({60.0: 0.0, HOUR: 0.01, 6 * HOUR: 0.02, DAY: 0.0})
    assert measured == [60.0, HOUR, 6 * HOUR], "nothing is tried beyond the first that fails"
    assert [each.holds for each in found.intervals] == [True, True, False]
    assert found.kept_s == HOUR and len(found.asked_s) == 4
    assert found.intervals[1].drop.estimate == pytest.approx(0.01)  # that of the worst time
    assert found.to_json()["kept_s"] == HOUR
    none, _ = tried({60.0: 0.05, HOUR: 0.0})
    assert none.kept_s is None and len(none.intervals) == 1


def test_chips_are_measured_right_before_they_are_calibrated() -> None:
    """At the moments that the schedule of the oracle takes for the end of an interval."""
    times_s = times_to_measure(HOUR, DAY)
    assert times_s[-1] == DAY and len(times_s) == 7  # before 1, 2, 4, 8, 16 and 24, and the end
    schedule = Calibration(recalibrate_every_s=HOUR)
    moments = [schedule.moment_s(time_s) for time_s in times_s]
    assert moments == [0.0, HOUR, 3 * HOUR, 7 * HOUR, 15 * HOUR, 23 * HOUR, DAY]
    assert times_to_measure(DAY, DAY) == (DAY * (1 - 1e-6), DAY)
    assert times_to_measure(5 * HOUR, 6 * HOUR) == (5 * HOUR * (1 - 1e-6), 6 * HOUR)
    assert times_to_measure(0.1, 0.3)[-2:] == (pytest.approx(0.3), 0.3)


def test_intervals_beyond_the_end_are_left_out() -> None:
    assert checked_intervals((DAY, HOUR, 2 * DAY, HOUR), DAY) == (HOUR, DAY)
    assert checked_intervals(INTERVALS_S, 10 * DAY) == INTERVALS_S[:4]
    for wrong, until_s, message in (
        ((DAY,), HOUR, "none is at most 3600 s"),
        ((0.0, DAY), DAY, "got 0 s; must be above 0"),
        ((HOUR,), 0.0, "the latest time is 0 s"),
    ):
        with pytest.raises(InputError, match=message):
            checked_intervals(wrong, until_s)


def test_an_interval_that_breaks_the_limit_is_kept_with_the_error_of_the_limit() -> None:
    """However many are tried: drops exactly at the limit, chips that are drawn."""
    rng, wrong, runs = np.random.default_rng(0), 0, 400
    limit = AccuracyLimit(max_drop=0.02, time_s=1.0, draws=(10,), over="examples")
    for _ in range(runs):
        found = tried_intervals(
            (60.0, HOUR, DAY),
            DAY,
            limit,
            lambda _, times_s: Accuracy(
                samples=0.9 - rng.normal(0.02, 0.01, (10, 1)).repeat(len(times_s), 1).clip(0),
                times_s=times_s,
                baseline=0.9,
            ),
        )
        wrong += found.kept_s is not None
    assert wrong / runs < 0.07
