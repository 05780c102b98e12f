"""Durations as people write them: `1 day`, `12 h`, `90 s`."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from numbers import Real

from lionheart_opt.errors import InputError
from lionheart_opt.text import shown

#: Unit -> seconds; a month is 30 days, a year 365.
UNITS_S = {
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "h": 3_600.0,
    "hour": 3_600.0,
    "d": 86_400.0,
    "day": 86_400.0,
    "week": 604_800.0,
    "month": 2_592_000.0,
    "year": 31_536_000.0,
}


def seconds_of(duration: float | str) -> float:
    """Seconds of a number of seconds, or of a text such as "1 day" or "2.5 h".

    Raises:
        InputError: It is not a duration, or negative.
    """
    seconds = math.nan
    if isinstance(duration, str):
        match = re.fullmatch(r"\s*([0-9.eE+-]+)\s*([a-zA-Z]*)\s*", duration)
        unit = match[2].lower() if match else ""
        unit = unit if unit in UNITS_S else unit.removesuffix("s")
        if match and (unit or "s") in UNITS_S:
            with suppress(ValueError):  # 1.2.3
                seconds = float(match[1]) * UNITS_S[unit or "s"]
    elif isinstance(duration, Real) and not isinstance(duration, bool):
        with suppress(OverflowError):
            seconds = float(duration)
    if not 0.0 <= seconds < math.inf:
        raise InputError(
            f"time: got {shown(duration)}; must be seconds, or a number with one of "
            f"{', '.join(name for name in UNITS_S if len(name) > 1)}"
        )
    return seconds
