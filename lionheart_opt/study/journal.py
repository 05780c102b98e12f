"""The file of a journal storage, mended where a write was cut short."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file
from optuna.storages.journal._storage import JournalOperation

from lionheart_opt.errors import InputError
from lionheart_opt.signals import let_through
from lionheart_opt.study.fence import DRIVER, current_fence

_log = logging.getLogger(__name__)

#: How every line of a journal begins.
BEGINNING = b'{"op_code":'
#: Bytes that are read at once when the beginning of a line is looked for.
_CHUNK = 65_536
#: How a line looks that says who drives a study.
_NAMES_DRIVER = f'"user_attr":{{"{DRIVER}":'.encode()
#: What Optuna writes of a new trial, and no record needs.
_UNUSED = ("distributions", "params", "system_attrs", "datetime_complete")
#: After how many seconds without a change of the file a lock is spoken of, and removed.
SAID_AFTER_S, GRACE_S = 3.0, 30.0


class JournalLock(BaseJournalFileLock):
    """The lock of a journal file: a symbolic link beside it, as Optuna's own lock makes it.

    A lock of a process that was killed is removed when the file has not changed for `GRACE_S`. Who waits
    says so, once; Optuna would say it every ten seconds, and would wait for ever where the path of the
    file is relative.

    Args:
        path: The journal file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()
        self._link = self._path.with_name(f"{path.name}.lock")

    def acquire(self) -> bool:
        """As Optuna's."""
        pause_s, still_s, size, is_said = 0.001, 0.0, -1, False
        while True:
            try:
                self._link.symlink_to(self._path)
                return True
            except FileExistsError:
                pass
            with let_through():
                time.sleep(pause_s)
            still_s += pause_s
            if (now := self._path.stat().st_size) != size:
                size, still_s = now, 0.0
            if still_s > SAID_AFTER_S and not is_said:
                is_said = True
                _log.warning(
                    "waiting for the lock %s; if a killed process has left it, it is removed after %g s",
                    self._link,
                    GRACE_S,
                )
            if still_s > GRACE_S:
                self.release()
                still_s = 0.0
            pause_s = min(2 * pause_s, 0.25)

    def release(self) -> None:
        """As Optuna's; a lock that somebody has removed is no error."""
        removed = self._link.with_name(f"{self._link.name}{uuid4().hex}.rename")
        with suppress(FileNotFoundError):
            self._link.rename(removed)
            removed.unlink()


class MendedJournal(JournalFileBackend):
    """Optuna's journal file. Before anything is appended, the rest of a torn last line is removed.

    A full disk or a crash can cut a write short. Optuna would append the next line to the rest, and could
    never read the file again. Optuna does not read such a rest, so nothing that counts is lost.

    While the file is locked, the fence of the write is checked (`lionheart_opt.study.fence`). Only a
    process that is stopped for longer than `GRACE_S` between this check and the write is not noticed.

    Args:
        path: The file.

    Raises:
        InputError: What follows the last whole line is no line of a journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own_lock = JournalLock(path)
        super().__init__(str(path), self._own_lock)
        self._drivers: dict[int, Any] = {}
        self._scanned = 0
        torn_at(path)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """As Optuna's.

        Raises:
            LostClaim: Another driver holds the search that is written to.
        """
        fence = current_fence()
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with get_lock_file(self._own_lock):
            if (end := torn_at(self._path)) is not None:
                with self._path.open("r+b") as file:
                    file.truncate(end)
            if fence is not None:
                self._scan()
                fence.check(self._drivers.get(fence.study_id))
            with self._path.open("ab") as file:
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())

    def _scan(self) -> None:
        """Read on, to find who drives which study."""
        with self._path.open("rb") as file:
            file.seek(self._scanned)
            for line in file:
                self._scanned += len(line)
                if _NAMES_DRIVER in line:
                    log = json.loads(line)
                    if log["op_code"] == JournalOperation.SET_STUDY_USER_ATTR:
                        self._drivers[log["study_id"]] = log["user_attr"][DRIVER]


class ReadJournal(MendedJournal):
    """A journal that is only read, without what no record needs of a trial."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._read, self._position = 0, 0

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """As Optuna's."""
        if log_number_from < self._read:
            self._read, self._position = 0, 0
        left = self._path.stat().st_size - self._position  # others may go on writing
        wrong: ValueError | None = None
        with self._path.open("rb") as file:
            file.seek(self._position)
            for line in file:
                left -= len(line)
                if left < 0:
                    return
                if wrong is not None:  # in the last line, a write was cut short
                    raise wrong
                try:
                    log = json.loads(_without_parameters(line))
                    if not line.endswith(b"\n"):
                        raise ValueError("a line has no end")
                except ValueError as error:
                    wrong = error
                    continue
                self._read, self._position = self._read + 1, self._position + len(line)
                if log["op_code"] == JournalOperation.CREATE_TRIAL:
                    for name in _UNUSED:
                        log.pop(name, None)
                    log["datetime_start"] = None
                if self._read > log_number_from:
                    yield log


def _without_parameters(line: bytes) -> bytes:
    """A line without the distributions and the parameters of a trial, which are half of it.

    Optuna writes them one after the other, before the attributes. What is looked for stands in no text:
    there, quotes are escaped.
    """
    start = line.find(b',"distributions":{')
    end = line.find(b',"user_attrs":{', start)
    return line[:start] + line[end:] if 0 < start < end else line


def torn_at(path: Path) -> int | None:
    """Where the rest of a torn last line begins, in bytes; None if the last line is whole.

    Raises:
        InputError: The rest is no line of a journal.
    """
    with path.open("rb") as file:
        end = position = file.seek(0, 2)
        rest = b""
        while position and b"\n" not in rest:
            size = min(_CHUNK, position)
            position -= size
            file.seek(position)
            rest = file.read(size) + rest
            if rest.endswith(b"\n"):
                return None
    rest = rest.rpartition(b"\n")[2]
    if not rest:
        return None
    start = rest[: len(BEGINNING)].rstrip(b"\0")  # a crash may leave zeros
    if not BEGINNING.startswith(start):
        raise InputError(f"{path}: its last line is no line of a journal, so nothing is appended")
    return end - len(rest)
