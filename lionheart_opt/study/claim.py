"""One driver a search: the record names it, and it writes only while the record does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import optuna

from lionheart_opt.errors import InputError
from lionheart_opt.signals import GIVEN_UP, held_back
from lionheart_opt.study.fence import DRIVER, LostClaim, fenced, token_of
from lionheart_opt.study.patience import impatient
from lionheart_opt.study.pending import WorkStopped
from lionheart_opt.study.processes import named, state_of, this_process
from lionheart_opt.study.storage import reading, root_of
from lionheart_opt.text import one_line

_log = logging.getLogger(__name__)

#: Seconds between two beats of a driver.
HEARTBEAT_S = 10.0
#: A driver whose beats do not change for so many seconds is taken for dead.
DEAD_AFTER_S = 60.0
#: Seconds that a beat is waited for when the driver ends. An interruption may have left a lock of a
#: library behind, which the beat waits for in vain; a late beat does not go through.
LAST_BEAT_S = 10.0
#: Seconds between two looks at another driver's beats.
LOOK_S = 1.0
#: User attribute of the Optuna study that counts the beats of its driver.
BEAT = "beat"

#: Tokens of the claims that this process holds.
_OURS: set[str] = set()


class Held(InputError):
    """Another living process holds the search."""


class Claim:
    """The right to write the record of one search.

    Args:
        study: The Optuna study.
        token: What the record names while the claim is held.
    """

    def __init__(self, study: optuna.Study, token: str) -> None:
        self._study = study
        self._token = token

    @contextmanager
    def writing(self, number: int | None = None) -> Iterator[None]:
        """Write to the record in this block.

        Args:
            number: Number that the trial must get which is written; None where any will do.

        Raises:
            LostClaim: Another process has taken the search over. Nothing was written.
            NumberTaken: The trial would get another number. It was not written.
        """
        with fenced(self._study, self._token, number):
            yield


@contextmanager
def claimed(study: optuna.Study, *, wait: bool = False, is_brief: bool = False) -> Iterator[Claim]:
    """Hold the search while the block runs: a second driver would propose everything twice.

    A claim is taken from a driver that is known to have ended, or whose beats have not changed for
    `DEAD_AFTER_S`. Only this process's own clock counts. Who loses a claim, because it was stopped or cut
    off for so long, notices it at its next write, which does not go through.

    Args:
        study: The Optuna study.
        wait: Wait until a living driver has ended, instead of refusing.
        is_brief: The block takes a moment only; others wait for it.

    Raises:
        Held: Another living process runs the search.
        WorkStopped: The searches of this run are being stopped.
        LostClaim: The block wrote after another process had taken the search over.
    """
    token = uuid4().hex
    me: dict[str, Any] = {"token": token, **this_process()}
    if is_brief:
        me["brief"] = True
    _OURS.add(token)
    try:
        with reading(f"study {study.study_name!r}: it cannot be claimed"):
            _take(study, me, wait)
        claim = Claim(study, token)
        with heartbeat(lambda beat: _write_beat(claim, study, beat)):
            yield claim
    finally:
        with held_back():
            # the error at hand says more
            with suppress(Exception), impatient(), fenced(study, token):
                study.set_user_attr(DRIVER, None)
            _OURS.discard(token)


def _write_beat(claim: Claim, study: optuna.Study, beat: int) -> None:
    with claim.writing():
        study.set_user_attr(BEAT, beat)


def _take(study: optuna.Study, me: dict[str, Any], wait: bool) -> None:
    """Write `me` into the record in place of nobody, or of a driver that is dead."""
    while True:
        holder = study.user_attrs.get(DRIVER)
        if not _is_dead(holder) and not _falls_silent(study, holder, wait):
            continue  # another one holds it now, or nobody
        with suppress(LostClaim):  # somebody was quicker
            with fenced(study, token_of(holder)):
                study.set_user_attr(DRIVER, me)
            if token_of(study.user_attrs.get(DRIVER)) == me["token"]:
                return


def _is_dead(holder: Any) -> bool:
    """Whether nobody holds the search, or a process that is known to have ended."""
    if holder is None:
        return True
    if _is_this_process(holder):
        return token_of(holder) not in _OURS
    return state_of(holder) == "ended"


def _is_this_process(holder: dict[str, Any]) -> bool:
    me = this_process()
    return bool(me["machine"]) and all(holder.get(name) == value for name, value in me.items())


def _falls_silent(study: optuna.Study, holder: Any, wait: bool) -> bool:
    """Watch a driver's beats; False if the record names another driver or none, before it is silent.

    Raises:
        Held: The driver lives, and nobody wants to wait for it.
    """
    who = named(holder)
    refused = Held(
        f"study {study.study_name!r} is being run by {who}; "
        "wait for it (lionheart-opt run --wait), or stop it first"
    )
    wait = wait or bool(holder.get("brief"))
    if not wait and state_of(holder) == "runs":
        raise refused
    if not holder.get("brief"):
        until = "it ends" if wait else f"its next sign of life, at most {DEAD_AFTER_S:g} s"
        _log.warning("study %r: held by %s; waiting until %s", study.study_name, who, until)
    seen = _life(study)
    silent_s = 0.0
    while silent_s < DEAD_AFTER_S:
        start = time.monotonic()
        if GIVEN_UP.wait(LOOK_S):
            raise WorkStopped
        now = _life(study)
        if token_of(now[0]) != token_of(holder):
            return False
        if _is_dead(holder):
            return True
        if now != seen and not wait:
            raise refused
        away = (
            time.monotonic() - start > 5 * LOOK_S
        )  # this process was stopped, or the storage away
        silent_s = 0.0 if now != seen or away else silent_s + LOOK_S
        seen = now
    return True


def _life(study: optuna.Study) -> tuple[Any, Any]:
    """The driver and its beats as the record has them."""
    attributes = study.user_attrs
    return attributes.get(DRIVER), attributes.get(BEAT)


@contextmanager
def heartbeat(beat: Callable[[int], None]) -> Iterator[None]:
    """Call `beat` with 1, 2, ... every `HEARTBEAT_S` while the block runs; works with any storage.

    A beat that fails is logged, once, and the next one tried: a database that is locked or out of reach
    for a moment must not make a living driver look dead. When the claim is lost, beating ends.
    """
    stop = threading.Event()

    def keep_beating() -> None:
        count, is_said = 0, False
        while not stop.wait(HEARTBEAT_S):
            count += 1
            try:
                with impatient():
                    beat(count)
                is_said = False
            except LostClaim:
                return  # the next write of the driver says so
            except Exception as error:  # whatever the storage raises
                if not is_said:
                    said = one_line(str(root_of(error)))
                    _log.warning("heartbeat failed, will be tried again: %s", said)
                is_said = True

    thread = threading.Thread(target=keep_beating, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LAST_BEAT_S)
