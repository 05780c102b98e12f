"""The one error of bad input, worded as: where, what was found, what is allowed."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(ValueError):
    """What a user gave cannot be used; the message is one line that says how to mend it.

    The command line prints it without a traceback and exits with code 2.
    """


def unknown(what: str, name: str, allowed: Iterable[str], where: str = "") -> InputError:
    """The error of a name that does not exist, with the nearest names and all allowed ones."""
    choices = sorted(allowed)
    nearest = get_close_matches(name, choices, n=3)
    hint = f" (did you mean {' or '.join(map(repr, nearest))}?)" if nearest else ""
    prefix = f"{where}: " if where else ""
    return InputError(
        f"{prefix}unknown {what} {name!r}{hint}; allowed: {', '.join(choices) or 'none'}"
    )
