"""Measured costs of layers and networks: the table that constants of a system are fitted to."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from io import StringIO
from math import inf
from pathlib import Path
from typing import Any

from lionheart_opt.cost import CostObjective
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.text import shown
from lionheart_opt.text_files import read_text

#: Columns that hold measured numbers, and what they measure.
MEASURED: tuple[CostObjective, ...] = ("latency_s", "energy_j", "interval_s")
COLUMNS = ("model", "input", "mapping", "layer", "held_out", *MEASURED)
TOTAL = "total"
_YES, _NO = ("yes", "true", "1", "1.0"), ("", "no", "false", "0", "0.0")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measured number.

    Args:
        where: What errors call it, such as `mine.csv, line 3`.
        model: Network: what `lo.trace` takes.
        input: Shape of its input without the batch, such as `3x32x32`; empty for the network's own.
        mapping: `all-digital`, `all-analog`, or the path of a JSON file.
        layer: Name of a layer of the workload, or `total` for all of them.
        quantity: What was measured. `interval_s` is the time between two results of a pipeline.
        value: The number, above 0.
        is_held_out: Whether it checks the fit instead of deciding it; None leaves that to a draw.
    """

    where: str
    model: str
    input: str
    mapping: str
    layer: str
    quantity: CostObjective
    value: float
    is_held_out: bool | None


def read_measurements(path: Path) -> tuple[list[Measurement], str]:
    """The measurements of a CSV file, and its text.

    Columns: `model` and at least one of `latency_s`, `energy_j` and `interval_s`; beside them `input`,
    `mapping` (all-digital by default), `layer` (`total` by default) and `held_out` (yes or no).

    Raises:
        InputError: The file cannot be read, or a column or a value is not allowed.
    """
    text = read_text(path)
    try:
        reader = csv.DictReader(StringIO(text), strict=True)
        names = list(reader.fieldnames or ())
        rows = [(f"{path}, line {reader.line_num}", dict(row)) for row in reader]
    except csv.Error as error:
        raise InputError(f"{path}: not CSV: {error}") from error
    return measurements_of(rows, names, str(path)), text


def measurements_of(
    rows: Iterable[tuple[str, dict[str, Any]]], names: list[str], where: str
) -> list[Measurement]:
    """The measurements of a table.

    Args:
        rows: What errors call a row, and its cells by column.
        names: The columns.
        where: What errors call the table.

    Raises:
        InputError: A column or a value is not allowed, or nothing was measured.
    """
    for name in names:
        if name not in COLUMNS:
            raise unknown("column", name, COLUMNS, where)
    if len(set(names)) < len(names):
        raise InputError(f"{where}: a column is there more than once")
    if "model" not in names or not set(names) & set(MEASURED):
        raise InputError(f"{where}: needs a column 'model', and one of {', '.join(MEASURED)}")
    found = [each for place, row in rows for each in _of_row(place, row)]
    if not found:
        raise InputError(f"{where}: no measurement")
    return found


def _of_row(where: str, row: dict[str, Any]) -> Iterable[Measurement]:
    if None in row or None in row.values():
        raise InputError(f"{where}: has more or fewer cells than there are columns")
    cells = {name: _cell(value) for name, value in row.items()}
    if not cells["model"]:
        raise InputError(f"{where}: model is empty")
    held_out = cells.get("held_out", "").lower()
    if held_out not in (*_YES, *_NO):
        raise InputError(f"{where}: held_out: got {shown(held_out)}; must be yes or no")
    measured = [quantity for quantity in MEASURED if cells.get(quantity)]
    if not measured:
        raise InputError(f"{where}: nothing is measured; needs one of {', '.join(MEASURED)}")
    for quantity in measured:
        layer = cells.get("layer") or TOTAL
        if quantity == "interval_s" and layer != TOTAL:
            raise InputError(f"{where}: interval_s: is of the total, not of layer {layer!r}")
        yield Measurement(
            where=where,
            model=cells["model"],
            input=cells.get("input", ""),
            mapping=cells.get("mapping") or "all-digital",
            layer=layer,
            quantity=quantity,
            value=_number(cells[quantity], f"{where}: {quantity}"),
            is_held_out=held_out in _YES if "held_out" in cells else None,
        )


def _cell(value: Any) -> str:
    """A cell as text; NaN of a data frame is an empty one."""
    return "" if value is None or value != value else str(value).strip()


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < inf:
        raise InputError(f"{where}: got {shown(text)}; must be a finite number above 0")
    return value
