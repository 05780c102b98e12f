"""Every kind of input file, damaged: what is no result is one line that says what is wrong."""

from __future__ import annotations

import resource
import warnings

import optuna
import pytest
from fuzzed_calls import CALLS, wrong_calls
from fuzzed_files import FILES, harmless
from fuzzed_records import RECORDS
from fuzzing import PATIENCE_S, bad_error, fuzz, time_limit

import lionheart_opt as lo

#: Bytes by which reading damaged files may raise the largest memory of the process.
MEMORY = 2 << 30


@pytest.fixture(autouse=True)
def quiet_optuna():
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    yield
    optuna.logging.set_verbosity(verbosity)


def check(kind, folder, count: int, seed: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with harmless():
        outcome = fuzz(kind, folder, count, seed)
    print(kind.name, outcome)
    assert not outcome.faults, outcome.faults
    assert outcome.refused.total() and outcome.accepted, f"the damage tests nothing: {outcome}"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert 1024 * used < MEMORY, f"{used} KiB more"


@pytest.mark.parametrize("kind", (*FILES, *RECORDS), ids=lambda kind: kind.name)
def test_damaged_files_are_read_or_refused(kind, tmp_path):
    check(kind, tmp_path, kind.few, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", (*FILES, *RECORDS), ids=lambda kind: kind.name)
def test_ten_thousand_damaged_files_are_read_or_refused(kind, tmp_path):
    check(kind, tmp_path, 10_000, seed=0)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("every", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_values_of_wrong_types_are_taken_or_refused(name, every, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    faults = {}
    for place, call in list(wrong_calls(name))[::every]:
        try:
            with warnings.catch_warnings(), time_limit(PATIENCE_S):
                warnings.simplefilter("ignore")
                call()
        except lo.InputError as error:
            if problem := bad_error(error):
                faults[place] = problem
        except Exception as error:
            faults[place] = f"{type(error).__name__}: {error}"
    assert not faults
    assert list(tmp_path.iterdir()) == []
