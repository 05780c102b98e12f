"""`show`, `compare`, `check` and `plot` write neither into storages nor beside studies."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cli_setup import STUDY, call, make_study

VERBS = ("show", "compare", "check", "plot")
OLD_RECORDS = Path(__file__).parents[1] / "old_records"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read(verb: str, folder: Path, figures: Path) -> tuple[int, str, str]:
    return call(verb, folder, *(("--out", figures) if verb == "plot" else ()))


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("kind", ["sqlite", "journal"])
def test_a_record_is_read_and_left_as_it_is(kind, verb, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    folder = shutil.copytree(OLD_RECORDS / kind, tmp_path / "study")
    before = contents(folder)
    code, _, err = read(verb, folder, tmp_path / "figures")
    assert code == 0 or verb == "check", err
    assert contents(folder) == before


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "storage", ["no file", "empty file", "notes of another program", "write-ahead log"]
)
def test_what_holds_no_record_stays_as_it_is(storage, verb, tmp_path):
    folder = make_study(tmp_path / "study")
    if storage == "empty file":
        (folder / "study.db").touch()
    elif storage != "no file":
        connection = sqlite3.connect(folder / "study.db")
        if storage == "write-ahead log":
            connection.execute("pragma journal_mode = wal")
        connection.execute("create table notes (text)")
        connection.commit()
        connection.close()
    before = contents(folder)
    code, _, err = read(verb, folder, tmp_path / "figures")
    if verb == "check":
        assert code == 0, err
    else:
        assert code == 2 and "nothing recorded yet" in err
    assert contents(folder) == before


@pytest.mark.parametrize("verb", VERBS)
def test_a_read_only_folder_can_be_read(verb, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("nothing is read-only for root")
    folder = shutil.copytree(OLD_RECORDS / "sqlite", tmp_path / "study")
    for path in (*folder.iterdir(), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        code, _, err = read(verb, folder, tmp_path / "figures")
    finally:
        folder.chmod(0o755)
    if verb == "check":
        assert "is read-only: a run could not keep its record" in err
    else:
        assert code == 0, err


#: Reads a study with every verb, and lets nothing be opened for writing below its folder, not even by
#: root; a database only read-only.
GUARD = """
import os, sys
folder, figures = map(os.path.realpath, sys.argv[1:])
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path, flags = os.path.realpath(os.fsdecode(arguments[0])), arguments[2]
        if path.startswith(folder) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            os.write(2, f"WRITES {path}".encode()); os._exit(9)
    if event == "sqlite3.connect" and folder in str(arguments[0]) and "mode=ro" not in str(arguments[0]):
        os.write(2, f"WRITES {arguments[0]}".encode()); os._exit(9)
    if event in ("os.mkdir", "os.remove", "os.rename"):
        if os.path.realpath(arguments[0]).startswith(folder):
            os.write(2, f"WRITES {arguments[0]}".encode()); os._exit(9)
sys.addaudithook(watch)
sys.dont_write_bytecode = False
from lionheart_opt.cli.main import main
for verb in VERBS:
    print("verb", verb, file=sys.stderr, flush=True)
    sys.argv = ["lionheart-opt", verb, folder, *(["--out", figures] if verb == "plot" else [])]
    try:
        main()
    except SystemExit as end:
        assert not end.code, end.code
""".replace("VERBS", repr(VERBS))


def test_nothing_is_even_opened_for_writing(tmp_path):
    folder = make_study(tmp_path / "study", STUDY.replace("own_plugins", "mine"))
    helpers = Path(__file__).parents[1] / "helpers"
    shutil.copy(helpers / "own_plugins.py", folder / "mine.py")
    assert call("run", folder, "--only", "own")[0] == 0
    shutil.rmtree(folder / "__pycache__", ignore_errors=True)
    before = contents(folder)
    command = [sys.executable, "-c", GUARD, folder, tmp_path / "figures"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert ended.returncode == 0, ended.stderr
    assert [line for line in ended.stderr.splitlines() if line.startswith("verb")] == [
        f"verb {verb}" for verb in VERBS
    ]
    assert contents(folder) == before
