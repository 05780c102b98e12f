"""The file of a journal storage, mended where a write was cut short."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.storages.journal._file import get_lock_file

from lionheart_opt.errors import InputError

#: How every line of a journal begins.
BEGINNING = b'{"op_code":'
#: Bytes that are read at once when the beginning of a line is looked for.
_CHUNK = 65_536


class MendedJournal(JournalFileBackend):
    """Optuna's journal file. Before anything is appended, the rest of a torn last line is removed.

    A full disk or a crash can cut a write short. Optuna would append the next line to the rest, and could
    never read the file again. Optuna does not read such a rest, so nothing that counts is lost.

    Args:
        path: The file.

    Raises:
        InputError: What follows the last whole line is no line of a journal.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own_lock = JournalFileSymlinkLock(str(path))
        super().__init__(str(path), self._own_lock)
        torn_at(path)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """As Optuna's."""
        if torn_at(self._path) is not None:
            with get_lock_file(self._own_lock):  # another process may be writing the line just now
                if (end := torn_at(self._path)) is not None:
                    with self._path.open("r+b") as file:
                        file.truncate(end)
        super().append_logs(logs)


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
