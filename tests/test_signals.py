"""Ctrl-C, SIGTERM and SIGHUP end a run cleanly, whenever they come."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from cli_setup import make_study
from front_door import n_trials, outcome, python, wait_until
from made_up_drops import light

import lionheart_opt as lo
from lionheart_opt.signals import (
    AGAIN_S,
    EXIT_CODES,
    Stopped,
    check_stopped,
    end_at_once,
    exit_code,
    held_back,
    let_through,
    stopped_by_signals,
)
from lionheart_opt.study.claim import claimed

SCRIPT = """
from made_up_drops import light
import lionheart_opt as lo
lo.search(light(), "random", trials=40, storage="sqlite:///k.db")
"""
#: A strategy in whose destructors the signal arrives; Python drops what is raised there.
SWALLOWED = """
import signal, sys
from made_up_drops import light
import lionheart_opt as lo
class Dropped:
    def __del__(self):
        signal.raise_signal(signal.Signals[sys.argv[1]])
class Unlucky:
    def search(self, problem, rng):
        for unit in problem.units:
            if unit is problem.units[3]:
                Dropped()
            yield [problem.pretrained(problem.mapping({unit.name: "tile"}))]
lo.search(light(), Unlucky(), storage="sqlite:///k.db", workers=int(sys.argv[2]))
"""
STUDY = """
question = "Does it end cleanly?"
system = "lionheart"
[model]
name = "resnet8"
[oracle]
kind = "front_door:MadeUp"
[limits]
max_drop = 0.05
draws = [2, 4]
[budget]
trials = 40
[[run]]
strategy = "random"
"""
SIGNALS = [signal.SIGTERM, signal.SIGHUP]
ALL = [signal.SIGINT, *SIGNALS]


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Signals do what they do in a new process on a terminal, whatever ran before."""
    usual = {signal.SIGINT: signal.default_int_handler, **dict.fromkeys(SIGNALS, signal.SIG_DFL)}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_once(number):
    with pytest.raises(Stopped) as stop, stopped_by_signals(is_exit_ours=True):
        try:
            signal.raise_signal(number)
        finally:
            for again in SIGNALS:
                signal.raise_signal(again)  # the cleaning-up goes on
    assert exit_code(stop.value) == {signal.SIGTERM: 143, signal.SIGHUP: 130}[number]
    for each in ALL:
        assert signal.getsignal(each) == signal.SIG_IGN, "the process is ending"
    assert exit_code(KeyboardInterrupt()) == 130


def test_ctrl_c_that_comes_twice_does_not_stop_the_cleaning_up(monkeypatch):
    steps = []
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            steps.append("cleaned")
            monkeypatch.setattr("lionheart_opt.signals.CLEANING_S", 0.0)
            signal.raise_signal(signal.SIGINT)  # it takes too long
            steps.append("never")
    assert steps == ["cleaned"]


def test_handlers_are_restored():
    with stopped_by_signals(is_exit_ours=True):
        pass
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        signal.raise_signal(signal.SIGINT)
    assert all(signal.getsignal(each) == signal.SIG_DFL for each in SIGNALS)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_signals_that_are_ignored_or_handled_stay_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stopped_by_signals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.mark.parametrize("is_checked", [True, False], ids=["within the block", "at its end"])
def test_what_a_signal_raised_is_raised_again_where_python_dropped_it(is_checked, capsys):
    class Dropped:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Stopped), stopped_by_signals(is_exit_ours=True):
        Dropped()
        if is_checked:
            check_stopped()
    check_stopped()  # it is over
    assert not capsys.readouterr().err, "Python speaks of what it drops"


@pytest.mark.parametrize("number", ALL)
def test_what_a_destructor_drops_is_raised_a_moment_later(number, capfd):
    """A training would go on for hours otherwise."""

    class Dropped:
        def __del__(self) -> None:
            signal.raise_signal(number)

    steps = []
    hook = sys.unraisablehook
    with pytest.raises(KeyboardInterrupt) as stop, stopped_by_signals(is_exit_ours=True):
        Dropped()
        time.sleep(30.0)
        steps.append("never")
    assert not steps and exit_code(stop.value) == (143 if number == signal.SIGTERM else 130)
    assert capfd.readouterr().err == "" and sys.unraisablehook is hook
    time.sleep(3 * AGAIN_S)  # it is raised once


@pytest.mark.parametrize("number", ALL)
def test_a_signal_waits_until_a_library_is_loaded(number):
    """C++ ends the process, with a core dump, where an exception comes out of its initialisation."""
    steps = []

    class ExtensionFileLoader:  # as Python's own is called
        def exec_module(self) -> None:
            signal.raise_signal(number)
            time.sleep(2.5 * AGAIN_S)
            steps.append("loaded")

    with pytest.raises(KeyboardInterrupt) as stop, stopped_by_signals(is_exit_ours=True):
        vars(ExtensionFileLoader)[
            "exec_module"
        ].__code__ = ExtensionFileLoader.exec_module.__code__.replace(
            co_qualname="ExtensionFileLoader.exec_module"
        )
        ExtensionFileLoader().exec_module()
        time.sleep(30.0)
        steps.append("never")
    assert steps == ["loaded"] and exit_code(stop.value) == EXIT_CODES[number]


@pytest.mark.parametrize("number", ALL)
def test_the_handlers_of_the_command_line_are_taken_over_and_given_back(number):
    signal.signal(number, end_at_once)
    with stopped_by_signals(is_exit_ours=True):
        assert signal.getsignal(number) != end_at_once
    assert signal.getsignal(number) == end_at_once


