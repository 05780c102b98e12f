"""One driver a search: its sign of life outlives a storage that fails for a moment."""

import os
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError

from lionheart_opt.errors import InputError
from lionheart_opt.study import claim

PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
def quick_heart(monkeypatch):
    monkeypatch.setattr(claim, "HEARTBEAT_S", 0.01)  # `DEAD_AFTER_S` stays


def test_a_beat_that_fails_is_tried_again(caplog):
    beats: list[int] = []
    third = threading.Event()

    def beat() -> None:
        beats.append(len(beats))
        if len(beats) == 2:
            raise StorageInternalError("database is locked")
        if len(beats) == 3:
            third.set()

    with claim.heartbeat(beat):
        assert third.wait(PATIENCE_S)
    assert "heartbeat failed, will be tried again: database is locked" in caplog.text


def test_a_storage_that_fails_at_once_is_an_error():
    def beat() -> None:
        raise StorageInternalError("no such table")

    with (
        pytest.raises(InputError, match=r"cannot be written: .*no such table"),
        claim.heartbeat(beat),
    ):
        pass


# --- one driver a search ------------------------------------------------------------------------------


@pytest.fixture
def study() -> optuna.Study:
    return optuna.create_study(study_name="s/seed0")


def held_by(host: str, pid: int, age_s: float = 0.0) -> dict[str, Any]:
    return {"host": host, "pid": pid, "beat": time.time() - age_s}


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_claim_says_who_holds_it_and_is_given_back(study):
    with claim.claimed(study):
        holder = study.user_attrs[claim.DRIVER]
        assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
        first = holder["beat"]
        deadline = time.monotonic() + PATIENCE_S
        while study.user_attrs[claim.DRIVER]["beat"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.005)
    assert study.user_attrs[claim.DRIVER] is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_claim_is_given_back_after_an_error(study, error):
    """Ctrl-C in a notebook: its process lives on, and another one must be able to go on."""
    with pytest.raises(error), claim.claimed(study):
        raise error
    assert study.user_attrs[claim.DRIVER] is None


def test_the_error_at_hand_is_not_hidden_by_a_storage_out_of_reach(study, monkeypatch):
    def unreachable(*_: object) -> None:
        raise StorageInternalError("out of reach")

    with pytest.raises(ZeroDivisionError), claim.claimed(study):
        monkeypatch.setattr(study, "set_user_attr", unreachable)
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("host", "pid", "age_s", "is_refused"),
    [
        (socket.gethostname(), os.getppid(), 0.0, True),
        (socket.gethostname(), os.getppid(), 200.0, False),
        (socket.gethostname(), None, 0.0, False),
        (socket.gethostname(), os.getpid(), 0.0, False),
        ("elsewhere", 1, 0.0, True),
        ("elsewhere", 1, 140.0, True),
        ("elsewhere", 1, 160.0, False),
    ],
    ids=["alive", "silent", "dead", "itself", "other machine", "quiet there", "silent there"],
)
def test_who_may_take_a_search_over(study, host, pid, age_s, is_refused):
    study.set_user_attr(claim.DRIVER, held_by(host, dead_pid() if pid is None else pid, age_s))
    before = study.user_attrs[claim.DRIVER]
    if is_refused:
        message = f"'s/seed0' is being run by process {pid} on {host}; wait for it"
        with pytest.raises(InputError, match=message), claim.claimed(study):
            pass
        assert study.user_attrs[claim.DRIVER] == before, "its claim is left alone"
    else:
        with claim.claimed(study):
            assert study.user_attrs[claim.DRIVER]["pid"] == os.getpid()


def test_living_processes_are_told_from_dead_ones():
    assert claim.is_alive(os.getpid()) and claim.is_alive(1) and not claim.is_alive(dead_pid())
