"""How quantities are written for people: units, points, gains, durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    pass


#: Width of tables where the output is no terminal (a file, a pipe).
PIPE_WIDTH = 140


def console(stderr: bool = False) -> Console:
    """A console that does not squeeze tables into 80 columns when piped."""
    found = Console(stderr=stderr, highlight=False)
    return found if found.is_terminal else Console(stderr=stderr, highlight=False, width=PIPE_WIDTH)


def si(value: float | None, unit: str) -> str:
    """A quantity with three digits and a prefix: 1.23e-5 s -> `12.3 µs`."""
    if value is None:
        return "-"
    if value == 0:
        return f"0 {unit}"
    for prefix, scale in (("", 1.0), ("m", 1e-3), ("µ", 1e-6), ("n", 1e-9), ("p", 1e-12)):
        if abs(value) >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def seconds(value: float) -> str:
    """A duration as a person says it: `42 s`, `12 min`, `3.4 h`."""
    if value < 100:
        return f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"
    return f"{value / 60:.0f} min" if value < 6000 else f"{value / 3600:.1f} h"


def points(drop: float | None) -> str:
    """A drop in points of top-1: 0.0123 -> `+1.23`."""
    return "-" if drop is None else f"{round(100 * drop, 2) + 0.0:+.2f}"


def times(gain: float | None) -> str:
    """A gain: 2.5 -> `2.50x`."""
    return "-" if gain is None else f"{gain:.2f}x"


def percent(ratio: float | None) -> str:
    """A share: 0.123 -> `12.3 %`."""
    return "-" if ratio is None else f"{100 * ratio:.1f} %"
