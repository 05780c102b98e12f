"""Files of text, read as UTF-8 whatever the locale is and parsed as TOML or JSON; files written whole."""

from __future__ import annotations

import datetime
import json
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lionheart_opt.errors import InputError
from lionheart_opt.text import one_line, shown

#: Bytes of the largest file of text.
LARGEST = 1 << 26
#: Levels of tables and arrays in a file, and characters of a text in it.
DEEPEST, LONGEST_TEXT = 50, 10_000
#: How the names of folders begin that hold files until they are written.
UNFINISHED = ".unfinished-"


def check_file(path: Path) -> None:
    """Refuse what is no regular file: reading a pipe or a device may never end.

    Raises:
        InputError: It does not exist, is a folder, or is a pipe or a device.
    """
    with reported(path):
        mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
        raise InputError(f"{path}: is {what}; must be a file")


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Turn what the system refuses while the block runs into bad input.

    Args:
        path: What the block reads or writes.

    Raises:
        InputError: The block raised an `OSError`, or the path cannot be one.
    """
    try:
        yield
    except OSError as error:
        place = error.filename if isinstance(error.filename, str) else path
        raise InputError(f"{place}: {error.strerror or error}") from error
    except ValueError as error:
        if not isinstance(error, UnicodeEncodeError) and "null" not in str(error):
            raise
        raise InputError(f"{path}: not a name of a file: {error}") from error


def read_text(path: Path, largest: int | None = None) -> str:
    """A file in UTF-8, with or without a byte-order mark.

    Args:
        path: The file.
        largest: Bytes that it may have.

    Raises:
        InputError: It cannot be read, is too large, or is not UTF-8.
    """
    check_file(path)
    largest = LARGEST if largest is None else largest
    with reported(path):
        with path.open("rb") as file:
            content = file.read(largest + 1)
    if len(content) > largest:
        raise InputError(f"{path}: more than {largest:,} bytes, the most that can be read")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problem = f"byte {error.start:,} is {content[error.start]:#04x}"
        raise InputError(f"{path}: not UTF-8: {problem}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file as a whole: an interruption or a full disk leaves what was there before.

    Args:
        path: The file. A link is followed; a pipe or a device is written to directly.

    Yields:
        What the block is to write: a file of the same name, which then takes the place of the other one.
    """
    place = path.resolve()
    if place.exists() and not place.is_file():
        yield path
        return
    try:
        with TemporaryDirectory(dir=place.parent, prefix=UNFINISHED) as folder:
            part = Path(folder) / place.name
            yield part
            part.replace(place)
    except OSError as error:
        if UNFINISHED in str(error.filename):
            error.filename = str(path)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8, as a whole.

    Raises:
        InputError: It cannot be written.
    """
    with reported(path), replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """The data of a TOML text.

    Args:
        text: TOML.
        where: What errors call the text (its path).

    Raises:
        InputError: It is not TOML, or holds what no file of ours does: depth, dates, huge numbers or
            texts.
    """
    try:
        data = tomllib.loads(text.removeprefix("\ufeff"))
    except RecursionError as error:
        raise InputError(f"{where}: not valid TOML: too many levels") from error
    except ValueError as error:  # a TOMLDecodeError, or an integer of thousands of digits
        raise InputError(f"{where}: not valid TOML: {error}") from error
    _check(data, where)
    return data


def parse_json(text: str, where: str) -> Any:
    """The data of a JSON text.

    Args:
        text: JSON.
        where: What errors call the text (its path).

    Raises:
        InputError: It is not JSON, or holds what no file of ours does: depth, NaN, huge numbers or
            texts, a key twice in one object.
    """
    try:
        data = json.loads(text, parse_constant=_refused, object_pairs_hook=_object)
    except RecursionError as error:
        raise InputError(f"{where}: not valid JSON: too many levels") from error
    except ValueError as error:
        raise InputError(f"{where}: not valid JSON: {error}") from error
    _check(data, where)
    return data


def _refused(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The dictionary of an object; Python would keep the last of two values of one key."""
    data = dict(pairs)
    if len(data) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(twice)} is there more than once")
    return data


def _check(data: Any, where: str) -> None:
    """Refuse what no file of ours holds; the message names the key."""
    todo: list[tuple[tuple[object, ...], Any]] = [((), data)]
    while todo:
        path, value = todo.pop()
        if problem := _problem(value, len(path)):
            key = one_line(".".join(map(str, path)), 80)
            raise InputError(f"{where}: {key or '(top level)'}: {problem}")
        if isinstance(value, dict):
            todo += (((*path, key), below) for key, below in value.items())
        elif isinstance(value, list):
            todo += (((*path, number), below) for number, below in enumerate(value))


def _problem(value: Any, level: int) -> str:
    if level > DEEPEST:
        return f"more than {DEEPEST} levels deep"
    match value:
        case dict():
            return next(filter(None, map(_text_problem, value)), "")
        case str():
            return _text_problem(value)
        case int() if not -(2**63) <= value < 2**63:
            return f"got {shown(value)}; must be an integer of at most 64 bits"
        case datetime.date() | datetime.time():
            return f"got the date or time {value}; must be a text or a number"
    return ""


def _text_problem(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        return f"a text of {len(text):,} characters; at most {LONGEST_TEXT:,} are allowed"
    for letter in text:
        if letter == "\0" or 0xD800 <= ord(letter) < 0xE000:
            return f"a text with the character {letter!r}, which cannot be used"
    return ""
