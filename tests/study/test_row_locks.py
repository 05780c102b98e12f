"""Rows of a database server that another client keeps locked, as a stopped driver does."""

import signal
import threading
import time
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
from front_door import wait_until
from search_in_a_process import study
from sqlalchemy import create_engine, make_url, text

from lionheart_opt.errors import InputError
from lionheart_opt.signals import Stopped, stopped_by_signals
from lionheart_opt.study import patience, row_locks
from lionheart_opt.study.fence import DRIVER
from lionheart_opt.study.patience import impatient
from lionheart_opt.study.row_locks import RowLocks, RowsLocked
from lionheart_opt.study.storage import open_storage

SAID = "another process keeps rows of"
#: What a client that is stopped may keep from others.
LOCKS = {
    "driver": f"select * from study_user_attributes where key = '{DRIVER}' for update",
    "study": "select * from studies for update",
}


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(row_locks, "TURN_S", 1)
    monkeypatch.setattr(patience, "SAID_AFTER_S", 0.5)


def said(caplog):
    return [each.getMessage() for each in caplog.records if SAID in each.getMessage()]


@contextmanager
def locked(url, statement):
    """Another client, in the middle of a transaction."""
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text(statement))
        yield connection
    engine.dispose()


def once_said(caplog, act):
    def wait_and_act():
        wait_until(lambda: said(caplog), 20)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def trials_of(search):
    return [(trial.params, trial.values) for trial in search.record.keeper.study.trials]


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_search_goes_on_when_the_rows_are_free(lock, postgres, tmp_path, caplog):
    url = postgres.new_database()
    search, whole = study(url, "random", 4), study(f"sqlite:///{tmp_path / 'w'}", "random", 4)
    with locked(url, "select 1") as other:
        threads = []

        def stop_the_other(progress):
            if progress.state == "answered" and len(search.record) == 2:
                other.execute(text(lock))
                threads.append(once_said(caplog, other.rollback))

        search.run(stop_the_other)
        [thread] = threads
        thread.join()
    whole.run()
    assert trials_of(search) == trials_of(whole)
    [line] = said(caplog)
    assert line.startswith("waiting for at most 60 s") and "lab" in line and "\n" not in line


def test_rows_that_stay_locked_end_the_search_in_one_line(postgres, monkeypatch, caplog):
    monkeypatch.setattr(patience, "PATIENCE_S", 2.0)
    url = postgres.new_database()
    search = study(url, "random", 4)
    with locked(url, LOCKS["study"]):
        with pytest.raises(
            InputError, match=r"another process has kept rows of .* locked"
        ) as error:
            search.run()
    assert "\n" not in str(error.value)
    study(url, "random", 4).run()


def test_a_signal_ends_the_wait(postgres, caplog):
    url = postgres.new_database()
    search = study(url, "random", 4)
    with locked(url, LOCKS["study"]) as other:

        def interrupt():
            signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
            time.sleep(0.2)
            other.rollback()  # the claim is given back

        thread = once_said(caplog, interrupt)
        with pytest.raises(Stopped), stopped_by_signals(is_exit_ours=True):
            search.run()
        thread.join()
    study(url, "random", 4).run()


def test_who_may_not_wait_waits_a_moment_only(postgres, caplog):
    url = postgres.new_database()
    kept = study(url, "random", 4).record.keeper.study
    kept.set_user_attr("a", 0)
    start = time.monotonic()
    with locked(url, "select * from study_user_attributes for update"), impatient():
        with pytest.raises(TimeoutError, match="locked for 1 s"):
            kept.set_user_attr("a", 1)
    assert time.monotonic() - start < patience.PATIENCE_S / 4 and not said(caplog)


def test_tables_that_another_client_is_making_are_waited_for(postgres, caplog):
    url = postgres.new_database()
    making = "create table studies (study_id serial primary key)"
    with locked(url, making) as other:
        thread = once_said(caplog, other.rollback)
        storage = open_storage(url)
        thread.join()
    assert storage.get_all_studies() == []


@pytest.mark.parametrize(
    ("scheme", "statement"),
    [
        ("postgresql+psycopg2", "set lock_timeout = '1s'"),
        ("mysql+pymysql", "set session innodb_lock_wait_timeout = 1"),
        ("postgresql+pg8000", None),  # whose errors are not known here
    ],
)
def test_what_drivers_are_told(scheme, statement):
    told = []
    cursor = SimpleNamespace(execute=told.append, close=lambda: None)
    connection = SimpleNamespace(cursor=lambda: cursor, commit=lambda: told.append("commit"))
    RowLocks(make_url(f"{scheme}://lab@host/lab"), "lab").limit(connection, None)
    assert told == ([statement, "commit"] if statement else [])


def refused(*said, **codes):
    """What a driver raises."""
    error = RuntimeError(*said)
    vars(error).update(codes)
    return error


@pytest.mark.parametrize(
    ("said", "is_locked"),
    [
        (refused(sqlstate="55P03"), True),
        (refused(pgcode="55P03"), True),
        (refused(1205, "Lock wait timeout exceeded"), True),
        (refused(sqlstate="40P01"), False),
        (refused(2006, "gone away"), False),
        (None, False),
    ],
)
def test_how_servers_say_that_rows_are_locked(said, is_locked):
    error = RuntimeError()
    error.orig = said
    assert row_locks._is_locked(error, 1.0) is is_locked
    context = SimpleNamespace(original_exception=said)
    with pytest.raises(RowsLocked) if is_locked else nullcontext():
        row_locks._raise_rows_locked(context)
