"""SIGTERM and SIGHUP end a run as cleanly as Ctrl-C does."""

from __future__ import annotations

import signal
from pathlib import Path

import optuna
import pytest
from cli_setup import make_study
from front_door import made_up, outcome, python, wait_until

import lionheart_opt as lo
from lionheart_opt.study.signals import Stopped, exit_code, stopped_by_signals

SCRIPT = """
from front_door import made_up
import lionheart_opt as lo
lo.search(made_up(), "random", trials=40, storage="sqlite:///k.db")
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


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_raised_once_and_the_handlers_are_restored(number):
    with pytest.raises(Stopped) as stop, stopped_by_signals(is_exit_ours=True):
        try:
            signal.raise_signal(number)
        finally:
            for again in SIGNALS:
                signal.raise_signal(again)  # the cleaning-up goes on
    assert exit_code(stop.value) == {signal.SIGTERM: 143, signal.SIGHUP: 130}[number]
    assert all(signal.getsignal(each) == signal.SIG_DFL for each in SIGNALS)
    assert exit_code(KeyboardInterrupt()) == 130


def test_signals_that_are_ignored_or_handled_stay_so():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with stopped_by_signals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def driver(file: Path) -> object:
    [study] = optuna.get_all_study_summaries(f"sqlite:///{file}")
    return study.user_attrs.get("driver")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_script_releases_its_claim_and_ends_by_the_signal(number, tmp_path):
    (tmp_path / "mine.py").write_text(SCRIPT)
    process = python(tmp_path, "mine.py", pause_s=0.2)
    url = f"sqlite:///{tmp_path / 'k.db'}"

    def recorded() -> int:
        return sum(map(len, lo.Study.of(made_up(), ["random"], storage=url).results()))

    wait_until(lambda: process.poll() is not None or recorded() > 0)
    assert driver(tmp_path / "k.db") is not None
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == -number and driver(tmp_path / "k.db") is None
    before = recorded()
    resumed = lo.search(made_up(), "random", trials=before + 1, storage=url)
    assert outcome(resumed) == outcome(lo.search(made_up(), "random", trials=before + 1))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 130)])
def test_the_command_line_says_how_to_resume(number, code, workers, tmp_path):
    folder = make_study(tmp_path / "study", STUDY)
    arguments = ["run", folder, "--workers", workers, "--no-checks"]
    process = python(tmp_path, "-m", "lionheart_opt.cli.main", *arguments, pause_s=0.2)
    study = lo.load(folder)
    wait_until(lambda: process.poll() is not None or sum(map(len, study.results())) > 0)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    again = f"run {folder} --workers {workers} --no-checks"
    assert err.endswith(f"\nStopped; nothing is lost. Resume: lionheart-opt {again}\n")
    assert "Traceback" not in err and driver(folder / "study.db") is None
