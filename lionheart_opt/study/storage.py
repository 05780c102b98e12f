"""Where records live: any Optuna storage, named by a URL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lionheart_opt.errors import InputError

if TYPE_CHECKING:
    import optuna

#: Seconds that a writer waits for another process to release an SQLite file.
SQLITE_PATIENCE_S = 60.0


def open_storage(url: str, folder: Path | None = None) -> optuna.storages.BaseStorage:
    """The Optuna storage of a URL.

    Args:
        url: `sqlite:///FILE`, `postgresql://...`, `mysql://...` (any SQLAlchemy URL);
            `journal:///FILE`; `redis://HOST:PORT/DB`; `grpc://HOST:PORT` (Optuna's storage proxy).
        folder: What relative file names are relative to; the working folder by default.

    Raises:
        InputError: The scheme is not known, or the database cannot be opened.
    """
    import optuna
    from optuna.storages import GrpcStorageProxy, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend, JournalRedisBackend
    from sqlalchemy.exc import SQLAlchemyError

    scheme, rest = _parts(url)
    try:
        if scheme == "sqlite":
            path = _file(rest, folder)
            return _cached(
                RDBStorage(
                    f"sqlite:///{path}",
                    engine_kwargs={"connect_args": {"timeout": SQLITE_PATIENCE_S}},
                )
            )
        if scheme == "journal":
            return JournalStorage(JournalFileBackend(str(_file(rest, folder))))
        if scheme in ("redis", "rediss"):
            return JournalStorage(JournalRedisBackend(url))
        if scheme == "grpc":
            host, _, port = rest.partition(":")
            return GrpcStorageProxy(host=host, port=int(port or 13000))
        return _cached(RDBStorage(url))
    except InputError:  # it is a ValueError, too
        raise
    except (
        SQLAlchemyError,
        OSError,
        ImportError,
        ValueError,
        RuntimeError,
        optuna.exceptions.OptunaError,
    ) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"storage: cannot open {url!r}: {reason}") from error


def storage_exists(url: str, folder: Path | None = None) -> bool:
    """Whether there may be records there: False for a file that does not exist."""
    file = file_of(url, folder)
    return file is None or file.is_file()


def file_of(url: str, folder: Path | None = None) -> Path | None:
    """The file of a storage; None for a database server."""
    scheme, rest = _parts(url)
    return _file(rest, folder) if scheme in ("sqlite", "journal") else None


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


def _cached(storage: optuna.storages.BaseStorage) -> optuna.storages.BaseStorage:
    """Finished trials are immutable: read each from the database once."""
    from optuna.storages import get_storage

    return get_storage(storage)