def test_what_is_dropped_and_noticed_is_not_raised_again():
    class Dropped:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    steps = []
    with pytest.raises(Stopped), stopped_by_signals(is_exit_ours=True):
        Dropped()
        try:
            check_stopped()
        finally:
            time.sleep(3 * AGAIN_S)
            steps.append("cleaned")
    assert steps == ["cleaned"]


def test_other_errors_of_destructors_are_said_as_ever(monkeypatch):
    class Broken:
        def __del__(self) -> None:
            raise ValueError

    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: told.append(dropped.exc_type))
    with stopped_by_signals(is_exit_ours=True):
        Broken()
        gc.collect()
    assert told == [ValueError]


@pytest.mark.parametrize("number", ALL)
def test_a_step_is_done_as_a_whole(number):
    steps = []
    with pytest.raises(KeyboardInterrupt) as stop, stopped_by_signals(is_exit_ours=True):
        try:
            with held_back():
                with held_back():
                    signal.raise_signal(number)
                    steps.append("inner")
                steps.append("outer")
            steps.append("behind")
        finally:
            with held_back():
                signal.raise_signal(number)
                steps.append("cleaned")
    assert steps == ["inner", "outer", "cleaned"]
    assert exit_code(stop.value) == (143 if number == signal.SIGTERM else 130)


@pytest.mark.parametrize("number", ALL)
def test_a_wait_within_a_step_can_be_ended(number):
    steps = []
    with pytest.raises(KeyboardInterrupt), stopped_by_signals(is_exit_ours=True):
        with held_back():
            signal.raise_signal(number)
            steps.append("goes on")
            with let_through():
                steps.append("never")
    assert steps == ["goes on"]


def test_other_threads_hold_nothing_back():
    steps = []

    def step() -> None:
        with held_back(), let_through(), held_back():
            entered.set()
            leave.wait(30.0)

    entered, leave = threading.Event(), threading.Event()
    thread = threading.Thread(target=step)
    with pytest.raises(Stopped), stopped_by_signals(is_exit_ours=True):
        thread.start()
        entered.wait(30.0)
        try:
            signal.raise_signal(signal.SIGTERM)
            steps.append("never")
        finally:
            leave.set()
            thread.join()
    assert not steps


def test_a_notebook_is_interrupted_as_ever():
    with pytest.raises(KeyboardInterrupt) as stop, stopped_by_signals():
        signal.raise_signal(signal.SIGINT)
    assert type(stop.value) is KeyboardInterrupt
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_search_ends_even_if_python_drops_the_signal(name, workers, tmp_path):
    (tmp_path / "mine.py").write_text(SWALLOWED)
    process = python(tmp_path, "mine.py", name, workers, pause_s=0.3)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.Signals[name], err
    assert driver(tmp_path / "k.db") is None
    [study] = optuna.get_all_study_summaries(f"sqlite:///{tmp_path / 'k.db'}")
    assert study.n_trials < 9


def driver(file: Path) -> object:
    [study] = optuna.get_all_study_summaries(f"sqlite:///{file}")
    return study.user_attrs.get("driver")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_script_releases_its_claim_and_ends_by_the_signal(number, tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    process = python(tmp_path, "mine.py", pause_s=0.2)
    file = tmp_path / "k.db"
    wait_until(lambda: process.poll() is not None or n_trials(file) > 0)
    assert driver(file) is not None
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number and driver(file) is None
    trials = n_trials(file) + 1
    resumed = lo.search(light(), "random", trials=trials, storage=f"sqlite:///{file}")
    assert outcome(resumed) == outcome(lo.search(light(), "random", trials=trials))


@pytest.mark.parametrize(
    ("number", "code", "workers"),
    [
        (signal.SIGTERM, 143, 2),
        (signal.SIGHUP, 130, 1),
        pytest.param(signal.SIGTERM, 143, 1, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 130, 2, marks=pytest.mark.slow),
    ],
)
def test_the_command_line_says_how_to_resume(number, code, workers, tmp_path):
    folder = make_study(tmp_path / "study", STUDY)
    arguments = ["run", folder, "--workers", workers, "--no-checks"]
    process = python(tmp_path, "-m", "lionheart_opt.cli.main", *arguments, pause_s=0.2)
    wait_until(lambda: process.poll() is not None or n_trials(folder / "study.db") > 0)
    for _ in range(5):  # some send it again and again
        process.send_signal(number)
        time.sleep(0.1)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    again = f"run {folder} --workers {workers} --no-checks"
    assert err.endswith(f"\nStopped; nothing is lost. Resume: lionheart-opt {again}\n")
    assert "Traceback" not in err and driver(folder / "study.db") is None


@pytest.mark.parametrize("workers", [1, 2])
def test_who_waits_for_another_driver_can_be_stopped(workers, tmp_path):
    folder = make_study(tmp_path / "study", STUDY)
    lo.load(folder).run(checks=False)
    [name] = optuna.get_all_study_names(f"sqlite:///{folder / 'study.db'}")
    held = optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'study.db'}")
    with claimed(held):
        arguments = ["run", folder, "--wait", "--workers", workers]
        process = python(tmp_path, "-m", "lionheart_opt.cli.main", *arguments)
        assert "waiting until it ends" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and "Traceback" not in err, err
    assert "Resume: lionheart-opt run" in err
