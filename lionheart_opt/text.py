"""Text from outside as a terminal can show it: on one short line, without control characters."""

from __future__ import annotations

import codecs
import io
import re
from contextlib import suppress
from typing import TextIO

#: Characters of the longest message, and of the longest value in one.
LONGEST, LONGEST_VALUE = 300, 80
#: The path of a file with which a message starts: all but its last folder can be left out.
_FOLDERS = re.compile(r"^[^:]*/([^/:]+/[^/:]+: )")
#: What a terminal shows that knows ASCII only.
_ASCII = {
    **{"µ": "u", "×": "x", "→": ">", "–": "-", "’": "'", "…": "~", "±": "+-", "≤": "<="},
    **dict.fromkeys("─━═╌╴╶╸╺", "-"),
}


def _as_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_ASCII.get(letter, "?") for letter in letters), error.end


codecs.register_error("lionheart_opt.ascii", _as_ascii)


def never_fail(stream: TextIO) -> None:
    """Have a stream write similar letters, or `?`, for those that its encoding lacks."""
    if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
        stream.reconfigure(errors="lionheart_opt.ascii")


def printable(text: str) -> str:
    r"""The text with escapes such as `\x1b` and `\n` for what controls a terminal or cannot be seen.

    Letters of a path that the locale does not know are shown all the same.
    """
    if text.isprintable():
        return text
    with suppress(UnicodeError):  # a path in a locale without Unicode
        text = text.encode("utf-8", "surrogateescape").decode()
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def one_line(text: str, longest: int = LONGEST) -> str:
    """The text on one printable line; of a long one, folders at its start and the middle are left out.

    Args:
        text: Any text. Its line breaks become spaces.
        longest: Number of characters that are kept.
    """
    if len(text) > 4 * longest:  # what is left out need not be looked at
        text = text[: 2 * longest] + text[-2 * longest :]
    line = printable(re.sub(r"\s*[\r\n]+\s*", " ", text.strip()))
    if len(line) > longest:
        line = _FOLDERS.sub(r".../\1", line)
    if len(line) <= longest:
        return line
    head = (longest - 5) // 2
    return f"{line[:head]} ... {line[len(line) - (longest - 5 - head) :]}"


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def shown(value: object, longest: int = LONGEST_VALUE) -> str:
    """A value as messages show it: its `repr` on one short line, whatever the value is.

    Args:
        value: Anything.
        longest: Number of characters that are kept.
    """
    try:
        return one_line(repr(value), longest)
    except Exception:  # too deep, an integer of thousands of digits, or a `repr` that fails
        return f"a value of type {type(value).__name__}"
