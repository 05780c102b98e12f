"""The one error of bad input, worded as: where, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from json import dumps
from typing import Any

from lionheart_opt.text import one_line, shown

#: Characters that the allowed names may take in a message, and that a name may have to be compared.
_ROOM, _COMPARED = 150, 100
#: Characters that the names of units, and the line that keeps them on the host, may take in a message.
_UNITS, _LINE = 60, 120


class InputError(ValueError):
    """What a user gave cannot be used; the message is one line that says how to mend it.

    The message has at most 300 characters and no control characters, whatever it is about. The command
    line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


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
        if len(names) > _UNITS:
            names = f"{units[0]!r} and {len(units) - 1} more"
        what = f"unit {names}" if len(units) == 1 else f"units {names}"
        it = "it" if len(units) == 1 else "them"
        line = digital_line(units)
        if len(line) > _LINE:
            line = "see the line that `lionheart-opt check` prints"
        prefix = f"{where}: " if where else ""
        super().__init__(
            f"{prefix}{what} cannot be analog: {reason}; to keep {it} on the host: {line}"
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
        ValueError.__init__(self, "\n".join(map(str, errors)))

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
        """Keep an error, unless one with the same words is kept."""
        for each in error.errors if isinstance(error, InputErrors) else (error,):
            if str(each) not in map(str, self.errors):
                self.errors.append(each)

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
    """The error of a name that does not exist, with the nearest names and all allowed ones.

    Where there are too many for one line, only the first are listed.
    """
    name = name if isinstance(name, str) else shown(name)
    choices = sorted(allowed)
    nearest = get_close_matches(name, choices, n=3) if len(name) <= _COMPARED else []
    hint = f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""
    prefix = f"{where}: " if where else ""
    return InputError(f"{prefix}unknown {what} {shown(name)}{hint}; allowed: {_listed(choices)}")


def _listed(names: list[str]) -> str:
    text = ", ".join(names)
    if len(text) <= _ROOM:
        return text or "none"
    first = text[:_ROOM].rpartition(", ")[0] or names[0]
    return f"{first}, ... ({len(names)} in all)"
