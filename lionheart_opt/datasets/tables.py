"""Tables in files: csv, tsv, json, jsonl and parquet, column by column."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lionheart_opt.errors import InputError
from lionheart_opt.text_files import check_file, read_text

#: Name of a column -> its values, one for each row.
Columns = dict[str, list[Any]]
#: Bytes of the largest file, and characters of the longest cell.
LARGEST = 1 << 33
LONGEST = 1 << 30


def read_table(path: Path) -> Columns:
    """The columns of a table. Cells of csv and tsv are texts; others are as the file has them.

    Args:
        path: A file with the ending csv, tsv, json (a list of objects, or an object of lists), jsonl (an
            object a line) or parquet.

    Raises:
        InputError: It cannot be read, has another ending or no rows, or its rows have different columns.
    """
    ending = path.suffix.lower().removeprefix(".")
    if ending not in READERS:
        raise InputError(f"{path}: ending {path.suffix!r}; must be {', '.join(READERS)}")
    check_file(path)
    columns = READERS[ending](path)
    if not columns or not len(next(iter(columns.values()))):
        raise InputError(f"{path}: has no rows")
    return columns


def read_plain(path: Path) -> str:
    """A text.

    Raises:
        InputError: It cannot be read, or is empty.
    """
    text = read_text(path, LARGEST)
    if not text.strip():
        raise InputError(f"{path}: is empty")
    return text


def _csv(path: Path, **style: Any) -> Columns:
    """Rows of cells; the first row has the names of the columns."""
    rows: list[list[str]] = []
    before = csv.field_size_limit(LONGEST)
    try:
        reader = csv.reader(io.StringIO(read_text(path, LARGEST), newline=""), strict=True, **style)
        for row in reader:
            if not row:
                continue
            if rows and len(row) != len(rows[0]):
                raise InputError(
                    f"{path}: line {reader.line_num}: {len(row)} cells; must be {len(rows[0])}, as in "
                    "the first row"
                )
            rows.append(row)
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(before)
    if not rows:
        return {}
    names = [name.strip() for name in rows[0]]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: two columns have the same name: {', '.join(names)}")
    return {name: [row[k] for row in rows[1:]] for k, name in enumerate(names)}


def _tsv(path: Path) -> Columns:
    """Quotation marks are part of the cells, as the format says."""
    return _csv(path, delimiter="\t", quoting=csv.QUOTE_NONE)


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: It cannot be read, or is no JSON.
    """
    return _json(read_text(path, LARGEST), str(path))


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON: {error}") from error


def _json_table(path: Path) -> Columns:
    content = read_json(path)
    if isinstance(content, dict) and content and all(isinstance(c, list) for c in content.values()):
        lists = list(content.values())
        if len(lists) == 1 and lists[0] and isinstance(lists[0][0], dict):
            return _of_rows(lists[0], str(path))  # {"data": [{...}, ...]}
        lengths = {name: len(column) for name, column in content.items()}
        if len(set(lengths.values())) > 1:
            raise InputError(f"{path}: columns of different lengths: {lengths}")
        return content
    if not isinstance(content, list):
        raise InputError(f"{path}: must be a list of objects, or an object of lists")
    return _of_rows(content, str(path))


def _jsonl(path: Path) -> Columns:
    lines = read_text(path, LARGEST).split("\n")
    rows = [
        _json(line, f"{path}: line {number}")
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    return _of_rows(rows, str(path))


def _of_rows(rows: list[Any], where: str) -> Columns:
    columns: Columns = {}
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or (number > 1 and row.keys() != columns.keys()):
            wanted = f" with {', '.join(columns)}" if columns else ""
            raise InputError(f"{where}: row {number}: must be an object{wanted}")
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return columns


def _parquet(path: Path) -> Columns:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise InputError(
            f"{path}: needs the package pyarrow: pip install pyarrow; or save it as csv or jsonl"
        ) from error
    except Exception as error:  # of the library, about a damaged file
        raise InputError(f"{path}: cannot be read: {error}") from error
    return {str(name): frame[name].tolist() for name in frame.columns}


#: Ending of a file -> what reads it.
READERS: dict[str, Callable[[Path], Columns]] = {
    "csv": _csv,
    "tsv": _tsv,
    "json": _json_table,
    "jsonl": _jsonl,
    "parquet": _parquet,
}
