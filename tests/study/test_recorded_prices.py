"""Costs are read from a record where its seal says that they are right, and priced again otherwise."""

from __future__ import annotations

import ast
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import lionheart_opt
from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.study import recorded_prices, tabulated_prices
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.storage import open_storage
from lionheart_opt.synthetic import SyntheticCosts, synthetic_problem

N_TRIALS = 8


def keeper_of(problem: Problem, folder: Path) -> OptunaKeeper:
    return OptunaKeeper.open(problem, "search", open_storage(f"sqlite:///{folder}/k.db"), {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a record of `N_TRIALS` trials."""
    problem, rng = synthetic_problem(n_units=6), np.random.default_rng(0)
    keeper = keeper_of(problem, tmp_path)
    mappings = dict.fromkeys(random_mapping(problem, rng) for _ in range(4 * N_TRIALS))
    mappings.pop(problem.all_digital, None)
    for mapping in list(mappings)[:N_TRIALS]:
        keeper.add(problem, problem.evaluate(problem.pretrained(mapping)))
    return tmp_path


def change(folder: Path, name: str, value: object) -> None:
    """Change a user attribute of every trial."""
    with sqlite3.connect(folder / "k.db") as connection:
        said = (json.dumps(value), name)
        changed = connection.execute(
            "update trial_user_attributes set value_json = ? where key = ?", said
        )
        assert changed.rowcount == N_TRIALS
    connection.close()


def n_priced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many trials the cost model is asked about when the record is read."""
    problem, calls = synthetic_problem(n_units=6), []
    price = SyntheticCosts.cost
    with monkeypatch.context() as patch:
        patch.setattr(SyntheticCosts, "cost", lambda *args: calls.append(args[-1]) or price(*args))
        assert len(keeper_of(problem, folder).trials(problem)) == N_TRIALS
    return len([mapping for mapping in calls if mapping != problem.all_digital])


def test_what_is_read_equals_what_was_measured(folder):
    problem = synthetic_problem(n_units=6)
    for trial in keeper_of(problem, folder).trials(problem):
        evaluation, measured = trial.evaluation, problem.evaluate(trial.evaluation.candidate)
        assert evaluation.cost == measured.cost
        assert evaluation.cost.capacities == measured.cost.capacities
        assert evaluation.objectives == measured.objectives
        assert evaluation.violations == measured.violations


def test_the_same_cost_model_is_not_asked_again(folder, monkeypatch):
    assert n_priced(folder, monkeypatch) == 0


@pytest.fixture
def no_tables(monkeypatch):
    """The cost model prices one mapping at a time."""
    monkeypatch.setattr(SyntheticCosts, "tables", lambda *_: None)


@pytest.mark.usefixtures("no_tables")
def test_a_cost_model_whose_code_has_changed_is_asked_again(folder, monkeypatch):
    monkeypatch.setattr(recorded_prices, "_code", lambda: "another version")
    assert n_priced(folder, monkeypatch) == N_TRIALS


def test_after_an_update_tables_confirm_what_is_recorded(folder, monkeypatch):
    problem = synthetic_problem(n_units=6)
    before = [trial.evaluation for trial in keeper_of(problem, folder).trials(problem)]
    monkeypatch.setattr(recorded_prices, "_code", lambda: "another version")
    monkeypatch.setattr(tabulated_prices, "N_ASKED", 0)
    assert n_priced(folder, monkeypatch) == 1, "all-analog, to see whether the tables are right"
    problem = synthetic_problem(n_units=6)
    after = [trial.evaluation for trial in keeper_of(problem, folder).trials(problem)]
    assert [each.cost for each in before] == [each.cost for each in after]
    assert all(each.cost.capacities is not None for each in after)
    assert [each.violations for each in before] == [each.violations for each in after]


def test_all_code_that_cost_models_import_is_sealed():
    package = Path(lionheart_opt.__file__).parent
    sealed = recorded_prices.pricing_files()
    waiting = [file for file in sealed if "cost_models" in file.parts]
    seen = set(waiting)
    while waiting:
        for node in ast.walk(ast.parse(waiting.pop().read_text())):
            if not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                first, *parts = name.split(".")
                file = package.joinpath(*parts).with_suffix(".py")
                if first == "lionheart_opt" and parts and file.exists() and file not in seen:
                    seen.add(file)
                    waiting.append(file)
    checks = {package / "cost_models" / name for name in ("validation", "calibration")}
    imported = {file for file in seen if not checks & set(file.parents)}
    assert package / "hardware" / "constants.py" in imported
    assert not imported - set(sealed)


@pytest.mark.usefixtures("no_tables")
def test_a_cost_model_whose_code_is_not_known_is_always_asked(folder, monkeypatch):
    """One from a notebook has no file."""
    monkeypatch.setattr(SyntheticCosts, "__module__", "__main__")
    assert n_priced(folder, monkeypatch) == N_TRIALS


@pytest.mark.parametrize("has_tables", [True, False])
def test_other_costs_are_refused(has_tables, folder, monkeypatch):
    if not has_tables:
        monkeypatch.setattr(SyntheticCosts, "tables", lambda *_: None)
    monkeypatch.setattr(recorded_prices, "_code", lambda: "another version")
    monkeypatch.setattr("lionheart_opt.synthetic._CROSSING_S", 3e-8)
    problem = synthetic_problem(n_units=6)
    with pytest.raises(InputError, match="the cost model has changed"):
        keeper_of(problem, folder).trials(problem)


@pytest.mark.parametrize("name", ["latency_s", "energy_j"])
def test_a_changed_number_breaks_the_seal(folder, name):
    change(folder, name, 1.0)
    problem = synthetic_problem(n_units=6)
    with pytest.raises(InputError, match=f"{name}.*the cost model has changed"):
        keeper_of(problem, folder).trials(problem)


@pytest.mark.parametrize("has_tables", [True, False])
def test_crossbars_are_sealed_too(has_tables, folder, monkeypatch):
    if not has_tables:
        monkeypatch.setattr(SyntheticCosts, "tables", lambda *_: None)
    change(folder, "tiles", {"tile": 0})
    problem = synthetic_problem(n_units=6)
    for trial in keeper_of(problem, folder).trials(problem):
        evaluation = trial.evaluation
        assert evaluation.cost.tiles == {"tile": len(evaluation.mapping.units_on("tile"))}
