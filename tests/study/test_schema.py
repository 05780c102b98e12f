"""What a study file may say: defaults, ranges and types, key by key."""

from typing import Any

import pytest
from pydantic import ValidationError

from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.study.schema import BudgetTable, LimitsTable, RunTable, StudyTable

LEAST = {
    "question": "Which?",
    "system": "lionheart",
    "model": {"name": "resnet8"},
    "limits": {"max_drop": 0.01},
    "run": [{"strategy": "random"}],
}


def test_defaults_of_the_shortest_study():
    table = StudyTable.model_validate(LEAST)
    assert (table.objectives, table.training, table.seed) == (("latency_s",), "full", 0)
    assert table.storage == "sqlite:///study.db" and table.data is None
    assert (table.units, table.digital, table.oracle) == ({}, (), {})
    assert table.budget == BudgetTable(trials=100, oracle_s=None)
    [run] = table.run
    assert (run.name, run.seeds, run.arguments, run.budget) == ("random", (0,), {}, None)
    assert table.limits.accuracy_limit == AccuracyLimit(
        max_drop=0.01, time_s=(86_400.0,), draws=(5, 10, 20)
    )
    assert table.limits.cost_limits == {}


@pytest.mark.parametrize("key", LEAST)
def test_what_has_no_default_must_be_given(key: str):
    with pytest.raises(ValidationError, match=key):
        StudyTable.model_validate({name: value for name, value in LEAST.items() if name != key})


@pytest.mark.parametrize(
    "changes",
    [
        {"question": ""},
        {"objectives": []},
        {"objectives": ["speed"]},
        {"training": "hard"},
        {"seed": 1.0},
        {"seed": "1"},
        {"run": []},
        {"run": [{"strategy": "random", "seeds": []}]},
        {"run": [{"strategy": "random", "budget": {"trials": 0}}]},
        {"run": [{"strategy": "random", "arguments": ["training"]}]},
        {"budget": {"oracle_s": 0}},
        {"budget": {"trial": 3}},
        {"limits": {"max_drop": 1.1}},
        {"limits": {"max_drop": 0.1, "latency_s": 0.0}},
        {"data": {"name": "digits", "validation_fraction": 1.0}},
        {"model": {"name": "resnet8", "shape": [3, 32, 32]}},
        {"unknown": 1},
    ],
)
def test_values_out_of_range_and_unknown_keys_are_refused(changes: dict[str, Any]):
    with pytest.raises(ValidationError):
        StudyTable.model_validate({**LEAST, **changes})


def test_a_label_comes_before_the_name_of_the_strategy():
    assert RunTable(strategy="optuna", label="tpe").name == "tpe"
    assert RunTable(strategy="optuna").name == "optuna"


def test_cost_limits_are_those_that_are_set():
    limits = LimitsTable(max_drop=0.0, energy_j=2.0, interval_s=0.5)
    assert limits.cost_limits == {"energy_j": 2.0, "interval_s": 0.5}


@pytest.mark.parametrize(
    ("given", "kept", "written"),
    [(60, (60.0,), 60.0), ([60.0], (60.0,), 60.0), ([1, 60], (1.0, 60.0), [1.0, 60.0])],
)
def test_a_single_time_is_written_as_a_number_again(given: Any, kept: tuple, written: Any):
    """So that records of studies with one time say what they always said."""
    limits = LimitsTable.model_validate({"max_drop": 0.1, "time_s": given})
    assert limits.time_s == kept
    assert limits.model_dump(mode="json")["time_s"] == written


def test_a_table_is_a_value():
    table = StudyTable.model_validate(LEAST)
    assert table == StudyTable.model_validate(table.model_dump())
    with pytest.raises(ValidationError):
        table.seed = 3
