"""The one error of bad input, worded as: where, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from json import dumps
from typing import Any


class InputError(ValueError):
    """What a user gave cannot be used; the message is one line that says how to mend it.

    The command line prints it without a traceback and exits with code 2.
    """


class CannotBeAnalog(InputError):
    """Units that have to stay on the host; the message ends with the line that keeps them there.

    Args:
        units: Names of the units.
        reason: What is wrong with them.
        where: What the message calls the study.
    """

    def __init__(self, units: Sequence[str], reason: str, where: str = "") -> None:
        self.units, self._arguments = tuple(units), (tuple(units), reason, where)
        names = ", ".join(map(repr, units))
        what = f"unit {names}" if len(units) == 1 else f"units {names}"
        prefix = f"{where}: " if where else ""
        super().__init__(
            f"{prefix}{what} cannot be analog: {reason}; to keep "
            f"{'it' if len(units) == 1 else 'them'} on the host: {digital_line(units)}"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._arguments


class InputErrors(InputError):
    """Several things that cannot be used, one line each.

    Args:
        errors: What is wrong.
    """

    def __init__(self, errors: Sequence[InputError]) -> None:
        self.errors = tuple(errors)
        super().__init__("\n".join(map(str, errors)))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errors,)


class Collected:
    """Errors of several steps, so that all of them can be said at once.

    Attributes:
        errors: What was wrong so far.
    """

    def __init__(self) -> None:
        self.errors: list[InputError] = []

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Run a block; if it raises an `InputError`, keep the error and go on behind the block."""
        try:
            yield
        except InputError as error:
            self.add(error)

    def add(self, error: InputError) -> None:
        """Keep an error."""
        self.errors += error.errors if isinstance(error, InputErrors) else (error,)

    def refuse(self) -> None:
        """Raise what was collected, if there is anything.

        Raises:
            InputError: Something was wrong; an `InputErrors` if there are several errors.
        """
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise InputErrors(self.errors)


def digital_line(units: Iterable[str]) -> str:
    """The line of a study file that keeps units on the host."""
    return f"digital = {dumps(list(units), ensure_ascii=False)}"


def unknown(what: str, name: str, allowed: Iterable[str], where: str = "") -> InputError:
    """The error of a name that does not exist, with the nearest names and all allowed ones."""
    choices = sorted(allowed)
    nearest = get_close_matches(name, choices, n=3)
    hint = f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""
    prefix = f"{where}: " if where else ""
    return InputError(
        f"{prefix}unknown {what} {name!r}{hint}; allowed: {', '.join(choices) or 'none'}"
    )
