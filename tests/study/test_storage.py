"""Where records live: URLs of Optuna storages, relative to a folder."""

import signal

import optuna
import pytest
from front_door import python
from sqlalchemy import event

from lionheart_opt.errors import InputError
from lionheart_opt.signals import Stopped, stopped_by_signals
from lionheart_opt.study.reading import storage_to_read
from lionheart_opt.study.storage import (
    file_of,
    open_storage,
    scheme_of,
    with_environment,
)


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_relative_files_lie_in_the_folder(scheme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "study"
    folder.mkdir()
    url = f"{scheme}:///records"
    assert file_of(url, folder) == folder / "records" and not file_of(url, folder).exists()
    optuna.create_study(storage=open_storage(url, folder), study_name="a")
    assert file_of(url, folder).is_file() and not file_of(url).exists()
    assert optuna.get_all_study_names(open_storage(url, folder)) == ["a"]
    absolute = f"{scheme}:///{folder / 'records'}"
    assert optuna.get_all_study_names(open_storage(absolute)) == ["a"]
    assert file_of(f"{scheme}:///k") == file_of(f"{scheme}:///k", None) != folder / "k"


def test_a_signal_ends_a_read_only_when_it_is_done(tmp_path):
    """The connection of an interrupted read would keep the file locked, and the claim could not go."""
    study = optuna.create_study(storage=open_storage(f"sqlite:///{tmp_path / 'k'}"))
    is_due = iter([True])

    def interrupt(*_: object) -> None:
        if next(is_due, False):
            signal.raise_signal(signal.SIGTERM)

    event.listen(study._storage._backend.engine, "after_cursor_execute", interrupt)
    with pytest.raises(Stopped) as stop, stopped_by_signals(is_exit_ours=True):
        _ = study.user_attrs
    assert next(is_due, True), "a signal came within the read"
    assert not any("sqlalchemy" in str(entry.path) for entry in stop.traceback)


def test_a_server_has_no_file():
    for url in ("postgresql://h/db", "redis://h:1/0", "grpc://h:13000", "mysql://h/db"):
        assert file_of(url) is None


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("k.db", "storage: got 'k.db'; must be a URL such as sqlite:///study.db"),
        ("", "storage: got ''"),
        (3, "storage: got 3"),
        (
            "nosuch://me:x@h/db",
            "storage: cannot open 'nosuch://me:***@h/db': got 'nosuch'; must be sqlite, journal, redis, "
            "rediss, grpc, postgresql, mysql, or another database of SQLAlchemy",
        ),
        (
            "postgresql+nosuch://h/db",
            "storage: cannot open 'postgresql+nosuch://h/db': got 'postgresql+nosuch'; must be sqlite",
        ),
        (
            "mysql+asyncmy://me:x@h/db",
            "storage: cannot open 'mysql+asyncmy://me:***@h/db': No module named 'asyncmy'",
        ),
        ("sqlite:////no/such/folder/k.db", "storage: folder /no/such/folder does not exist"),
        ("journal:///no/such/k.log", "storage: folder no/such does not exist"),
        ("sqlite://", "storage: cannot open 'sqlite://'"),
        ("journal:///", "storage: cannot open 'journal:///'"),
        (
            "postgresql://me:p@ss:w/d@127.0.0.1:1/db",
            "storage: 'postgresql://me:***@127.0.0.1:1/db': its password contains @; write that as %40",
        ),
        (
            "grpc://host:port",
            "storage: cannot open 'grpc://host:port': got the port 'port'; must be a whole number",
        ),
        (
            "grpc://[::1]:port",
            "storage: cannot open 'grpc://[::1]:port': got the port 'port'; must",
        ),
    ],
)
def test_what_cannot_be_opened_is_one_line(url, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for call in (open_storage, storage_to_read):
        if (
            call is storage_to_read
            and isinstance(url, str)
            and url.startswith(("sqlite", "journal"))
        ):
            continue  # there is no file, and nothing to read
        with pytest.raises(InputError) as error:
            call(url)
        assert str(error.value).startswith(message) and "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_journal_is_refused_unharmed(tmp_path):
    path = tmp_path / "notes.log"
    path.write_text("these are my notes\nnot a journal\n")
    with pytest.raises(InputError, match=r"notes\.log"):
        open_storage(f"journal:///{path}")
    assert path.read_text() == "these are my notes\nnot a journal\n"


def test_a_file_that_is_no_database_is_refused_unharmed(tmp_path):
    path = tmp_path / "study.db"
    path.write_text("these are my notes, not a database " * 50)
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"study\.db"):
        open_storage(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_processes_that_create_a_database_at_once_do_not_stop_each_other(tmp_path):
    """They used to fail with `table studies already exists`."""
    code = (
        "import sys, time\n"
        "from lionheart_opt.study.storage import open_storage\n"
        "import optuna, optuna.storages._rdb.storage\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "for k in range(5):\n"
        "    open_storage(f'sqlite:///{k}.db')\n"
    )
    processes = [python(tmp_path, "-c", code) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err


def test_environment_variables_name_a_storage(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_FOLDER", str(tmp_path))
    monkeypatch.setenv("LAB_DB", f"sqlite:///{tmp_path}/lab.db")
    for url in ("${LAB_DB}", "sqlite:///${LAB_FOLDER}/lab.db"):
        assert file_of(url) == tmp_path / "lab.db" and scheme_of(url) == "sqlite"
        optuna.create_study(storage=open_storage(url), study_name=url)
        assert url in optuna.get_all_study_names(storage_to_read(url))
    assert with_environment("sqlite:///$a.db") == "sqlite:///$a.db"


@pytest.mark.parametrize("value", [None, ""])
@pytest.mark.parametrize("call", [open_storage, storage_to_read, file_of, scheme_of])
def test_a_variable_that_is_not_set_is_said(call, value, monkeypatch):
    monkeypatch.delenv("LAB_DB", raising=False)
    if value is not None:
        monkeypatch.setenv("LAB_DB", value)
    with pytest.raises(InputError, match=r"'\$\{LAB_DB\}': the environment variable 'LAB_DB' is"):
        call("${LAB_DB}")


@pytest.mark.parametrize("call", [open_storage, storage_to_read])
@pytest.mark.parametrize(
    ("url", "value"),
    [
        ("${LAB_DB}", "hunter2"),
        ("${LAB_DB}", "nosuch://me:hunter2@host/db"),
        ("nosuch://me:${LAB_DB}@host/db", "hunter2"),
        ("${LAB_DB}", "nosuch://host/db?sslpassword=hunter2"),
        ("${LAB_DB}", "mysql+nosuch://host/db?PASSWD=hunter2"),
        ("${LAB_DB}", "postgresql://me:hunter2%40x@127.0.0.1:1/db"),
    ],
)
def test_the_value_of_a_variable_is_never_shown(call, url, value, monkeypatch):
    monkeypatch.setenv("LAB_DB", value)
    with pytest.raises(InputError) as error:
        call(url)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_equal_distributions_are_parsed_once(scheme, tmp_path):
    """A record of 10,000 trials of 20 units has 200,000, of which 20 differ."""
    study = optuna.create_study(storage=open_storage(f"{scheme}:///records", tmp_path))
    distribution = optuna.distributions.CategoricalDistribution(("cpu", "tile"))
    for target in ("cpu", "tile"):
        study.add_trial(
            optuna.create_trial(
                params={"conv1": target}, distributions={"conv1": distribution}, value=0.0
            )
        )
    # the driver's storage: verbs that only read leave parameters of journals out
    storage = open_storage(f"{scheme}:///records", tmp_path)
    again = optuna.load_study(study_name=study.study_name, storage=storage)
    first, second = again.get_trials(deepcopy=False)
    assert [first.params["conv1"], second.params["conv1"]] == ["cpu", "tile"]
    assert first.distributions == {"conv1": distribution}
    assert first.distributions["conv1"] is second.distributions["conv1"]
