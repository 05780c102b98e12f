"""How long storages are waited for that another process keeps locked: a stopped one keeps its locks."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from lionheart_opt.signals import GIVEN_UP, let_through

_log = logging.getLogger(__name__)

#: Seconds that something is waited for which another process keeps locked.
PATIENCE_S = 60.0
#: After how many seconds this is said; who may not wait waits no longer.
SAID_AFTER_S = 3.0

T = TypeVar("T")
_IS_PATIENT: ContextVar[bool] = ContextVar("is_patient", default=True)


@contextmanager
def impatient() -> Iterator[None]:
    """In this block, a server that is out of reach is an error at once, what is locked soon."""
    reset = _IS_PATIENT.set(False)
    try:
        yield
    finally:
        _IS_PATIENT.reset(reset)


def is_patient() -> bool:
    """Whether this thread may wait for a storage: not if `impatient`."""
    return _IS_PATIENT.get()


def may_wait() -> bool:
    """As `is_patient`, and nobody waits while searches are being stopped."""
    return is_patient() and not GIVEN_UP.is_set()


class Locked:
    """Something that another process may keep locked.

    Args:
        what: What messages call it.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._lock = threading.Lock()
        self._said_at_s = -math.inf

    def once_free(
        self,
        step: Callable[[], T],
        is_locked: Callable[[Exception, float], bool],
        refusal: Callable[[str], Exception],
    ) -> T:
        """Take a step as soon as it is not locked; signals end the wait between two turns.

        Args:
            step: Something that is refused as a whole, after a moment, while it is locked.
            is_locked: Whether an error, after so many seconds, says that.
            refusal: The error of a wait that has lasted too long, from its words.
        """
        start_s = time.monotonic()
        while True:
            turn_s = time.monotonic()
            try:
                return step()
            except Exception as error:
                now_s = time.monotonic()
                if not is_locked(error, now_s - turn_s):
                    raise
                waited_s = now_s - start_s
                if waited_s > (PATIENCE_S if may_wait() else SAID_AFTER_S):
                    said = f"another process has kept {self.what} locked for {waited_s:.0f} s"
                    raise refusal(said) from error
            if waited_s > SAID_AFTER_S:
                self._say()
            with let_through():
                pass

    def _say(self) -> None:
        """Say that it is locked, unless another thread has just said so."""
        with self._lock:
            now_s = time.monotonic()
            if now_s - self._said_at_s > PATIENCE_S:
                self._said_at_s = now_s
                _log.warning(
                    "waiting for at most %g s: another process keeps %s locked; "
                    "if it is stopped or hangs, continue or end it",
                    PATIENCE_S,
                    self.what,
                )
