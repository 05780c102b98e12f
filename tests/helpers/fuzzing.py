"""Reads damaged files one after the other, and collects what is no plain refusal."""

from __future__ import annotations

import signal
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import lionheart_opt as lo
from lionheart_opt.errors import InputErrors

#: Seconds of computing, and of the clock, after which a file counts as hanging. The usual one takes
#: some milliseconds; on a machine that does other things, the clock tells little.
PATIENCE_S, WAITING_S = 20.0, 300.0
#: Bytes of the longest message.
LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of input file.

    Args:
        name: What reports call it.
        damage: Writes a damaged file into a folder.
        read: Reads it as the product does, up to numbers.
        writes: Whether reading may write into the folder.
        few: How many files the fast tests read.
    """

    name: str
    damage: Callable[[Path, Random], None]
    read: Callable[[Path], object]
    writes: bool = False
    few: int = 40


@dataclass
class Outcome:
    """What came of the damaged files of one kind."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        n_refused = self.refused.total()
        total = self.accepted + n_refused + len(self.faults)
        return f"{total} files, {n_refused} refused, {self.accepted} accepted, {len(self.faults)} faults"


class _TimeIsUp(BaseException):
    """A file has taken too long."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TimeIsUp

    timers = {
        signal.SIGPROF: (signal.ITIMER_PROF, seconds),
        signal.SIGALRM: (signal.ITIMER_REAL, WAITING_S),
    }
    before = {number: signal.signal(number, stop) for number in timers}
    for timer, limit in timers.values():
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


def fuzz(kind: Kind, folder: Path, count: int, seed: int = 0) -> Outcome:
    """Damage and read `count` files in a folder; mutation k depends on the seed and k only."""
    outcome = Outcome()
    for k in range(count):
        kind.damage(folder, Random(f"{kind.name} {seed} {k}"))
        before = contents(folder)
        fault = ""
        try:
            with warnings.catch_warnings(), time_limit(PATIENCE_S):
                warnings.simplefilter("ignore")
                kind.read(folder)
            outcome.accepted += 1
        except lo.InputError as error:
            fault = bad_error(error)
            outcome.refused["".join(c for c in str(error) if not c.isdigit())[:60]] += 1
        except (Exception, _TimeIsUp) as error:
            frames = traceback.extract_tb(error.__traceback__)
            place = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in frames[:-4:-1])
            ours = next(
                (
                    f"{Path(f.filename).name}:{f.lineno}"
                    for f in reversed(frames)
                    if "lionheart_opt" in f.filename or "cost_models" in f.filename
                ),
                "",
            )
            fault = f"{type(error).__name__} {ours} {place}"
            outcome.faults.setdefault(fault, f"mutation {k}: {str(error)[:200]}")
            fault = ""
        if fault:
            outcome.faults.setdefault(fault, f"mutation {k}")
        if not kind.writes and contents(folder) != before:
            outcome.faults.setdefault("wrote into the folder", f"mutation {k}")
    return outcome


def bad_error(error: lo.InputError) -> str:
    """What is wrong with the message of an error, or with one of several; empty if nothing is."""
    errors = error.errors if isinstance(error, InputErrors) else [error]
    return next(filter(None, (bad_message(str(each)) for each in errors)), "")


def bad_message(message: str) -> str:
    if len(message) > LONGEST:
        return f"message of {len(message)} characters: {message[:50]}"
    unprintable = sorted({letter for letter in message if not letter.isprintable()})
    if unprintable:
        return f"message with {unprintable}: {message[:50]!r}"
    if not message.strip():
        return "empty message"
    return ""
