"""SQLite files that another process keeps locked: waited for, but neither in silence nor for ever."""

import signal
import sqlite3
import threading
from contextlib import ExitStack, closing, contextmanager

import pytest
from cli_setup import call
from front_door import wait_until
from search_in_a_process import study
from table_study import table_study

from lionheart_opt.signals import Stopped, held_back, stopped_by_signals
from lionheart_opt.study import patience, sqlite_files
from lionheart_opt.study.patience import impatient
from lionheart_opt.study.sqlite_files import SqliteFile
from lionheart_opt.study.storage import open_storage

SAID = "another process keeps"
#: What another process does -> what it keeps us from.
LOCKS = {
    "read": ["begin exclusive"],
    "write": ["begin immediate"],
    "commit": ["begin", "select * from notes"],
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "k?.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table notes (text)")
    return path


@pytest.fixture
def soon(monkeypatch):
    monkeypatch.setattr(sqlite_files, "TURN_S", 0.05)
    monkeypatch.setattr(patience, "SAID_AFTER_S", 0.1)


def said(caplog):
    return [each.getMessage() for each in caplog.records if SAID in each.getMessage()]


@contextmanager
def locked(path, *statements):
    with closing(
        sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    ) as connection:
        for statement in statements or LOCKS["write"]:
            connection.execute(statement).fetchone()
        yield connection


@contextmanager
def once_said(caplog, do):
    """Do something when the wait has been spoken of."""

    def act():
        wait_until(lambda: said(caplog), 20)
        do()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def trials_of(search):
    return [(trial.params, trial.values) for trial in search.record.keeper.study.trials]


def write(connection):
    connection.cursor().executemany("insert into notes values (?)", [("a",), ("b",)])
    connection.execute("select * from notes").fetchall()
    connection.commit()


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_locked_file_is_waited_for_which_is_said_once(lock, path, caplog, soon):
    with (
        locked(path, *lock) as other,
        once_said(caplog, other.close),
        closing(SqliteFile(path, "rw").connect()) as connection,
    ):
        write(connection)
        write(connection)
        assert connection.execute("select count(*) from notes").fetchone() == (4,)
    [line] = said(caplog)
    assert line == (
        f"waiting for at most 60 s: another process keeps {path} locked; "
        "if it is stopped or hangs, continue or end it"
    )


def test_a_signal_ends_the_wait_even_in_a_step_that_must_be_whole(path, caplog, soon):
    def interrupt():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

    with (
        locked(path, *LOCKS["commit"]),
        closing(SqliteFile(path, "rw").connect()) as connection,
        once_said(caplog, interrupt),
        pytest.raises(Stopped),
        stopped_by_signals(is_exit_ours=True),
        held_back(),
    ):
        write(connection)
    with closing(SqliteFile(path, "rw").connect()) as connection:
        write(connection)
        assert connection.execute("select count(*) from notes").fetchone() == (2,)


def test_who_may_not_wait_waits_a_moment_only(path, caplog, soon):
    with locked(path), closing(SqliteFile(path, "rw").connect()) as connection, impatient():
        with pytest.raises(sqlite3.OperationalError, match=r"k\?\.db locked for 0 s"):
            write(connection)
    assert not said(caplog)


def test_two_that_would_wait_for_each_other_do_not(path, caplog):
    with locked(path, *LOCKS["write"]), closing(SqliteFile(path, "rw").connect()) as connection:
        connection.execute("begin")
        connection.execute("select * from notes").fetchone()
        with pytest.raises(sqlite3.OperationalError, match=r"^database is locked$"):
            write(connection)
    assert not said(caplog)


def test_a_search_goes_on_when_the_file_is_free_again(tmp_path, caplog, soon):
    path = tmp_path / "k.db"
    search, whole = (study(f"sqlite:///{file}", "random", 4) for file in (path, tmp_path / "whole"))
    with ExitStack() as stack:

        def lock(progress):
            if progress.state == "answered" and len(search.record) == 2:
                other = stack.enter_context(locked(path))
                stack.enter_context(once_said(caplog, other.close))

        search.run(lock)
    whole.run()
    assert said(caplog) and trials_of(search) == trials_of(whole)


@pytest.mark.parametrize("verb", ["show", "run"])
def test_a_file_that_stays_locked_is_one_line(verb, tmp_path, caplog, soon, monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE_S", 0.3)
    folder = table_study(tmp_path / "lab")
    open_storage("sqlite:///study.db", folder)
    with locked(folder / "study.db", *LOCKS["read"]):
        code, _, err = call(verb, folder)
    assert code == 2 and said(caplog)
    assert f"another process has kept {folder}/study.db locked for 0 s" in err.splitlines()[-1]
