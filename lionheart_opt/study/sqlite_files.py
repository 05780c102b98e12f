"""Connections to SQLite files, which say what they wait for: a stopped process keeps its locks."""

from __future__ import annotations

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from lionheart_opt.signals import let_through
from lionheart_opt.study.outages import may_wait

_log = logging.getLogger(__name__)

#: Seconds that a file is waited for which another process keeps locked.
PATIENCE_S = 60.0
#: After how many seconds this is said; who may not wait waits no longer.
SAID_AFTER_S = 3.0
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
        self._lock = threading.Lock()
        self._said_at_s = -math.inf

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
        start_s = time.monotonic()
        while True:
            turn_s = time.monotonic()
            try:
                return step()
            except sqlite3.OperationalError as error:
                now_s = time.monotonic()
                is_locked = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not is_locked or now_s - turn_s < TURN_S / 2:
                    raise  # SQLite does not wait where two processes would wait for each other
                waited_s = now_s - start_s
                if waited_s > (PATIENCE_S if may_wait() else SAID_AFTER_S):
                    said = f"another process has kept {self._path} locked for {waited_s:.0f} s"
                    raise sqlite3.OperationalError(said) from error
            if waited_s > SAID_AFTER_S:
                self._say()
            with let_through():
                pass

    def _say(self) -> None:
        """Say that the file is locked, unless another thread has just said so."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._said_at_s > PATIENCE_S:
                self._said_at_s = now_s
                _log.warning(
                    "waiting for at most %g s: another process keeps %s locked; "
                    "if it is stopped or hangs, continue or end it",
                    PATIENCE_S,
                    self._path,
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
