"""Opens storages to read them: nothing is written, not even where an interruption has left a mess."""

from __future__ import annotations

import atexit
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lionheart_opt.masking import shown_url
from lionheart_opt.study.storage import (
    CREATION_PAUSE_S,
    CREATION_TRIES,
    file_of,
    open_storage,
    parse_distributions_once,
    reading,
    scheme_of,
    with_environment,
)
from lionheart_opt.text_files import check_file

if TYPE_CHECKING:
    import optuna
    from sqlalchemy import Engine

    from lionheart_opt.study.sqlite_files import SqliteFile

#: What SQLite puts beside a database that is written to; a reader may need it.
BESIDE = ("-journal", "-wal")
#: Tables of Optuna that say which version made the others; Optuna writes them last.
VERSIONS = ("version_info", "alembic_version")


def storage_to_read(url: str, folder: Path | None = None) -> optuna.storages.BaseStorage | None:
    """The Optuna storage of a URL, of which records can be read.

    Optuna itself creates its tables in every database that it opens. Here, nothing is created: neither
    tables nor files.

    Args:
        url: As for `open_storage`.
        folder: What relative file names are relative to; the working folder by default.

    Returns:
        None where there is no file, or where Optuna has no tables in the database.

    Raises:
        InputError: The scheme is not known, the database cannot be opened, or another version of Optuna
            has made its tables.
    """
    file, scheme = file_of(url, folder), scheme_of(url)
    if file is not None and not file.exists():
        return None
    if scheme in ("redis", "rediss", "grpc"):
        return open_storage(url, folder)
    with reading(f"storage: cannot open {shown_url(url)!r}", url):
        if file is None:
            return _database(with_environment(url))
        check_file(file)
        if scheme == "journal":
            return _journal(file)
        from lionheart_opt.study.sqlite_files import SqliteFile

        source = SqliteFile(file, "ro")
        if not _can_be_read_alone(file, source):
            source = SqliteFile(_copied(file), "rw")
        return _database("sqlite:///file", creator=source.connect)


def _journal(file: Path) -> optuna.storages.BaseStorage:
    from lionheart_opt.study.journal import ReadJournal
    from lionheart_opt.study.whole_storages import WholeJournal

    return WholeJournal(ReadJournal(file))


def _can_be_read_alone(file: Path, source: SqliteFile) -> bool:
    """Whether reading an SQLite file takes no writing.

    It does in write-ahead mode, and where a process was killed while it wrote.
    """
    with file.open("rb") as content:
        if content.read(20)[18:20] == b"\x02\x02":
            return False
    try:
        with closing(source.connect()) as connection:
            connection.execute("select count(*) from sqlite_master")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise
        return False
    return True


def _copied(file: Path) -> Path:
    """A copy of an SQLite file with what is beside it, in a folder that is removed at the end."""
    folder = TemporaryDirectory(prefix="lionheart_opt-")
    atexit.register(folder.cleanup)
    for suffix in ("", *BESIDE):
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{file}{suffix}", Path(folder.name) / f"{file.name}{suffix}")
    return Path(folder.name) / file.name


def _has_rows(engine: Engine, table: str) -> bool:
    from sqlalchemy import text

    with engine.connect() as connection:
        return connection.execute(text(f"select 1 from {table} limit 1")).first() is not None


def _database(
    url: str, creator: Callable[[], Any] | None = None
) -> optuna.storages.BaseStorage | None:
    """The storage in a database; None where Optuna has no tables in it."""
    from optuna.storages import get_storage
    from sqlalchemy import create_engine, inspect

    from lionheart_opt.study.text_columns import WholeTexts

    parse_distributions_once()
    options: dict[str, Any] = {} if creator is None else {"creator": creator}
    engine = create_engine(url, **options)
    try:
        before, tries = set[str](), 0
        while True:
            tables = set(inspect(engine).get_table_names())
            if "studies" not in tables:
                return None
            if tables >= set(VERSIONS) and all(map(partial(_has_rows, engine), VERSIONS)):
                break
            # another process may be creating the tables
            tries = tries + 1 if tables == before else 0
            before = tables
            if tries > CREATION_TRIES:
                raise RuntimeError(
                    "its table 'studies' is not one of Optuna's, or of a very old version; if it "
                    "is: optuna storage upgrade"
                )
            time.sleep(CREATION_PAUSE_S)
    finally:
        engine.dispose()
    storage = WholeTexts(url, engine_kwargs=options, skip_table_creation=True)
    return get_storage(storage)
