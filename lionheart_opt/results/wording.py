"""How quantities are written for people: units, points, gains, durations."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from lionheart_opt.text import never_fail, printable

if TYPE_CHECKING:
    from lionheart_opt.estimates import Estimate

#: Width of tables where the output is no terminal (a file, a pipe), unless $COLUMNS says another.
PIPE_WIDTH = 120

#: Where results are printed instead of standard output, if anywhere.
_streams: list[TextIO] = []


class _PlainConsole(Console):
    """Passes no control characters of texts to the terminal; those of rich itself are its own."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                lines = map(printable, segment.text.split("\n"))
                yield Segment("\n".join(lines), segment.style)


@contextmanager
def results_on(stream: TextIO) -> Iterator[None]:
    """Print results on this stream in the block, whatever standard output is then."""
    before = _streams[:]
    _streams[:] = [stream]
    try:
        yield
    finally:
        _streams[:] = before


def results_stream() -> TextIO:
    """Where results are printed: standard output, unless `results_on` says otherwise."""
    return _streams[0] if _streams else sys.stdout


def console(stderr: bool = False) -> Console:
    """A console that shows text as it is, without markup or control characters, on any terminal."""
    file = None if stderr else results_stream()
    never_fail(file or sys.stderr)
    made = _PlainConsole(file=file, stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal and not os.environ.get("COLUMNS", "").isdigit():
        made.width = PIPE_WIDTH
    return made


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


def diverged(count: int) -> str:
    """What is said of trials whose training diverged."""
    which = "1 trial, which is" if count == 1 else f"{count} trials, which are"
    return (
        f"training diverged in {which} never feasible; try a smaller learning_rate in [oracle.hat]"
    )


def times(gain: float | None) -> str:
    """A gain: 2.5 -> `2.50x`."""
    return "-" if gain is None else f"{gain:.2f}x"


def times_within(gain: Estimate) -> str:
    """A gain and the factor up to which it is known, where it is: `2.50x (x/1.30)`."""
    low, high = gain.low, gain.high
    factor = f" (x/{sqrt(high / low):.2f})" if low and high and high > low else ""
    return times(gain.value) + factor


def percent(ratio: float | None) -> str:
    """A share: 0.123 -> `12.3 %`."""
    return "-" if ratio is None else f"{100 * ratio:.1f} %"


def sentence(words: str) -> str:
    """Words as a sentence: `all is well` becomes `All is well.`, for example."""
    return f"{words[:1].upper()}{words[1:]}."


def json_text(data: Any) -> str:
    """Plain data as JSON with every digit; NaN and infinity, which JSON does not know, are null."""
    return json.dumps(_finite(data), indent=2, allow_nan=False)


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not isfinite(data) else data
