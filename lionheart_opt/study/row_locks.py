"""Rows that another client of a database server keeps locked: waited for, but not in silence.

A client that is stopped in the middle of a transaction keeps its locks, and the server lets others wait
for ever. Its driver for Python hears no signal meanwhile where a step must be whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from lionheart_opt.study.patience import Locked

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine
    from sqlalchemy.engine import ExceptionContext

T = TypeVar("T")

#: Seconds that a server waits by itself. PostgreSQL looks after one second whether two clients wait for
#: each other (`deadlock_timeout`): it has to find that first.
TURN_S = 2
#: Drivers of SQLAlchemy -> what bounds the wait of a connection.
LIMITS = {
    **dict.fromkeys(("psycopg", "psycopg2"), "set lock_timeout = '{}s'"),
    **dict.fromkeys(
        ("pymysql", "mysqldb", "mysqlconnector"), "set session innodb_lock_wait_timeout = {}"
    ),
}
#: PostgreSQL's `lock_not_available`.
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
POSTGRESQL = "55P03"
#: MySQL's `ER_LOCK_WAIT_TIMEOUT`.
#: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
MYSQL = 1205


class RowsLocked(Exception):
    """Another client has kept rows locked for a turn. Optuna repeats other errors of databases itself."""


class RowLocks:
    """How the connections to a database wait for what other clients keep locked.

    Args:
        url: Where the database is. With other drivers than those in `LIMITS`, the server decides.
        name: What messages call it; without passwords.
    """

    def __init__(self, url: URL, name: str) -> None:
        self._locked = Locked(f"rows of {name}")
        self._limit = LIMITS.get(url.get_driver_name(), "").format(TURN_S)

    def limit(self, connection: Any, _: object) -> None:
        """Bound how long the server lets a new connection wait."""
        if self._limit:
            cursor = connection.cursor()
            cursor.execute(self._limit)
            cursor.close()
            connection.commit()

    def watch(self, engine: Engine) -> None:
        """Let operations of an engine say that rows are locked, as soon as the server does."""
        from sqlalchemy import event

        event.listen(engine, "handle_error", _raise_rows_locked)

    def once_free(self, operation: Callable[[], T]) -> T:
        """Do something as soon as no other client locks what it takes; signals end the wait.

        Args:
            operation: Whole transactions, which can be repeated.

        Raises:
            TimeoutError: Another client keeps it locked.
        """
        return self._locked.once_free(operation, _is_locked, TimeoutError)


def _is_locked(error: Exception, _: float) -> bool:
    """Whether an error says that the wait for a lock took too long."""
    return isinstance(error, RowsLocked) or _says_so(getattr(error, "orig", None))


def _says_so(error: BaseException | None) -> bool:
    """The same of an error of a database driver."""
    code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)  # psycopg, psycopg2
    number = next(iter(getattr(error, "args", ())), None)
    return code == POSTGRESQL or (code is None and number == MYSQL)


def _raise_rows_locked(context: ExceptionContext) -> None:
    if _says_so(context.original_exception):
        raise RowsLocked from context.original_exception
