"""Durations as people write them."""

import numpy as np
import pytest

from lionheart_opt.durations import UNITS_S, seconds_of
from lionheart_opt.errors import InputError


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [
        ("1 day", 86_400),
        ("2.5 h", 9_000),
        ("90 s", 90),
        ("90", 90),
        ("1e3s", 1_000),
        (" 3 Weeks ", 3 * 604_800),
        ("2 min", 120),
        ("1 month", 30 * 86_400),
        ("10 years", 10 * 365 * 86_400),
        ("0 s", 0),
        (0, 0),
        (86_400.0, 86_400),
        (np.float64(60), 60),
        (np.int64(60), 60),
    ],
)
def test_seconds(duration, seconds):
    assert seconds_of(duration) == seconds and type(seconds_of(duration)) is float


@pytest.mark.parametrize("unit", UNITS_S)
def test_every_unit_in_singular_and_plural(unit):
    assert seconds_of(f"2 {unit}") == seconds_of(f"2{unit.upper()}s") == 2 * UNITS_S[unit]


NO_DURATIONS = (
    *("", "soon", "day", "1 fortnight", "1.2.3 s", "-1 s", "1 d 2 h", "s", "inf", "nan s", "e s"),
    *("1e400 s", -1, float("nan"), float("inf"), None, True, [1]),
)


@pytest.mark.parametrize("duration", NO_DURATIONS)
def test_anything_else_is_refused_with_the_units(duration):
    with pytest.raises(InputError, match=r"must be seconds, or a number with one of .*hour, day"):
        seconds_of(duration)
