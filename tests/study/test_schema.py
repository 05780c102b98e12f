"""What a study file may say: defaults, ranges and types, key by key."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lionheart_opt.errors import InputError
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.study.file import StudyFile
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


STUDY = """
question = "Which limits can be decided?"
system = "lionheart"
model.name = "digits_cnn"
run = [{ strategy = "random" }]
[limits]
max_drop = 0.01
"""


def load(folder: Path, limits: str) -> AccuracyLimit:
    """The accuracy limit of a study file with these lines in `[limits]`."""
    (folder / "study.toml").write_text(STUDY + limits)
    return StudyFile.load(folder).table.limits.accuracy_limit


def test_a_study_may_ask_for_several_times_and_a_quantile(tmp_path: Path) -> None:
    assert load(tmp_path, "time_s = 60").times_s == (60.0,)
    limit = load(tmp_path, "time_s = [1, 60.0]\nquantile = 0.9\ndraws = [10, 40]")
    assert (limit.times_s, limit.quantile) == ((1.0, 60.0), 0.9)
    assert load(tmp_path, "").quantile is None


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ("quantile = 0.9", "study.toml: limits: .* 0.9 with 95 % .* with 20: .* at least 29$"),
        ("time_s = []", "study.toml: limits: time_s"),
        ('time_s = "day"', "study.toml: limits.time_s.*'day'"),
        ("time_s = [60, -1]", "study.toml: limits.time_s.*-1"),
        ("draws = [10, 5]", r"study.toml: limits: draws: got \[10, 5\]"),
        ("latency_s = inf", "study.toml: limits.latency_s: got inf; must be a finite number"),
        ("energy_j = nan", "study.toml: limits.energy_j: got nan; must be a finite number"),
        ("interval_s = 0.0", "study.toml: limits.interval_s: got 0.0; must be greater than 0"),
        ("quantile = 90", "study.toml: limits: quantile: got 90; must be between 0 and 1"),
    ],
)
def test_limits_are_checked_when_the_study_is_read(
    tmp_path: Path, limits: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load(tmp_path, limits)


def test_every_time_of_the_limit_must_be_measured(tmp_path: Path) -> None:
    load(tmp_path, "time_s = [1, 60]")
    context = StudyFile.load(tmp_path).context
    context.check_times((1.0, 60.0, 3600.0))
    with pytest.raises(InputError, match=r"time_s: got 60; must be .* times_s: 1, 3600$"):
        context.check_times((1.0, 3600.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("path", "table"),
    [
        ("limits.max_drop", {"limits": {"max_drop": None}}),
        ("limits.time_s.1", {"limits": {"max_drop": 0.1, "time_s": [1.0, None]}}),
        ("budget.oracle_s", {"budget": {"oracle_s": None}}),
        ("oracle.hat.learning_rate", {"oracle": {"hat": {"learning_rate": None}}}),
        ("run.0.arguments.x", {"run": [{"strategy": "random", "arguments": {"x": None}}]}),
        ("model.arguments.x", {"model": {"name": "mlp", "arguments": {"x": None}}}),
        ("data.arguments.x.0", {"data": {"name": "digits", "arguments": {"x": [None]}}}),
    ],
)
def test_numbers_are_finite(path: str, table: dict[str, Any], value: float):
    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [filled(inner) for inner in part]
        return value if part is None else part

    with pytest.raises(ValidationError, match=f"{path}: got {value}; must be a finite number"):
        StudyTable.model_validate({**LEAST, **filled(table)})


TEXT = """
question = "Which?"
system = "lionheart"
model = {name = "digits_cnn"}
limits = {max_drop = 0.01}
run = [{strategy = "random"}]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('{strategy = "random"}', '{strategy = "random", seeds = [-1]}', "run.0.seeds.0: got -1"),
        ('{strategy = "random"}', '{strategy = "random", seeds = [true]}', "seeds.0: got True"),
        (
            '{strategy = "random"}',
            '{strategy = "random", seeds = [1180591620717411303424]}',
            "64 bits",
        ),
        ('{strategy = "random"}', '{strategy = "random", seeds = 0}', "run.0.seeds: got 0"),
        ('{strategy = "random"}', '{strategy = "random", label = ""}', "run.0.label: got ''"),
        ('{strategy = "random"}', '{strategy = "random", label = "a\\nb"}', "control characters"),
        ('[{strategy = "random"}]', '{strategy = "random"}', "run: got {'strategy': 'random'}"),
        ('[{strategy = "random"}]', '[["random"]]', "run.0: got ['random']"),
        ('[{strategy = "random"}]', "1979-05-27", "run: got the date or time 1979-05-27"),
        ('{name = "digits_cnn"}', '["digits_cnn"]', "model: got ['digits_cnn']"),
        ('{name = "digits_cnn"}', "07:32:00", "model: got the date or time 07:32:00"),
        ('"digits_cnn"', '"digits_cnn", input_shape = [-1]', "model.input_shape.0: got -1"),
        ('"digits_cnn"', '"digits_cnn", input_shape = []', "model.input_shape: got []"),
        ('"lionheart"', "[]", "system: got []"),
        ('"lionheart"', "1979-05-27T07:32:00Z", "system: got the date or time"),
        ("0.01}", "0.01, draws = [true, 5]}", "limits.draws.0: got True"),
        (
            "0.01}",
            "0.01, draws = [5, 9223372036854775807]}",
            "limits.draws.1: got 9223372036854775807",
        ),
        ("0.01", "true", "limits.max_drop: got True"),
        ('"Which?"', '"' + "x" * 1_000_000 + '"', "question: a text of 1,000,000 characters"),
        ('"Which?"', "[" * 40 + "]" * 40, "question: got [[[["),
        ('question = "Which?"', 'question = "Which?"\nseed = -1', "seed: got -1"),
    ],
)
def test_what_does_not_belong_there_is_one_short_line(tmp_path: Path, old, new, said):
    assert old in TEXT
    (tmp_path / "study.toml").write_text(TEXT.replace(old, new))
    with pytest.raises(InputError) as error:
        StudyFile.load(tmp_path)
    assert said in str(error.value) and "study.toml: " in str(error.value)
    assert len(str(error.value)) <= 300 and str(error.value).isprintable()
