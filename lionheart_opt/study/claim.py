"""One driver a search: the process that runs it writes its name and a heartbeat into the Optuna study."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import optuna

from lionheart_opt.errors import InputError
from lionheart_opt.study.storage import reading

_log = logging.getLogger(__name__)

#: Seconds between two heartbeats of a driver, which is taken for dead after missing ten of them.
HEARTBEAT_S = 15.0
DEAD_AFTER_S = 10 * HEARTBEAT_S
#: User attribute of the Optuna study that names the driver.
DRIVER = "driver"


@contextmanager
def claimed(study: optuna.Study) -> Iterator[None]:
    """Hold the search while the block runs: a second driver would propose everything twice.

    Raises:
        InputError: Another living process runs the search.
    """
    me = {"host": socket.gethostname(), "pid": os.getpid()}
    with reading(f"study {study.study_name!r}: its record cannot be read"):
        holder = study.user_attrs.get(DRIVER)
        if holder is not None and (holder["host"], holder["pid"]) != (me["host"], me["pid"]):
            fresh = time.time() - holder["beat"] < DEAD_AFTER_S
            if fresh and (holder["host"] != me["host"] or is_alive(holder["pid"])):
                raise InputError(
                    f"study {study.study_name!r} is being run by process {holder['pid']} on "
                    f"{holder['host']}; wait for it, or stop it first"
                )
    try:
        with heartbeat(lambda: study.set_user_attr(DRIVER, {**me, "beat": time.time()})):
            yield
    except BaseException:
        with suppress(Exception):  # the error at hand says more than a storage out of reach
            study.set_user_attr(DRIVER, None)
        raise
    study.set_user_attr(DRIVER, None)


@contextmanager
def heartbeat(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` at once and every `HEARTBEAT_S` while the block runs; works with any storage.

    A beat that fails is logged and the next one tried: a database that is locked or out of reach for
    a moment must not make a living driver look dead.
    """
    stop = threading.Event()

    def keep_beating() -> None:
        while not stop.wait(HEARTBEAT_S):
            try:
                beat()
            except Exception as error:  # whatever the storage raises
                _log.warning("heartbeat failed, will be tried again: %s", error)

    with reading("the record cannot be written"):
        beat()
    thread = threading.Thread(target=keep_beating, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def is_alive(pid: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
