"""Where records live: any Optuna storage, named by a URL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lionheart_opt.errors import InputError

if TYPE_CHECKING:
    import optuna

#: Seconds that a writer waits for another process to release an SQLite file.
SQLITE_PATIENCE_S = 60.0
#: How often, and after how many seconds, opening is tried again while another process creates the tables.
CREATION_TRIES, CREATION_PAUSE_S = 20, 0.1


def open_storage(url: str, folder: Path | None = None) -> optuna.storages.BaseStorage:
    """The Optuna storage of a URL.

    Args:
        url: `sqlite:///FILE`, `postgresql://...`, `mysql://...` (any SQLAlchemy URL);
            `journal:///FILE`; `redis://HOST:PORT/DB`; `grpc://HOST:PORT` (Optuna's storage proxy).
        folder: What relative file names are relative to; the working folder by default.

    Raises:
        InputError: The scheme is not known, or the database cannot be opened.
    """
    from optuna.storages import GrpcStorageProxy, JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalRedisBackend

    scheme, rest = _parts(url)
    with opening(url):
        if scheme == "sqlite":
            path = _file(rest, folder)
            patience = {"connect_args": {"timeout": SQLITE_PATIENCE_S}}
            return _database(f"sqlite:///{path}", engine_kwargs=patience)
        if scheme == "journal":
            return JournalStorage(JournalFileBackend(str(_file(rest, folder))))
        if scheme in ("redis", "rediss"):
            return JournalStorage(JournalRedisBackend(url))
        if scheme == "grpc":
            host, _, port = rest.partition(":")
            return GrpcStorageProxy(host=host, port=int(port or 13000))
        return _database(url)


@contextmanager
def opening(url: str) -> Iterator[None]:
    """Turn what libraries raise where a storage cannot be opened into one line.

    Raises:
        InputError: The storage cannot be opened.
    """
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except InputError:  # it is a ValueError, too
        raise
    except (
        SQLAlchemyError,
        sqlite3.Error,
        OSError,
        ImportError,
        ValueError,
        RuntimeError,
        optuna.exceptions.OptunaError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"storage: cannot open {url!r}: {reason}") from error


def file_of(url: str, folder: Path | None = None) -> Path | None:
    """The file of a storage; None for a database server."""
    scheme, rest = _parts(url)
    return _file(rest, folder) if scheme in ("sqlite", "journal") else None


def scheme_of(url: str) -> str:
    """What comes before `://` in the URL of a storage.

    Raises:
        InputError: It is no URL.
    """
    return _parts(url)[0]


def _parts(url: str) -> tuple[str, str]:
    """What comes before and after `://`."""
    scheme, separator, rest = url.partition("://") if isinstance(url, str) else ("", "", "")
    if not separator:
        raise InputError(f"storage: got {str(url)!r}; must be a URL such as sqlite:///study.db")
    return scheme, rest


def _file(rest: str, folder: Path | None) -> Path:
    """The file of `scheme:///relative` or `scheme:////absolute`."""
    path = (folder or Path()) / rest.removeprefix("/")
    if not path.parent.is_dir():
        raise InputError(f"storage: folder {path.parent} does not exist")
    return path


def _database(url: str, **options: Any) -> optuna.storages.BaseStorage:
    """The storage in a database. Finished trials are immutable, so each is read once."""
    from optuna.storages import RDBStorage, get_storage
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    for attempt in range(CREATION_TRIES):
        try:
            return get_storage(RDBStorage(url, **options))
        except SQLAlchemyError as error:
            # another process is creating the same tables
            is_race = isinstance(error, IntegrityError) or "already exists" in str(error)
            if not is_race or attempt == CREATION_TRIES - 1:
                raise
            time.sleep(CREATION_PAUSE_S)
    raise AssertionError("unreachable")
