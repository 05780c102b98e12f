"""Two drivers of one search: started at once, one after the other, or one stopped meanwhile."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import optuna
import pytest
import search_in_a_process
from front_door import wait_until
from search_in_a_process import study

from lionheart_opt.study.fence import DRIVER
from lionheart_opt.study.storage import file_of

TRIALS = 5


def url_of(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if kind == "postgres":
        return request.getfixturevalue("postgres").new_database()
    return f"{kind}:///{tmp_path / 'k'}"


def driver(url: str, *options: object, trials: int = TRIALS) -> subprocess.Popen[str]:
    """A process that runs the search as soon as it is told to."""
    process = subprocess.Popen(
        [
            sys.executable,
            search_in_a_process.__file__,
            url,
            "random",
            str(trials),
            *map(str, options),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdout.readline() == "ready\n", process.stderr.read()
    process.stdin.write("go\n")
    process.stdin.flush()


def assert_whole(url: str, tmp_path: Path, trials: int = TRIALS) -> None:
    """What is recorded equals what one process records, trial by trial."""
    search = study(url, "random", trials)
    search.run()
    whole = study(f"journal:///{tmp_path / 'whole'}", "random", trials)
    whole.run()
    trials_of = [
        [(trial.number, trial.params, trial.values) for trial in each.record.keeper.study.trials]
        for each in (search, whole)
    ]
    assert trials_of[0] == trials_of[1]
    assert search.record.keeper.study.user_attrs[DRIVER] is None


def start_together(url: str, tmp_path: Path, rounds: int) -> None:
    """In each round two drivers create the record and run the search, on an empty database at first."""
    processes = [driver(url, 0.02, rounds) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n", process.stderr.read()
    for number in range(rounds):
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        said = [process.stdout.readline() for process in processes]
        assert "done\n" in said, said
        assert all(each == "done\n" or "is being run by process" in each for each in said), said
        name = search_in_a_process.named("random", number)
        search = study(url, "random", TRIALS, name=name)
        recorded = search.record.keeper.study.trials
        assert len(recorded) == TRIALS, "nothing is missing, and nothing is there twice"
        assert [trial.params for trial in recorded] == expected(tmp_path)
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0


def expected(tmp_path: Path) -> list[dict[str, str]]:
    whole = study(f"journal:///{tmp_path / 'whole'}", "random", TRIALS)
    whole.run()
    return [trial.params for trial in whole.record.keeper.study.trials]


@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgres"])
def test_two_drivers_that_start_at_the_same_moment_damage_nothing(kind, request, tmp_path):
    start_together(url_of(kind, request, tmp_path), tmp_path, 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgres"])
def test_fifty_rounds_of_two_drivers(kind, request, tmp_path):
    start_together(url_of(kind, request, tmp_path), tmp_path, 50)


def is_locked(url: str, request: pytest.FixtureRequest) -> bool:
    """Whether somebody is just writing, so that nobody else can."""
    if url.startswith("postgres"):
        return request.getfixturevalue("postgres").is_busy(url)
    path = file_of(url)
    if url.startswith("journal"):
        return path.with_name(f"{path.name}.lock").is_symlink()
    with closing(sqlite3.connect(path, timeout=0.0)) as connection:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError:
            return True
    return False


def stop_between_writes(
    process: subprocess.Popen[str], url: str, request: pytest.FixtureRequest
) -> None:
    """Stop a driver at a moment when it holds no lock: it would keep it, and nobody could take over."""
    while True:
        process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "it has ended meanwhile"
        if not is_locked(url, request):
            return
        process.send_signal(signal.SIGCONT)
        time.sleep(0.05)


@pytest.mark.parametrize("kind", ["sqlite", "journal", "postgres"])
def test_a_driver_that_was_stopped_while_another_took_over_writes_nothing(kind, request, tmp_path):
    url = url_of(kind, request, tmp_path)
    study(url, "random", TRIALS)  # the record is there
    first = driver(url, 1.0)
    go(first)
    seen = study(url, "random", TRIALS).record.keeper.study
    wait_until(lambda: len(seen.get_trials()) >= 1 or first.poll() is not None)
    stop_between_writes(first, url, request)
    before = len(seen.get_trials())
    second = driver(url, 0.0)
    go(second)
    out, err = second.communicate(timeout=60)
    assert out == "done\n", err
    record = [(trial.number, trial.params, trial.values) for trial in seen.get_trials()]
    assert before < TRIALS == len(record)
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=60)
    assert "another process had taken the search over; this process stops" in out, out + err
    assert record == [(trial.number, trial.params, trial.values) for trial in seen.get_trials()]
    assert_whole(url, tmp_path)


def test_a_driver_that_waits_goes_on_where_the_first_one_ends(tmp_path):
    url = f"sqlite:///{tmp_path / 'k'}"
    study(url, "random", TRIALS)
    first, second = driver(url, 0.3), driver(url, 0.0, "wait", trials=TRIALS + 1)
    go(first)
    seen = study(url, "random", TRIALS).record.keeper.study
    wait_until(lambda: seen.user_attrs.get(DRIVER) is not None or first.poll() is not None)
    go(second)
    out, err = second.communicate(timeout=60)
    assert out == "done\n" and "held by process" in err, err
    assert first.wait(60) == 0 and first.stdout.read() == "done\n"
    assert_whole(url, tmp_path, TRIALS + 1)
    assert optuna.trial.TrialState.COMPLETE in {trial.state for trial in seen.trials}
