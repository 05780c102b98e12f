"""A MariaDB server of the tests, in a temporary folder; it can be stopped and started again."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

PATIENCE_S = 120.0
PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb")


def missing() -> str:
    """What the tests lack; empty if nothing."""
    if not all(map(shutil.which, PROGRAMS)):
        return "MariaDB is not installed (Debian: mariadb-server)"
    return "" if find_spec("pymysql") else "pymysql is not installed"


@dataclass
class Server:
    """Listens to a socket in its folder only."""

    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="maria", dir="/tmp")))
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        options = ["--auth-root-authentication-method=normal", "--skip-test-db"]
        self._call("mariadb-install-db", *self._place(), *options)

    def start(self) -> None:
        command = ["mariadbd", *self._place(), f"--socket={self._socket}", "--skip-networking"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        """At once: connections are cut."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()
        shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"d{uuid4().hex}"
        self._call(*self._client("-e", f"create database {name}"))
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self._socket}"

    @property
    def _socket(self) -> Path:
        return self.folder / "socket"

    def _place(self) -> list[str]:
        return ["--no-defaults", "--user=root", f"--datadir={self.folder / 'data'}"]

    def _client(self, *arguments: str) -> list[str]:
        return ["mariadb", "--no-defaults", "-u", "root", "-S", str(self._socket), *arguments]

    def _answers(self) -> bool:
        return not subprocess.run(self._client("-e", "select 1"), capture_output=True).returncode

    def _call(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)
