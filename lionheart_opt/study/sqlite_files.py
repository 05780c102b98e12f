"""Connections to SQLite files, which say what they wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from lionheart_opt.study.patience import Locked

#: Seconds that SQLite waits by itself. It hears no signal meanwhile.
TURN_S = 1.0

T = TypeVar("T")


class SqliteFile:
    """An SQLite file and its connections, which say that another process keeps it locked.

    Args:
        path: The file.
        mode: SQLite's: `ro` to read, `rw` to write, `rwc` to create the file where it is missing.
    """

    def __init__(self, path: Path, mode: str) -> None:
        self._path, self._mode = path.resolve(), mode
        self._locked = Locked(str(self._path))

    def connect(self) -> sqlite3.Connection:
        """A new connection, which any thread may use."""
        # an escaped path: a URL would read `?`, `#` and `%` as its own signs
        place = f"{self._path.as_uri()}?mode={self._mode}"
        connection = sqlite3.connect(
            place, uri=True, timeout=TURN_S, check_same_thread=False, factory=_Connection
        )
        connection.file = self
        return connection

    def once_free(self, step: Callable[[], T]) -> T:
        """Take a step as soon as the file is free for it; signals end the wait.

        Args:
            step: Something that SQLite refuses as a whole while the file is locked.

        Raises:
            sqlite3.OperationalError: The file stays locked, or SQLite raised it.
        """
        return self._locked.once_free(step, _is_locked, sqlite3.OperationalError)


def _is_locked(error: Exception, waited_s: float) -> bool:
    """Whether an error of SQLite, after so many seconds, says that another process locks the file.

    SQLite does not wait where two processes would wait for each other.
    """
    return (
        isinstance(error, sqlite3.OperationalError)
        and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
        and waited_s > TURN_S / 2
    )


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def execute(self, *arguments: Any) -> Self:
        execute = super().execute
        return self.connection.file.once_free(lambda: execute(*arguments))

    def executemany(self, *arguments: Any) -> Self:
        execute = super().executemany  # the first row locks the file for all of them
        return self.connection.file.once_free(lambda: execute(*arguments))


class _Connection(sqlite3.Connection):
    file: SqliteFile

    def cursor(self, *_: Any) -> Any:
        return super().cursor(_Cursor)

    def execute(self, *arguments: Any) -> Any:
        return self.cursor().execute(*arguments)

    def commit(self) -> None:
        self.file.once_free(super().commit)
