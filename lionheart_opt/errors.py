"""The one error of bad input, worded as: where, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from lionheart_opt.text import one_line, shown

#: Characters that the allowed names may take in a message, and that a name may have to be compared.
_ROOM, _COMPARED = 150, 100


class InputError(ValueError):
    """What a user gave cannot be used; the message is one line that says how to mend it.

    The message has at most 300 characters and no control characters, whatever it is about. The command
    line prints it without a traceback and exits with code 2.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


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
