"""A record is written only while it names the right driver: what a write checks in the same step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakSet

from lionheart_opt.errors import InputError
from lionheart_opt.signals import held_back
from lionheart_opt.study.processes import named

if TYPE_CHECKING:
    import optuna
    from sqlalchemy.orm import Session

#: User attribute of the Optuna study that names the driver; None while there is none.
DRIVER = "driver"


class LostClaim(InputError):
    """Another process has taken the search over; nothing was written."""


class NumberTaken(InputError):
    """A trial would get another number than it must; nothing was written."""


@dataclass(frozen=True)
class Fence:
    """What the record must say for a write to go through.

    Args:
        study_id: Number of the Optuna study.
        study_name: Its name, for messages.
        token: Token of the driver that the record must name; None if it must name none.
        number: Number that a trial must get which is written; None where any will do.
    """

    study_id: int
    study_name: str
    token: str | None
    number: int | None = None

    def check(self, driver: object) -> None:
        """Compare with the driver that the record names.

        Raises:
            LostClaim: It names another one.
        """
        if token_of(driver) != self.token:
            who = f"{named(driver)} has" if driver else "another process had"
            raise LostClaim(
                f"study {self.study_name!r}: {who} taken the search over; this process stops and "
                "writes nothing more"
            )


#: The fence of the writes that this thread makes just now.
_FENCE: ContextVar[Fence | None] = ContextVar("fence", default=None)
#: Storages that check the fence themselves, in the step that writes.
_GUARDED: WeakSet[optuna.storages.BaseStorage] = WeakSet()


def token_of(driver: object) -> str | None:
    """The token of a driver as a record names it. Drivers of older versions have host and number only."""
    if not isinstance(driver, dict):
        return None
    return str(driver.get("token", f"{driver.get('host')}/{driver.get('pid')}"))


def current_fence() -> Fence | None:
    """The fence of the writes that this thread makes just now."""
    return _FENCE.get()


@contextmanager
def fenced(study: optuna.Study, token: str | None, number: int | None = None) -> Iterator[None]:
    """Let the writes of the block through only while the record names this driver.

    Databases check it inside the transaction that writes, with the driver's row locked until the commit;
    journal files check it while the file is locked. There, no other driver can come between. Other
    storages (Redis, gRPC, memory) are asked just before the block: a driver that takes the search over
    in the very moment of a write can be too late to stop it. Such a trial does no harm: a candidate that
    is in a record twice counts once.

    Args:
        study: The Optuna study.
        token: The driver's token; None if there must be no driver.
        number: Number that the trial of the block must get. Databases check it: when a connection has
            broken, nobody can say whether the trial was written, and Optuna tries again.

    Raises:
        LostClaim: The record names another driver. Nothing was written.
        NumberTaken: The trial would get another number. It was not written.
    """
    fence = Fence(study._study_id, study.study_name, token, number)
    if study._storage not in _GUARDED:
        fence.check(study.user_attrs.get(DRIVER))
    with held_back():  # an interrupted write may keep a database locked
        reset = _FENCE.set(fence)
        try:
            yield
        finally:
            _FENCE.reset(reset)


def guarded(storage: optuna.storages.BaseStorage) -> optuna.storages.BaseStorage:
    """The same storage, noted as one that checks the fence itself."""
    _GUARDED.add(storage)
    return storage


def guard_database(storage: optuna.storages.RDBStorage) -> None:
    """Make every transaction that writes to a database check the fence before it commits."""
    from sqlalchemy import event

    sessions = storage.scoped_session.session_factory
    event.listen(sessions, "after_flush", _note_written)
    event.listen(sessions, "before_commit", _check_session)
    for end in ("after_commit", "after_rollback"):
        event.listen(sessions, end, _forget_written)


def _note_written(session: Session, *_: object) -> None:
    session.info["has_written"] = True


def _forget_written(session: Session) -> None:
    session.info.pop("has_written", None)


def _check_session(session: Session) -> None:
    """Check the fence in the session's transaction, and let nobody change the driver until it ends."""
    fence = current_fence()
    if fence is None or not (session.info.get("has_written") or session.new or session.dirty):
        return
    from optuna.storages._rdb.models import StudyUserAttributeModel, TrialModel
    from sqlalchemy import column, select, table, update

    pending = [*session.new, *session.dirty]
    if not any(isinstance(row, StudyUserAttributeModel) and row.key == DRIVER for row in pending):
        session.flush()  # the driver's row is locked last: two threads cannot wait for each other
    attributes = table(
        "study_user_attributes", column("study_id"), column("key"), column("value_json")
    )
    drivers = (attributes.c.study_id == fence.study_id) & (attributes.c.key == DRIVER)
    connection = session.connection()
    if connection.dialect.name == "sqlite":  # it locks nothing before the first change
        connection.execute(
            update(attributes).where(drivers).values(value_json=attributes.c.value_json)
        )
    said = connection.execute(
        select(attributes.c.value_json).where(drivers).with_for_update()
    ).scalar()
    fence.check(None if said is None else json.loads(said))
    if fence.number is not None:
        for row in session.identity_map.values():
            if isinstance(row, TrialModel) and row.number not in (None, fence.number):
                raise NumberTaken
