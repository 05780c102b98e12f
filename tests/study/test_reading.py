"""Reading a storage changes nothing: no table, no file, no byte."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.study.reading import storage_to_read
from lionheart_opt.study.storage import open_storage

OLD_RECORDS = Path(__file__).parents[1] / "old_records"


def contents(folder: Path) -> dict[str, str]:
    """Name -> digest of every file below a folder, and the folders."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def recorded(url: str) -> None:
    """Make a storage with the study `a` of one trial."""
    study = optuna.create_study(storage=open_storage(url), study_name="a")
    study.add_trial(optuna.trial.create_trial(value=1.0))


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_a_storage_is_read_and_left_as_it_is(scheme, tmp_path):
    url = f"{scheme}:///{tmp_path / 'records'}"
    recorded(url)
    before = contents(tmp_path)
    storage = storage_to_read(url)
    assert storage is not None
    assert optuna.load_study(study_name="a", storage=storage).trials[0].value == 1.0
    assert contents(tmp_path) == before


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_a_missing_file_holds_nothing_and_is_not_created(scheme, tmp_path):
    assert storage_to_read(f"{scheme}:///records", tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def notes(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("kind", ["empty", "of another program", "in write-ahead mode"])
def test_a_database_without_records_holds_nothing_and_gets_no_tables(kind, tmp_path):
    path = tmp_path / "study.db"
    if kind == "empty":
        path.touch()
    elif kind == "of another program":
        notes(path, "create table notes (text)", "insert into notes values ('mine')")
    else:
        notes(path, "pragma journal_mode = wal", "create table notes (text)")
    before = contents(tmp_path)
    assert storage_to_read("sqlite:///study.db", tmp_path) is None
    assert contents(tmp_path) == before


def test_an_older_schema_is_refused_and_not_upgraded(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    recorded(url)
    notes(tmp_path / "study.db", "update alembic_version set version_num = 'v3.0.0.a'")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="optuna storage upgrade"):
        storage_to_read(url)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("case", ["text", "studies of another program"])
def test_what_is_no_storage_is_one_line(case, tmp_path):
    path = tmp_path / "study.db"
    if case == "text":
        path.write_text("these are my notes, not a database " * 50)
    else:
        notes(path, "create table studies (text)")
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"storage: cannot open .*study\.db") as error:
        storage_to_read(f"sqlite:///{path}")
    assert "\n" not in str(error.value) and contents(tmp_path) == before


def test_a_database_that_another_process_is_creating_is_waited_for(tmp_path):
    """Optuna creates its tables first and says their version last."""
    path, url = tmp_path / "study.db", f"sqlite:///{tmp_path / 'study.db'}"
    recorded(url)
    notes(path, "create table kept as select * from alembic_version", "delete from alembic_version")
    statement = "insert into alembic_version select * from kept"
    later = threading.Timer(0.5, notes, (path, statement))
    later.start()
    storage = storage_to_read(url)
    later.join()
    assert storage is not None and optuna.get_all_study_names(storage) == ["a"]


INTERRUPTED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("pragma cache_size = 1")
connection.execute("begin immediate")
connection.execute("insert into studies (study_name) values ('half')")
for k in range(500):
    connection.execute(
        "insert into study_user_attributes (study_id, key, value_json) values (1, ?, ?)",
        (str(k), "x" * 2000),
    )
os.kill(os.getpid(), 9)
"""


def test_what_a_killed_process_left_half_written_is_read_without_it(tmp_path):
    """SQLite undoes such writes when the file is next opened: that is writing, too."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    recorded(url)
    subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path / "study.db")])
    before = contents(tmp_path)
    assert set(before) == {"study.db", "study.db-journal"}
    storage = storage_to_read(url)
    assert storage is not None and optuna.get_all_study_names(storage) == ["a"]
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_records_in_a_read_only_folder_can_be_read(kind, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    folder = shutil.copytree(OLD_RECORDS / kind, tmp_path / kind)
    [file] = [path for path in folder.iterdir() if path.suffix in (".db", ".log")]
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        storage = storage_to_read(f"{kind}:///{file}")
        assert storage is not None and optuna.get_all_study_names(storage)
    finally:
        folder.chmod(0o755)
