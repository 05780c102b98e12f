"""Records in both kinds of files, each with how it is damaged, read and resumed."""

from __future__ import annotations

import json
import shutil
import sqlite3
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from fuzzed_files import OLD, donors
from fuzzing import Kind
from mutations import as_json, changed, damaged

import lionheart_opt as lo

#: A study whose record has everything: trials, answers, checks of finalists.
RECORDED = """
question = "What does a damaged record do?"
system = "lionheart"
objectives = ["latency_s", "drop"]
storage = "{scheme}:///study.{scheme}"
model = {{name = "digits_cnn"}}
oracle = {{kind = "table", file = "table.npz"}}
limits = {{max_drop = 0.05, draws = [4, 8]}}
budget = {{trials = 3}}
[[run]]
strategy = "mac_greedy"
[[run]]
strategy = "hilal"
"""


@cache
def recorded(scheme: str) -> dict[str, bytes]:
    """The files of `RECORDED`, run."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(OLD / "journal/table.npz", folder)
        (folder / "study.toml").write_text(RECORDED.format(scheme=scheme))
        lo.load(folder).run(progress=False)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def write_all(folder: Path, content: dict[str, bytes]) -> None:
    for path in folder.iterdir():
        path.unlink()
    for name, data in content.items():
        (folder / name).write_bytes(data)


def damage_journal(folder: Path, rng: Random) -> None:
    write_all(folder, recorded("journal"))
    content = recorded("journal")["study.journal"]
    if rng.random() < 0.4:
        content = damaged(content, rng)
    else:
        lines = content.splitlines()
        k = rng.randrange(len(lines)) if rng.random() < 0.5 else rng.randrange(min(40, len(lines)))
        match rng.randrange(5):
            case 0:
                del lines[k]
            case 1:
                lines.insert(k, lines[rng.randrange(len(lines))])
            case _:
                lines[k] = as_json(changed(json.loads(lines[k]), rng, donors())).encode(
                    errors="surrogatepass"
                )
        content = b"\n".join(lines) + b"\n"
    (folder / "study.journal").write_bytes(content)


def damage_sqlite(folder: Path, rng: Random) -> None:
    write_all(folder, recorded("sqlite"))
    path = folder / "study.sqlite"
    if rng.random() < 0.5:
        path.write_bytes(damaged(path.read_bytes(), rng))
        return
    connection = sqlite3.connect(path)
    tables = [
        name
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        if connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
    ]
    table = rng.choice(tables)
    rows = [row for (row,) in connection.execute(f'SELECT rowid FROM "{table}"')]
    columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
    row, column = rng.choice(rows), rng.choice(columns)
    try:
        match rng.randrange(6):
            case 0:
                connection.execute(f'DELETE FROM "{table}" WHERE rowid = {row}')
            case 1:
                connection.execute(f'DROP TABLE "{table}"')
            case 2 | 3:
                (value,) = connection.execute(
                    f'SELECT "{column}" FROM "{table}" WHERE rowid = {row}'
                ).fetchone()
                value = _changed_value(value, rng)
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = {row}', [value]
                )
            case _:
                value = rng.choice((None, "x", -1, 0, 1, 2.5, 10**9, "{}", "[]", "null", "\x1b[1m"))
                connection.execute(
                    f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = {row}', [value]
                )
        connection.commit()
    except sqlite3.Error:  # a value that the table does not take
        connection.rollback()
    connection.close()


def _changed_value(value: Any, rng: Random) -> Any:
    if isinstance(value, str):
        try:
            data = [json.loads(value)]
        except ValueError:
            return damaged(value.encode(), rng).decode(errors="replace")
        made = changed(data, rng, donors())
        return as_json(made[0]) if made else ""
    return value if value is None else -value if rng.random() < 0.5 else value + 1


def read_records(folder: Path) -> None:
    for result in lo.load(folder).results():
        repr(result), result.to_frame(), result.checks


def resume(folder: Path) -> None:
    lo.load(folder).run(progress=False)


RECORDS = (
    Kind(name="journal", damage=damage_journal, read=read_records, few=20),
    Kind(name="sqlite", damage=damage_sqlite, read=read_records, few=20),
    Kind(name="journal, resumed", damage=damage_journal, read=resume, writes=True, few=10),
    Kind(name="sqlite, resumed", damage=damage_sqlite, read=resume, writes=True, few=10),
)
