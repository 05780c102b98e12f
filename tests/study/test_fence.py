"""The driver is compared in the step that writes: nobody can come between."""

from __future__ import annotations

import threading
import time

import optuna
import pytest

from lionheart_opt.study import fence
from lionheart_opt.study.fence import DRIVER, Fence, LostClaim, fenced, token_of
from lionheart_opt.study.storage import open_storage


def new_study(url: str) -> optuna.Study:
    return optuna.create_study(study_name="s", storage=open_storage(url))


def other_driver(url: str) -> optuna.Study:
    """The study as another process sees it."""
    return optuna.load_study(study_name="s", storage=open_storage(url))


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_take_over_waits_for_a_write_that_was_checked(kind, request, tmp_path, monkeypatch):
    """Were it not so, both would write: the trial was checked before, and committed after."""
    postgres = kind == "postgres" and request.getfixturevalue("postgres")
    url = postgres.new_database() if postgres else f"sqlite:///{tmp_path / 'k'}"
    study, other = new_study(url), other_driver(url)
    study.set_user_attr(DRIVER, {"token": "first"})
    checked, trials_seen = threading.Event(), []
    check = Fence.check

    def slow_check(self, driver):
        check(self, driver)
        if self.token == "first" and not checked.is_set() and threading.current_thread() is main:
            checked.set()
            time.sleep(1.0)

    def take_over() -> None:
        checked.wait(20)
        with fenced(other, "first"):
            other.set_user_attr(DRIVER, {"token": "second"})
        trials_seen.append(len(other.trials))

    main = threading.current_thread()
    monkeypatch.setattr(Fence, "check", slow_check)
    thread = threading.Thread(target=take_over)
    thread.start()
    with fenced(study, "first"):
        study.add_trial(optuna.trial.create_trial(value=1.0))
    thread.join()
    assert trials_seen == [1], "the second driver knows the trial"
    with pytest.raises(LostClaim), fenced(study, "first"):
        study.add_trial(optuna.trial.create_trial(value=1.0))
    assert len(other.trials) == 1


def test_a_beat_and_a_trial_do_not_wait_for_each_other(postgres, monkeypatch):
    """The first beat is a new row, which locks that of the study, as a trial does."""
    url = postgres.new_database()
    study, other = new_study(url), other_driver(url)
    study.set_user_attr(DRIVER, {"token": "first"})
    checked, errors = threading.Event(), []
    check, main = Fence.check, threading.current_thread()

    def slow_check(self, driver):
        check(self, driver)
        if threading.current_thread() is not main:
            checked.set()
            time.sleep(0.5)

    def beat() -> None:
        try:
            with fenced(other, "first"):
                other.set_user_attr("beat", 1)
        except Exception as error:
            errors.append(error)

    monkeypatch.setattr(Fence, "check", slow_check)
    thread = threading.Thread(target=beat)
    thread.start()
    checked.wait(20)
    with fenced(study, "first"):
        study.add_trial(optuna.trial.create_trial(value=1.0))
    thread.join()
    assert errors == [] and len(study.trials) == 1 and study.user_attrs["beat"] == 1


@pytest.mark.parametrize("scheme", ["sqlite", "journal"])
def test_nothing_is_asked_before_and_nothing_is_checked_without_a_fence(
    scheme, tmp_path, monkeypatch
):
    url = f"{scheme}:///{tmp_path / 'k'}"
    study = new_study(url)
    study.set_user_attr(DRIVER, {"token": "first"})
    study.set_user_attr("free", 1)
    checks: list[object] = []
    monkeypatch.setattr(Fence, "check", lambda self, driver: checks.append(token_of(driver)))
    with fenced(study, "other"):
        assert checks == []
        assert study.user_attrs["free"] == 1 and checks == [], "reading is free"
        study.set_user_attr("mine", 1)
        assert checks == ["first"]
    assert fence.current_fence() is None


def test_a_journal_sees_what_another_process_has_appended(tmp_path):
    url = f"journal:///{tmp_path / 'k'}"
    study, other = new_study(url), other_driver(url)
    with fenced(study, None):
        study.set_user_attr(DRIVER, {"token": "first"})
    with fenced(other, "first"):
        other.set_user_attr(DRIVER, {"token": "second"})
    before = (tmp_path / "k").read_bytes()
    with pytest.raises(LostClaim), fenced(study, "first"):
        study.add_trial(optuna.trial.create_trial(value=1.0))
    assert (tmp_path / "k").read_bytes() == before


def test_drivers_of_older_versions_have_a_token_too():
    assert token_of({"host": "h", "pid": 3, "beat": 1.0}) == "h/3"
    assert token_of(None) is None and token_of({"token": "t", "pid": 3}) == "t"
