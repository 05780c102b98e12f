"""Where records live: any Optuna storage, named by a URL."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lionheart_opt.errors import InputError
from lionheart_opt.masking import is_cut, secrets_of, shown_url, without
from lionheart_opt.study.fence import guard_database, guarded
from lionheart_opt.text import shown
from lionheart_opt.text_files import check_file, reported

if TYPE_CHECKING:
    import optuna

#: How often, and after how many seconds, opening is tried again while another process creates the tables.
CREATION_TRIES, CREATION_PAUSE_S = 50, 0.1
#: What databases say when two processes create the same table.
_RACES = re.compile("already exists|duplicate key|UNIQUE constraint|Duplicate entry", re.IGNORECASE)
#: What the URL of a storage may begin with, beside other databases that SQLAlchemy knows.
SCHEMES = ("sqlite", "journal", "redis", "rediss", "grpc", "postgresql", "mysql")
#: Others that understand a password with an `@`.
_OWN_PARSERS = ("redis:", "rediss:")
#: Port of Optuna's storage proxy, where a URL names none.
GRPC_PORT = 13000
#: Distributions that are kept parsed: a network has fewer different ones.
MOST_DISTRIBUTIONS = 1024
#: An environment variable in a URL.
_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def open_storage(url: str, folder: Path | None = None) -> optuna.storages.BaseStorage:
    """The Optuna storage of a URL.

    Args:
        url: `sqlite:///FILE`, `postgresql://...`, `mysql://...` (any SQLAlchemy URL);
            `journal:///FILE`; `redis://HOST:PORT/DB`; `grpc://HOST:PORT` (Optuna's storage proxy).
            The name of a file is taken letter by letter: `?`, `#` and `%` mean nothing in it.
            `${NAME}` stands for an environment variable.
        folder: What relative file names are relative to; the working folder by default.

    Raises:
        InputError: The scheme is not known, an environment variable is not set, or the database cannot
            be opened.
    """
    from optuna.storages.journal import JournalRedisBackend

    from lionheart_opt.study.whole_storages import WholeJournal, WholeProxy

    parse_distributions_once()
    written, url = url, with_environment(url)
    scheme, rest = _parts(url)
    file = _file(rest, folder) if scheme in ("sqlite", "journal") else None
    where = f"storage: cannot open {shown_url(written)!r}"
    with reading(where, url):
        if file is not None and file.exists():
            _check_file(file, url)
        if scheme == "sqlite":
            from lionheart_opt.study.sqlite_files import SqliteFile

            connect = SqliteFile(_file(rest, folder), "rwc").connect
            return _database("sqlite:///file", engine_kwargs={"creator": connect})
        if scheme == "journal":
            from lionheart_opt.study.journal import MendedJournal

            return guarded(WholeJournal(MendedJournal(_file(rest, folder))))
        if scheme in ("redis", "rediss"):
            return WholeJournal(JournalRedisBackend(url))
        if scheme == "grpc":
            host, port = _host_and_port(rest, where)
            return WholeProxy(host=host, port=port)
        return _database(url)


def parse_distributions_once() -> None:
    """Let Optuna parse equal distributions once only.

    A trial has one for each unit, and all trials of a record have the same; they took a fifth of the
    time to show a journal of 10,000 trials, and a tenth of the memory.
    """
    from optuna import distributions
    from optuna.storages.journal import _storage

    if not hasattr(distributions.json_to_distribution, "cache_info"):
        parse = lru_cache(MOST_DISTRIBUTIONS)(distributions.json_to_distribution)
        distributions.json_to_distribution = _storage.json_to_distribution = parse  # type: ignore[attr-defined]


@contextmanager
def reading(what: str, url: str = "", advice: str = "") -> Iterator[None]:
    """Turn whatever a damaged storage, or one out of reach, raises into bad input.

    Args:
        what: What cannot be done if the block fails.
        url: URL of the storage; a password in it is not shown.
        advice: What the message says at its end.

    Raises:
        InputError: The block raised anything; bad input stays as it is.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # libraries check little of what they read
        secrets = secrets_of(_filled(url))
        root = root_of(error)
        kind, said = type(root).__name__, str(root).strip().partition("\n")[0]
        said = without(secrets, said)
        if kind == "NoSuchModuleError":
            scheme, known = _parts(_filled(url))[0], ", ".join(SCHEMES)
            raise InputError(
                f"{what}: got {scheme!r}; must be {known}, or another database of SQLAlchemy{advice}"
            ) from error
        is_plain = isinstance(root, (OSError, ImportError, RuntimeError)) and said
        refusal = InputError(f"{what}: {said if is_plain else f'{kind}: {said}'}{advice}")
        is_open = any(secret in str(each) for each in _causes(error) for secret in secrets)
        raise refusal from (None if is_open else error)  # a traceback would show the passwords


def root_of(error: BaseException) -> BaseException:
    """What a database said, without the words of Optuna and SQLAlchemy around it."""
    is_wrapped = type(error).__name__ == "StorageInternalError" or isinstance(error, ImportError)
    if is_wrapped and error.__cause__ is not None:
        error = error.__cause__
    return getattr(error, "orig", None) or error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and those that a traceback shows before it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from announcing every study on standard error."""
    import optuna

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def with_environment(url: str) -> str:
    """The URL of a storage with the values of environment variables instead of `${NAME}`.

    Raises:
        InputError: A variable is not set, the result is no URL, or its password is not quoted.
    """
    if isinstance(url, str):
        for name in _VARIABLE.findall(url):
            if not os.environ.get(name):
                raise InputError(
                    f"storage: {shown_url(url)!r}: the environment variable {name!r} is not set"
                )
        if is_cut(_filled(url)) and not _filled(url).startswith(_OWN_PARSERS):
            raise InputError(
                f"storage: {shown_url(url)!r}: its password contains @; write that as %40, and % as %25"
            )
        if _filled(url) != url and "://" not in _filled(url):  # its value may be a secret
            raise InputError(
                f"storage: {shown_url(url)!r} does not stand for a URL such as sqlite:///study.db"
            )
    return _filled(url)


def _filled(url: str) -> str:
    """The URL with the values of the environment variables that are set."""
    if not isinstance(url, str):
        return url
    return _VARIABLE.sub(lambda match: os.environ.get(match[1]) or match[0], url)


def file_of(url: str, folder: Path | None = None) -> Path | None:
    """The file of a storage; None for a database server."""
    scheme, rest = _parts(with_environment(url))
    return _file(rest, folder) if scheme in ("sqlite", "journal") else None


def scheme_of(url: str) -> str:
    """What comes before `://` in the URL of a storage.

    Raises:
        InputError: It is no URL.
    """
    return _parts(with_environment(url))[0]


def _parts(url: str) -> tuple[str, str]:
    """What comes before and after `://`."""
    scheme, separator, rest = url.partition("://") if isinstance(url, str) else ("", "", "")
    if not separator:
        said = shown(shown_url(url) if isinstance(url, str) else url)
        raise InputError(f"storage: got {said}; must be a URL such as sqlite:///study.db")
    return scheme, rest


def _file(rest: str, folder: Path | None) -> Path:
    """The file of `scheme:///relative` or `scheme:////absolute`."""
    path = (folder or Path()) / rest.removeprefix("/")
    with reported(path):  # a name may be too long
        if not path.parent.is_dir():
            raise InputError(f"storage: folder {path.parent} does not exist")
        path.exists()
    return path


def _host_and_port(rest: str, where: str) -> tuple[str, int]:
    """Of `HOST`, `HOST:PORT` or `[IPV6]:PORT`; `where` begins the message if it is none of them."""
    host, separator, port = rest.rpartition(":")
    if not separator or rest.endswith("]"):
        return rest, GRPC_PORT
    if not port.isascii() or not port.isdigit():
        raise InputError(f"{where}: got the port {port!r}; must be a whole number")
    return host, int(port)


def _check_file(path: Path, url: str) -> None:
    try:
        check_file(path)
    except InputError as error:
        raise InputError(f"storage: cannot open {shown_url(url)!r}: {error}") from error


def _database(url: str, **options: Any) -> optuna.storages.BaseStorage:
    """The storage in a database. Finished trials are immutable, so each is read once.

    Args:
        url: SQLAlchemy URL.
        options: What Optuna's storage takes beside; none for a database on a server.
    """
    from optuna.storages import get_storage
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from lionheart_opt.study.outages import PatientDatabase
    from lionheart_opt.study.text_columns import WholeTexts

    for attempt in range(CREATION_TRIES):
        try:
            database = (
                WholeTexts(url, **options) if options else PatientDatabase(url, shown_url(url))
            )
            guard_database(database)
            return guarded(get_storage(database))
        except SQLAlchemyError as error:
            # another process is creating the same tables
            is_race = isinstance(error, DBAPIError) and bool(_RACES.search(str(error)))
            if not is_race or attempt == CREATION_TRIES - 1:
                raise
            time.sleep(CREATION_PAUSE_S)
    raise AssertionError("unreachable")
