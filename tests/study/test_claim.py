"""One driver a search: the record names it, and nobody else writes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import optuna
import pytest
from optuna.exceptions import StorageInternalError

from lionheart_opt.errors import InputError
from lionheart_opt.study import claim
from lionheart_opt.study.fence import DRIVER, LostClaim, token_of
from lionheart_opt.study.processes import this_process
from lionheart_opt.study.storage import open_storage

PATIENCE_S = 20.0
ELSEWHERE = {"token": "theirs", "host": "elsewhere", "pid": 1, "started": "5", "machine": "other"}


@pytest.fixture(autouse=True)
def quick_heart(monkeypatch):
    monkeypatch.setattr(claim, "HEARTBEAT_S", 0.02)
    monkeypatch.setattr(claim, "LOOK_S", 0.05)
    monkeypatch.setattr(claim, "DEAD_AFTER_S", 0.3)


@pytest.fixture(scope="module", params=["memory", "sqlite", "journal", "postgres"])
def storage(request, tmp_path_factory):
    if request.param == "memory":
        return optuna.storages.InMemoryStorage()
    if request.param == "postgres":
        return open_storage(request.getfixturevalue("postgres").new_database())
    return open_storage(f"{request.param}:///{tmp_path_factory.mktemp('claims') / 'k'}")


@pytest.fixture
def study(storage):
    yield optuna.create_study(study_name="s/seed0", storage=storage)
    optuna.delete_study(study_name="s/seed0", storage=storage)


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_claim_says_who_holds_it_and_is_given_back(study):
    with claim.claimed(study):
        holder = study.user_attrs[DRIVER]
        assert {name: holder[name] for name in this_process()} == this_process()
        wait_until(lambda: study.user_attrs.get(claim.BEAT, 0) > 1)
    assert study.user_attrs[DRIVER] is None


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_claim_is_given_back_after_an_error(study, error):
    """Ctrl-C in a notebook: its process lives on, and another one must be able to go on."""
    with pytest.raises(error), claim.claimed(study):
        raise error
    assert study.user_attrs[DRIVER] is None


def test_the_error_at_hand_is_not_hidden_by_a_storage_out_of_reach(study, monkeypatch):
    def unreachable(*_: object) -> None:
        raise StorageInternalError("out of reach")

    with pytest.raises(ZeroDivisionError), claim.claimed(study):
        monkeypatch.setattr(study, "set_user_attr", unreachable)
        raise ZeroDivisionError
    monkeypatch.undo()
    with claim.claimed(study):  # this process knows that it holds nothing any more
        pass


def test_a_beat_that_fails_is_tried_again(caplog):
    third = threading.Event()

    def beat(count: int) -> None:
        if count == 2:
            raise StorageInternalError("database is locked\n\tIs it?")  # as libpq's messages
        if count == 3:
            third.set()

    with claim.heartbeat(beat):
        assert third.wait(PATIENCE_S)
    [said] = [each.getMessage() for each in caplog.records]
    assert said == "heartbeat failed, will be tried again: database is locked Is it?"


# --- who may take a search over -----------------------------------------------------------------------


def living() -> dict[str, object]:
    """A driver of this machine that lives: the process that has started this one."""
    pid = os.getppid()
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
        started = file.read().rpartition(")")[2].split()[19]
    return {"token": "theirs", **this_process(), "pid": pid, "started": started}


def ended() -> dict[str, object]:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return {"token": "theirs", **this_process(), "pid": process.pid}


def test_a_process_of_this_machine_that_has_ended_is_followed_at_once(study, monkeypatch):
    monkeypatch.setattr(claim, "DEAD_AFTER_S", 1e9)
    number_used_again = {**living(), "started": "1"}
    given_up = {"token": "theirs", **this_process()}
    for holder in (ended(), number_used_again, given_up):
        study.set_user_attr(DRIVER, holder)
        with claim.claimed(study):
            assert token_of(study.user_attrs[DRIVER]) != "theirs"


def test_a_living_process_of_this_machine_is_refused_at_once(study):
    study.set_user_attr(DRIVER, living())
    message = rf"study 's/seed0' is being run by process {os.getppid()} on .*--wait"
    with pytest.raises(InputError, match=message), claim.claimed(study):
        pass
    assert study.user_attrs[DRIVER] == living(), "its claim is left alone"
    with claim.claimed(optuna.create_study(storage=study._storage)):
        pass  # other searches are not concerned


def test_this_process_cannot_run_a_search_twice(study):
    with (
        claim.claimed(study),
        pytest.raises(InputError, match=f"run by process {os.getpid()} on"),
        claim.claimed(study),
    ):
        pass
    assert study.user_attrs[DRIVER] is None


@pytest.mark.parametrize("jump_s", [-1e6, 0.0, 1e6])
def test_only_beats_that_do_not_change_make_another_machine_look_dead(study, jump_s, monkeypatch):
    """Clocks say nothing: not those of other machines, and not how this one is set."""
    study.set_user_attr(DRIVER, ELSEWHERE)
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + jump_s)
    start = time.monotonic()
    with claim.claimed(study):
        assert token_of(study.user_attrs[DRIVER]) != "theirs"
    assert time.monotonic() - start >= claim.DEAD_AFTER_S


class Looks:
    """Stands for the time between two looks at another driver: in each, that driver beats.

    Args:
        study: The Optuna study.
        lasts: After how many looks the other driver ends.
    """

    def __init__(self, study, lasts: int) -> None:
        self._study, self._lasts = study, lasts
        self.count = 0

    def wait(self, _: float) -> bool:
        self.count += 1
        if self.count == self._lasts:
            self._study.set_user_attr(DRIVER, None)
        else:
            self._study.set_user_attr(claim.BEAT, self.count)
        return False


@pytest.mark.parametrize("wait", [False, True])
def test_another_machine_that_beats_is_refused_or_waited_for(study, wait, monkeypatch):
    study.set_user_attr(DRIVER, ELSEWHERE)
    looks = Looks(study, lasts=round(3 * claim.DEAD_AFTER_S / claim.LOOK_S))
    monkeypatch.setattr(claim, "GIVEN_UP", looks)
    if wait:
        with claim.claimed(study, wait=True):
            assert looks.count == 18
    else:
        with pytest.raises(InputError, match="run by process 1 on elsewhere"):
            with claim.claimed(study):
                pass
        assert looks.count == 1 and study.user_attrs[DRIVER] == ELSEWHERE


def test_a_moment_of_another_driver_is_waited_for(study):
    study.set_user_attr(DRIVER, {**living(), "brief": True})
    threading.Timer(0.2, lambda: study.set_user_attr(DRIVER, None)).start()
    with claim.claimed(study):
        pass


def test_a_driver_of_an_older_version_is_watched_too(study):
    study.set_user_attr(DRIVER, {"host": "elsewhere", "pid": 7, "beat": 1.7e9})
    with claim.claimed(study):
        assert study.user_attrs[DRIVER]["pid"] == os.getpid()


# --- whoever has lost a claim writes nothing ----------------------------------------------------------


def test_who_loses_a_claim_writes_nothing_more(study):
    message = "'s/seed0': process 1 on elsewhere has taken the search over; this process stops"
    with pytest.raises(LostClaim, match=message), claim.claimed(study) as ours:
        with ours.writing():
            study.set_user_attr("mine", 1)
        study.set_user_attr(DRIVER, ELSEWHERE)
        with ours.writing():
            study.set_user_attr("mine", 2)
    with pytest.raises(LostClaim), claim.Claim(study, "old").writing():
        study.add_trial(optuna.trial.create_trial(value=1.0))
    assert study.user_attrs["mine"] == 1 and study.user_attrs[DRIVER] == ELSEWHERE
    assert not study.trials
    with pytest.raises(LostClaim, match="another process had taken the search over"):
        study.set_user_attr(DRIVER, None)
        with claim.Claim(study, "old").writing():
            study.set_user_attr("mine", 2)


def test_a_claim_that_is_lost_does_not_beat(study):
    with claim.claimed(study):
        study.set_user_attr(DRIVER, ELSEWHERE)
        time.sleep(0.1)
        before = study.user_attrs.get(claim.BEAT)
        time.sleep(0.1)
        assert study.user_attrs.get(claim.BEAT) == before
    assert study.user_attrs[DRIVER] == ELSEWHERE, "it is not given back for another one"


def test_of_threads_that_claim_at_once_one_gets_it(study, monkeypatch):
    if isinstance(study._storage, optuna.storages.InMemoryStorage):
        pytest.skip("nobody shares it")
    monkeypatch.setattr(claim, "DEAD_AFTER_S", PATIENCE_S)
    start, held, refused = threading.Barrier(4), [], []

    def run() -> None:
        start.wait()
        try:
            with claim.claimed(study):
                held.append(1)
                wait_until(lambda: len(refused) == 3)
        except claim.Held:
            refused.append(1)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 1 and len(refused) == 3


def test_a_beat_that_hangs_does_not_keep_a_driver_from_ending(monkeypatch):
    monkeypatch.setattr(claim, "LAST_BEAT_S", 0.1)
    begun, goes_on = threading.Event(), threading.Event()

    def beat(_: int) -> None:
        begun.set()
        goes_on.wait(PATIENCE_S)

    start = time.monotonic()
    with claim.heartbeat(beat):
        assert begun.wait(PATIENCE_S)
    goes_on.set()
    assert time.monotonic() - start < PATIENCE_S / 2
