"""A PostgreSQL server of the tests, in a temporary folder; it can be stopped and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import uuid4

from sqlalchemy import make_url

PATIENCE_S = 60.0


def programs() -> Path | None:
    """The folder with PostgreSQL's programs."""
    folders = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def missing() -> str:
    """What the tests lack; empty if nothing."""
    if programs() is None:
        return "PostgreSQL is not installed (Debian: postgresql)"
    return "" if find_spec("psycopg") else "psycopg is not installed"


@dataclass
class Server:
    """Listens to a socket in its folder only, so that any number of them run side by side."""

    folder: Path = field(default_factory=lambda: Path(mkdtemp(prefix="pg", dir="/tmp")))
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        if os.getuid() == 0:  # the server refuses to run as root
            shutil.chown(self.folder, "nobody")
        self._call("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "lab", "--no-sync")

    def start(self) -> None:
        options = [
            "-k",
            self.folder,
            *("-c", "listen_addresses="),
            *("-c", "fsync=off"),
            *("-c", "full_page_writes=off"),
            *("-c", "max_connections=200"),
        ]
        self.process = subprocess.Popen(
            self._command("postgres", "-D", self.folder / "data", *options),
            stderr=subprocess.DEVNULL,
            **self._user(),
        )
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self.process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        """At once: connections are cut."""
        assert self.process is not None
        self._call("pg_ctl", "stop", "-D", self.folder / "data", "-m", "fast", "-w")
        self.process.wait(PATIENCE_S)

    def remove(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self._call("pg_ctl", "stop", "-D", self.folder / "data", "-m", "immediate", "-w")
            self.process.wait(PATIENCE_S)
        shutil.rmtree(self.folder)

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"d{uuid4().hex}"
        self.execute(f"create database {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://lab@/{database}?host={self.folder}"

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """What it answers; nothing if it is no query."""
        import psycopg

        with psycopg.connect(f"host={self.folder} user=lab dbname=postgres", autocommit=True) as c:
            cursor = c.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def is_busy(self, url: str) -> bool:
        """Whether somebody is in a transaction of the database of a URL."""
        [(count,)] = self.execute(
            "select count(*) from pg_stat_activity "
            f"where datname = '{make_url(url).database}' and state <> 'idle'"
        )
        return count > 0

    def cut_connections(self) -> None:
        self.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and usename = 'lab'"
        )

    def _answers(self) -> bool:
        import psycopg

        try:
            self.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def _command(self, name: str, *arguments: object) -> list[str]:
        folder = programs()
        assert folder is not None
        return [str(folder / name), *map(str, arguments)]

    def _user(self) -> dict[str, object]:
        user = {"user": "nobody", "extra_groups": []} if os.getuid() == 0 else {}
        return {"cwd": self.folder, "stdout": subprocess.DEVNULL, **user}

    def _call(self, name: str, *arguments: object) -> None:
        subprocess.run(self._command(name, *arguments), check=True, **self._user())
