"""Write fitted constants into the text of a system file; comments and other lines stay as they are."""

from __future__ import annotations

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Context
from json import dumps

from lionheart_opt.errors import InputError
from lionheart_opt.hardware.constants import Interval, Uncertainty


def with_constants(
    text: str, block: str, values: dict[str, float], intervals: dict[str, Interval]
) -> str:
    """The text with other numbers in a block.

    Args:
        text: TOML of a system.
        block: Name of the table, such as `software`, `targets.cores`, or `links.0` for the first link.
        values: Key -> number.
        intervals: Key -> its interval, for those that have one.

    Raises:
        InputError: The block or a key is not there.
    """
    lines = text.split("\n")
    begin, end = _extent(lines, block)
    for key, value in values.items():
        pattern = re.compile(rf"{re.escape(key)}\s*=\s*(?:\{{.*?\}}|[^#]*?)(\s*#.*)?$")
        for number in range(begin + 1, end):
            if match := pattern.match(lines[number]):
                line = f"{key} = {_number(value, intervals.get(key))}"
                lines[number] = line + (match[1] or "")
                break
        else:
            raise InputError(f"table [{block}]: no line `{key} = ...` to be replaced")
    return "\n".join(lines)


def with_uncertainty(text: str, uncertainty: Uncertainty) -> str:
    """The text with another table `[uncertainty]`, which is put at its end if there is none."""
    lines = text.rstrip("\n").split("\n")
    table = ["[uncertainty]", f"source = {_text(uncertainty.source)}"]
    for key in ("latency_factor", "energy_factor"):
        if (factor := getattr(uncertainty, key)) is not None:
            table.append(f"{key} = {_float(factor)}")
    if uncertainty.constants:
        table += [
            "constants = [",
            *(f"    {_text(name)}," for name in uncertainty.constants),
            "]",
            "correlations = [",
            *(
                f"    [{', '.join(f'{round(correlation, 4) + 0.0:.4f}' for correlation in row)}],"
                for row in uncertainty.correlations
            ),
            "]",
        ]
    if any(line.startswith("[uncertainty]") for line in lines):
        begin, end = _extent(lines, "uncertainty")
        after = ["", *lines[end:]] if lines[end:] else []
        return "\n".join([*lines[:begin], *table, *after, ""])
    return "\n".join([*lines, "", *table, ""])


def _extent(lines: list[str], block: str) -> tuple[int, int]:
    """Line of the header of a table, and the line after its last key."""
    place, _, number = block.partition(".")
    is_link = place == "links"
    name = place if is_link else re.escape(block).replace(r"\.", r"\s*\.\s*")
    braces = 1 + is_link  # [[links]] is an array of tables
    header = re.compile(rf"\[{{{braces}}}\s*{name}\s*\]{{{braces}}}\s*(#.*)?$")
    begins = [k for k, line in enumerate(lines) if header.match(line.replace('"', ""))]
    begins = begins[int(number) :] if is_link else begins
    if not begins:
        raise InputError(f"no line [{'[links]' if is_link else block}]")
    begin = begins[0]
    end = begin + 1
    while end < len(lines) and not lines[end].startswith("["):
        end += 1
    while not lines[end - 1].strip() or lines[end - 1].startswith("#"):
        end -= 1  # blank lines and comments above the next table belong to that one
    return begin, end


def _number(value: float, interval: Interval | None) -> str:
    if interval is None:
        return _float(value, 7)
    source = f", source = {_text(interval.source)}" if interval.source else ""
    low, high = (
        _float(float(Context(prec=4, rounding=way).create_decimal_from_float(number)))
        for number, way in ((interval.low, ROUND_FLOOR), (interval.high, ROUND_CEILING))
    )  # rounded outwards, so that the value stays within
    return f"{{ value = {_float(value, 7)}, low = {low}, high = {high}{source} }}"


def _float(number: float, digits: int = 4) -> str:
    """Few digits; a whole number has a point, as it is no size."""
    text = f"{number:.{digits}g}"
    return text + ".0" if text.lstrip("-").isdigit() else text


def _text(text: str) -> str:
    return dumps(text, ensure_ascii=False)
