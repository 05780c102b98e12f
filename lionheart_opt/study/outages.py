"""A database server that is out of reach for a while is waited for, with the results in hand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage

from lionheart_opt.signals import GIVEN_UP, let_through
from lionheart_opt.study.patience import is_patient, may_wait
from lionheart_opt.study.row_locks import RowLocks
from lionheart_opt.study.text_columns import WholeTexts

if TYPE_CHECKING:
    from sqlalchemy import Engine

_log = logging.getLogger(__name__)

#: Seconds that a server is waited for.
PATIENCE_S = 600.0
#: Seconds between two tries: they double from the first to the last.
FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 10.0
#: A connection that breaks in the middle of an operation is replaced this often.
MOST_BREAKS = 5
#: What libpq is told, where the URL does not say it: a network that swallows packets must not hang a run.
LIBPQ = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

T = TypeVar("T")


class PatientDatabase(WholeTexts):
    """Optuna's storage on a database server, which may be restarted, or cut off, for `PATIENCE_S`.

    Opening does not wait for it: a wrong address or password is an error at once. Rows that another
    client keeps locked are waited for, too.

    Args:
        url: SQLAlchemy URL.
        name: What messages call it; without passwords.
    """

    def __init__(self, url: str, name: str) -> None:
        from sqlalchemy import event, make_url

        parsed = make_url(url)
        options: dict[str, Any] = {"pool_pre_ping": True}
        if parsed.get_driver_name() in ("psycopg", "psycopg2"):
            unsaid = {key: value for key, value in LIBPQ.items() if key not in parsed.query}
            options["connect_args"] = unsaid
        self.row_locks = RowLocks(parsed, name)
        options["pool_events"] = [(self.row_locks.limit, "connect")]
        self.row_locks.once_free(partial(super().__init__, url, engine_kwargs=options))
        self.row_locks.watch(self.engine)
        event.listen(self.engine, "do_connect", _Outage(name, self.engine).connect)


class _Outage:
    """Connects, and says once that this takes longer, and once that it is over."""

    def __init__(self, name: str, engine: Engine) -> None:
        self._name = name
        self._errors = engine.dialect.loaded_dbapi
        self._lock = threading.Lock()
        self._since: float | None = None

    def connect(
        self, dialect: Any, _: object, arguments: list[Any], options: dict[str, Any]
    ) -> Any:
        """Connect, as soon as the server can be reached."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                connection = dialect.connect(*arguments, **options)
            except (self._errors.OperationalError, self._errors.InterfaceError) as error:
                if not may_wait() or self._lasts_s(error) > PATIENCE_S:
                    raise
            else:
                self._is_over()
                return connection
            with let_through():
                GIVEN_UP.wait(pause_s)
            pause_s = min(2 * pause_s, LAST_PAUSE_S)

    def _lasts_s(self, error: Exception) -> float:
        with self._lock:
            if self._since is None:
                self._since = time.monotonic()
                said = str(error).strip().partition("\n")[0]
                _log.warning(
                    "%s is out of reach (%s); trying again for %g minutes",
                    self._name,
                    said,
                    PATIENCE_S / 60,
                )
            return time.monotonic() - self._since

    def _is_over(self) -> None:
        with self._lock:
            if self._since is not None:
                lasted_s = time.monotonic() - self._since
                _log.warning("%s is back after %.0f s", self._name, lasted_s)
                self._since = None


def again(operation: Callable[..., T]) -> Callable[..., T]:
    """The same operation, repeated on a new connection where the old one has broken meanwhile."""

    @wraps(operation)
    def repeated(*arguments: Any, **options: Any) -> T:
        for _ in range(MOST_BREAKS if is_patient() else 0):
            try:
                return operation(*arguments, **options)
            except Exception as error:
                if not _is_break(error):
                    raise
        return operation(*arguments, **options)

    return repeated


def _once_free(operation: Callable[..., T]) -> Callable[..., T]:
    """The same operation, as soon as no other client locks its rows."""

    @wraps(operation)
    def waiting(database: PatientDatabase, *arguments: Any, **options: Any) -> T:
        return database.row_locks.once_free(partial(operation, database, *arguments, **options))

    return waiting


def _is_break(error: Exception) -> bool:
    """Whether the connection has broken, in an operation that had begun."""
    from sqlalchemy.exc import DBAPIError

    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    return isinstance(cause, DBAPIError) and cause.connection_invalidated


# Optuna's cache calls the private ones. All of them can be repeated; of a trial that is created twice,
# the fence notices the number (`lionheart_opt.study.fence`).
for _name in {*BaseStorage.__abstractmethods__, "_create_new_trial", "_get_trials"}:
    if hasattr(WholeTexts, _name):
        setattr(PatientDatabase, _name, again(_once_free(getattr(WholeTexts, _name))))
