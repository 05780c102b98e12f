"""Text and paths on the command line: names of folders, locales, markup, control characters."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from cli_setup import call, rows

OLD = Path(__file__).parents[1] / "old_records"
STUDY = """\
question = "Does '[bold]text[/]' — é漢 — stay as it is?"
system = "lionheart"
objectives = ["latency_s", "drop"]
storage = "{storage}"
model = {{name = "digits_cnn"}}
oracle = {{kind = "table", file = "table.npz"}}
limits = {{max_drop = 0.05, draws = [4, 8]}}
budget = {{trials = 2}}
[[run]]
strategy = "mac_greedy"
label = "{label}"
[[run]]
strategy = "random"
label = "$\\\\frac{{$"
"""
#: What a URL, a template, a shell or a regular expression would read as its own sign.
FOLDER = "a?b=1&c#d%20e %s {SCHEMA_VERSION} [x] é漢😀 'q' \\ ~"


def make(folder: Path, storage: str = "sqlite:///study.db", label: str = "[/x]") -> Path:
    folder.mkdir(parents=True)
    shutil.copy(OLD / "journal/table.npz", folder)
    text = STUDY.format(storage=storage.replace("\\", "\\\\"), label=label)
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
@pytest.mark.parametrize("is_relative", [True, False], ids=["relative", "absolute"])
def test_every_file_lies_in_the_folder_of_the_study_whatever_its_name(
    scheme, is_relative, tmp_path, monkeypatch
):
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    monkeypatch.chdir(outside)
    folder = tmp_path / FOLDER
    place = "records" if is_relative else f"{folder}/records"
    make(folder, f"{scheme}:///{place}")
    for verb in (["check"], ["run"], ["run"], ["show"], ["compare"], ["plot"], ["table"]):
        code, _, err = call(*verb, folder)
        assert code == 0, (verb, err)
    code, _, err = call("export", folder, "--trial", 0, "--only", "[/x]/seed0")
    assert code == 0, err
    assert (folder / "records").is_file() and list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([FOLDER, "elsewhere"])
    assert list((folder / "export").glob("*/mapping.json"))
    if scheme == "sqlite":
        with sqlite3.connect(folder / "records") as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM studies")
        assert count == 2


def test_artifacts_lie_beside_the_study_whatever_its_name(tmp_path):
    import cli_setup

    folder = cli_setup.make_study(tmp_path / FOLDER)
    code, _, err = call("run", folder, "--only", "mac_greedy")
    assert code == 0, err
    assert list((folder / "artifacts").iterdir())
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]
    code, _, err = call("profile", folder)
    assert code == 0, err


def test_markup_in_labels_and_questions_is_text(tmp_path):
    folder = make(tmp_path / "study")
    code, out, err = call("check", folder)
    assert code == 0 and "'[bold]text[/]' — é漢" in out and "[/x]" in out, err
    code, out, err = call("run", folder)
    assert "[/x]" in out and "$\\frac{$" in out and "[/x]/seed0 trial 0" in err
    assert "[/x]" in call("compare", folder)[1]
    assert [row["strategy"] for row in rows("show", folder)] == ["[/x]", "$\\frac{$"]


@pytest.mark.parametrize(
    "letter", ["\\u001b[31m", "\\n", "\\u202e", "\\u0007", "\\u009b", "\\u2028"]
)
def test_control_characters_in_labels_are_refused_and_not_printed(tmp_path, letter):
    folder = make(tmp_path / "study", label=f"a{letter}b")
    code, out, err = call("check", folder)
    assert code == 2 and out == "" and err.count("\n") == 1
    assert "run.0.label" in err and "control" in err and err[:-1].isprintable()


def test_control_characters_in_names_of_folders_are_escaped(tmp_path):
    folder = make(tmp_path / "a\x1b[31m\nb\u202ec")
    for verb in (["check"], ["run"], ["show"], ["compare"], ["table"], ["plot"]):
        code, out, err = call(*verb, folder)
        assert code == 0, err
        assert not {"\x1b", "\u202e"} & set(out + err)
    assert "a\\x1b[31m\\nb\\u202ec" in call("check", folder)[1].replace("\n", "")
    code, _, err = call("check", folder / "no\x1bne")
    assert code == 2 and err.count("\n") == 1 and err[:-1].isprintable()


def test_control_characters_in_texts_are_escaped(tmp_path):
    folder = make(tmp_path / "study")
    text = (folder / "study.toml").read_text(encoding="utf-8")
    text = text.replace("Does ", "\\u001b[31m \\u202e ")
    (folder / "study.toml").write_text(text, encoding="utf-8")
    code, out, _ = call("check", folder)
    assert code == 0 and "\\x1b[31m \\u202e" in out and not {"\x1b", "\u202e"} & set(out)


def c_locale(*arguments: object) -> subprocess.CompletedProcess:
    """The command line of a user without Unicode."""
    environment = {
        key: value for key, value in os.environ.items() if key not in ("LANG", "LC_CTYPE")
    }
    unicode_off = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    environment |= {**unicode_off, "PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "lionheart_opt.cli.main", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, timeout=300)


def test_files_are_utf_8_and_the_output_is_ascii_in_an_ascii_locale(tmp_path):
    folder = make(tmp_path / "étude 漢")
    study = folder / "study.toml"
    study.write_bytes(b"\xef\xbb\xbf" + study.read_bytes())  # as Windows' editors write it
    done = c_locale("run", folder)
    assert done.returncode == 0, done.stderr
    assert b"[/x]/seed0 trial 0" in done.stderr and b"Traceback" not in done.stderr
    done = c_locale("check", folder)
    assert done.returncode == 0 and b"?tude ?" in done.stdout, done.stderr
    done = c_locale("export", folder, "--trial", 0, "--only", "[/x]/seed0")
    assert done.returncode == 0, done.stderr
    [report] = (folder / "export").glob("*/report.json")
    question = json.loads(report.read_text(encoding="utf-8"))["question"]
    assert question == "Does '[bold]text[/]' — é漢 — stay as it is?"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("run", "--help"),
        ("list",),
        ("cost", "--model", "mlp", "--system", "lionheart"),
        ("check", "é漢"),
        ("nosuchverb-é",),
        ("validate", "é"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_output_survives_an_ascii_terminal(arguments):
    done = c_locale(*arguments)
    assert b"Traceback" not in done.stderr and b"UnicodeEncodeError" not in done.stderr
    assert done.returncode in (0, 2)
    assert done.stdout.isascii() and done.stderr.isascii()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:se?c%ret@no.such.host:1/db", "postgresql://me:***@no.such.host:1/db"),
        ("postgresql+psycopg2://me:a@b@h/db", "postgresql+psycopg2://me:***@h/db"),
        ("mysql://h/db?password=secret&x=1", "mysql://h/db?password=***&x=1"),
        ("redis://:secret@localhost:1/0", "redis://:***@localhost:1/0"),
        ("nosuch://me:secret@h/db", "nosuch://me:***@h/db"),
    ],
)
def test_passwords_are_shown_nowhere(tmp_path, url, shown):
    folder = make(tmp_path / "study", url)
    secrets = {"se?c%ret", "a@b", "secret"}
    for verb in ("check", "run"):
        code, out, err = call(verb, folder)
        assert code == 2 and err.count("\n") == 1, err
        assert shown in err and not any(secret in out + err for secret in secrets)
        assert verb == "run" or shown in out.replace("\n", "")


# --- what is no file, or cannot be written --------------------------------------------------------------


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def of_others(path: Path) -> None:
    path.write_bytes(b"\x80\x00 not what belongs here" * 3)


@pytest.mark.parametrize(
    "kind", [Path.mkdir, pipe, device, of_others], ids=lambda kind: kind.__name__
)
@pytest.mark.parametrize(
    "name", ["study.toml", "table.npz", "study.db", "own.toml", "mapping.json"]
)
def test_what_is_no_such_file_is_one_line(name, kind, tmp_path):
    folder = make(tmp_path / "study")
    (folder / name).unlink(missing_ok=True)
    kind(folder / name)
    arguments = {
        "own.toml": ("cost", "--model", "mlp", "--system", folder / name),
        "mapping.json": (
            *("cost", "--model", "mlp", "--system", "lionheart"),
            *("--mapping", folder / name),
        ),
        "study.db": ("show", folder),
    }.get(name, ("check", folder))
    code, _, err = call(*arguments)
    assert (code, err.count("\n")) == (2, 1) and name in err, err


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("plot", ["--out"]),
        ("table", ["--out"]),
        ("export", ["--trial", 0, "--only", "[/x]/seed0", "--out"]),
    ],
)
def test_what_cannot_be_written_is_one_line(verb, options, tmp_path):
    folder = make(tmp_path / "study", "journal:///k.log")
    assert call("run", folder, "--only", "[/x]")[0] == 0
    (tmp_path / "file").touch()
    places = [tmp_path / "file" / "x", "/proc/nothing/x", tmp_path / ("x" * 300)]
    for place in places:
        code, _, err = call(verb, folder, *options, place)
        assert code == 2 and err.count("\n") == 1 and err[:-1].isprintable(), err


@pytest.mark.parametrize(
    "storage", ["sqlite:////proc/k.db", "journal:////proc/k.log", "sqlite:///file/k"]
)
def test_a_storage_that_cannot_be_written_is_one_line(storage, tmp_path):
    folder = make(tmp_path / "study", storage)
    (folder / "file").touch()
    code, _, err = call("run", folder)
    assert code == 2 and err.count("\n") == 1 and "storage: " in err
