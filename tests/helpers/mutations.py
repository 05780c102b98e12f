"""Damages input files: whole files byte by byte, and the data in TOML and JSON files value by value."""

from __future__ import annotations

import datetime
import json
import math
from copy import deepcopy
from random import Random
from typing import Any

#: Values that belong almost nowhere.
EXTREMES: tuple[Any, ...] = (
    *(-1, 0, 1, 2, 3, 2**31, 2**63 - 1, -(2**63), 10**9),
    *(0.0, -0.5, 0.5, 1.5, 1e-300, 1e300, math.inf, -math.inf, math.nan),
    *(
        True,
        False,
        "",
        " ",
        "x",
        "[/x]",
        "$\\frac{$",
        "\x1b[31m",
        "a\nb",
        "\u202eab",
        "\ufeff",
        "é",
    ),
    *(":a", "..:x", "a:", "a.b:", "a b", "x" * 300, "y" * 20_000, "/", "..", "\x00", "%s{0}"),
    *([], [[]], {}, [1], ["x"], {"x": 1}, [True], [{}], [-1], [2**62], list(range(50))),
    *(datetime.date(2020, 1, 1), datetime.time(1, 2), datetime.datetime(2020, 1, 1, 1)),
)
#: Characters that a mutated text may get.
LETTERS = "abz09_.:-/\\\"'[]{}$%#?\x00\x07\x1b\u202e\u2028é漢😀 "


def places(data: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in nested dictionaries and lists."""
    below: list[tuple[Any, Any]] = []
    todo = [data]
    while todo:
        node = todo.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            below.append((node, key))
            if isinstance(node[key], (dict, list)):
                todo.append(node[key])
    return below


def changed(data: Any, rng: Random, donors: list[Any]) -> Any:
    """A copy of nested data with one to three damages.

    Args:
        data: Nested dictionaries and lists.
        rng: What decides.
        donors: Values of other files, which may be put in.
    """
    data = deepcopy(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not (everywhere := places(data)):
            break
        container, key = rng.choice(everywhere)
        _damage(data, container, key, rng, donors)
    return data


def _damage(data: Any, container: Any, key: Any, rng: Random, donors: list[Any]) -> None:
    value = container[key]
    match rng.randrange(12):
        case 0:
            del container[key]
        case 1:  # another value of the file
            other, name = rng.choice(places(data))
            container[key] = deepcopy(other[name])
        case 2:
            container[key] = deepcopy(rng.choice(donors))
        case 3 if isinstance(container, dict):  # a key of another name
            name = rng.choice(
                (_text(str(key), rng), "x", "name", "kind", "", "parameters", "origin")
            )
            container[name] = container.pop(key)
        case 3 | 4 if isinstance(container, list):
            container.insert(rng.randrange(len(container) + 1), deepcopy(value))
        case 5:
            container[key] = [value] if rng.random() < 0.5 else {"x": value}
        case 6 | 8 | 9 | 10:  # of nearly the same kind, so that more than the type is tested
            container[key] = _near(value, rng)
        case 7:
            for _ in range(rng.choice((2, 20, 60))):
                value = [value]
            container[key] = value
        case _:
            container[key] = deepcopy(rng.choice(EXTREMES))


def _near(value: Any, rng: Random) -> Any:
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int):
        return rng.choice((value + 1, value - 1, -value, 2 * value, 10 * value, float(value)))
    if isinstance(value, float):
        return rng.choice(
            (
                value * 1.01,
                value / 2,
                -value,
                value * 1e6,
                value * 1e-6,
                round(value) if math.isfinite(value) else 0,
            )
        )
    if isinstance(value, str):
        return _text(value, rng)
    if isinstance(value, list):
        return rng.sample(value, rng.randrange(len(value) + 1))
    if isinstance(value, dict):
        return dict(rng.sample(list(value.items()), len(value)))
    return str(value)


def _text(text: str, rng: Random) -> str:
    place = rng.randrange(len(text) + 1)
    return text[:place] + rng.choice(LETTERS) + text[place + rng.randrange(2) :]


def damaged(content: bytes, rng: Random, other: bytes = b"") -> bytes:
    """The bytes of a file with one damage: flips, a cut, a hole, a repeated piece, another file's."""
    if not content:
        return other
    start = rng.randrange(len(content))
    end = min(start + rng.choice((1, 4, 64)), len(content))
    match rng.randrange(7):
        case 0:
            return content[:start]
        case 1:
            return content[:start] + content[end:]
        case 2:
            return content[:start] + content[start:end] * 2 + content[end:]
        case 3 if other:
            begin = rng.randrange(len(other))
            return content[:start] + other[begin : begin + end - start] + content[end:]
        case 4:
            return content[:start] + rng.randbytes(end - start) + content[end:]
        case _:
            flipped = bytearray(content)
            for _ in range(rng.choice((1, 1, 3))):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            return bytes(flipped)


def as_json(data: Any) -> str:
    """JSON, with NaN and the like as Python writes them; dates as texts."""
    return json.dumps(data, default=str)


def as_toml(data: dict[str, Any]) -> str:
    """TOML of a dictionary, tables inline; what TOML cannot say is left out."""
    lines = [f"{_key(key)} = {_toml(value)}" for key, value in data.items() if value is not None]
    return "\n".join(lines) + "\n"


def _key(key: Any) -> str:
    return _toml(str(key))


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | datetime.date() | datetime.time():
            return value.isoformat() if hasattr(value, "isoformat") else str(value)
        case float():
            return repr(value)
        case str():
            return (
                json.dumps(value, ensure_ascii=True).replace("\\u0000", "\\u0001")
                if _is_plain(value)
                else _long(value)
            )
        case dict():
            return (
                "{"
                + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items() if v is not None)
                + "}"
            )
        case list() | tuple():
            return "[" + ", ".join(_toml(each) for each in value if each is not None) + "]"
    raise TypeError(type(value))


def _is_plain(text: str) -> bool:
    return all(ord(letter) < 0x10000 and not 0xD800 <= ord(letter) < 0xE000 for letter in text)


def _long(text: str) -> str:
    letters = (
        letter if 0x20 <= ord(letter) != 0x7F and letter not in '"\\' else f"\\u{ord(letter):04x}"
        for letter in text
    )
    return '"' + "".join(letters) + '"'
