"""What another process keeps locked is waited for, which is said once, and not for ever."""

import signal
import threading

import pytest
from front_door import wait_until

from lionheart_opt.signals import GIVEN_UP, Stopped, held_back, stopped_by_signals
from lionheart_opt.study import patience
from lionheart_opt.study.patience import Locked, impatient, is_patient, may_wait


class Busy(Exception):
    """Says that something is locked."""


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(patience, "SAID_AFTER_S", 0.02)


def once_free(locked, step):
    return locked.once_free(step, lambda error, _: isinstance(error, Busy), TimeoutError)


def busy(turns):
    """A step that is refused so many times."""
    left = iter(range(turns))

    def step():
        if next(left, None) is not None:
            threading.Event().wait(0.01)
            raise Busy
        return "done"

    return step


def test_a_step_is_taken_when_it_is_free_and_the_wait_is_said_once(caplog):
    locked = Locked("the vault")
    assert once_free(locked, busy(6)) == once_free(locked, busy(6)) == "done"
    assert [each.getMessage() for each in caplog.records] == [
        "waiting for at most 60 s: another process keeps the vault locked; "
        "if it is stopped or hangs, continue or end it"
    ]


def test_short_waits_are_not_spoken_of(caplog):
    assert once_free(Locked("the vault"), busy(1)) == "done" and not caplog.records


def test_another_error_is_raised_at_once():
    with pytest.raises(ZeroDivisionError):
        once_free(Locked("the vault"), lambda: 1 / 0)


def test_the_wait_ends(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE_S", 0.05)
    with pytest.raises(TimeoutError, match="another process has kept the vault locked for 0 s"):
        once_free(Locked("the vault"), busy(10_000))


def test_who_may_not_wait_waits_a_moment(caplog):
    assert is_patient() and may_wait()
    with impatient():
        assert not is_patient() and not may_wait()
        with pytest.raises(TimeoutError):
            once_free(Locked("the vault"), busy(10_000))
    GIVEN_UP.set()
    try:
        assert is_patient() and not may_wait()
        with pytest.raises(TimeoutError):
            once_free(Locked("the vault"), busy(10_000))
    finally:
        GIVEN_UP.clear()
    assert not caplog.records


def test_signals_are_heard_between_two_turns_of_a_step_that_must_be_whole(caplog):
    def interrupt():
        wait_until(lambda: caplog.records)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with (
        pytest.raises(Stopped),
        stopped_by_signals(is_exit_ours=True),
        held_back(),
    ):
        once_free(Locked("the vault"), busy(10_000))
    thread.join()
