"""What an oracle is built from: tables of the study file, and times that it must measure."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from lionheart_opt.errors import InputError
from lionheart_opt.oracle_context import DataTable, ModelTable, OracleContext
from lionheart_opt.synthetic import synthetic_system, synthetic_workload


def context(*times_s: float) -> OracleContext:
    return OracleContext(
        workload=synthetic_workload([4, 9]),
        system=synthetic_system(),
        model=ModelTable(name="resnet8"),
        data=None,
        digital=(),
        times_s=times_s,
        folder=Path(),
        artifacts=None,
        origin="study.toml",
    )


def test_messages_name_the_settings_of_the_oracle():
    assert context().where == "study.toml: [oracle]"


@pytest.mark.parametrize("times_s", [(), (60.0,), (1.0, 60.0)])
def test_times_that_are_measured_are_fine(times_s):
    context(*times_s).check_times((60.0, 1.0, 3600.0))


def test_a_time_that_is_not_measured_is_named_with_those_that_are():
    message = r"study\.toml: \[limits\] time_s: got 86400; must be .* times_s: 1, 3.15e\+07$"
    with pytest.raises(InputError, match=message):
        context(1.0, 86_400.0).check_times((1.0, 3.15e7))


def test_defaults_of_the_data():
    table = DataTable(name="digits")
    assert (table.validation_fraction, table.seed, table.folder) == (0.1, 0, None)


def test_a_shape_may_be_a_list_of_whole_numbers():
    table = ModelTable.model_validate({"name": "own:net", "input_shape": [1, 4, 4]})
    assert table.input_shape == (1, 4, 4)


@pytest.mark.parametrize(
    ("table", "data"),
    [
        (DataTable, {"name": "digits", "validation_fraction": 0.0}),
        (DataTable, {"name": "digits", "validation_fraction": 1.0}),
        (DataTable, {"name": "digits", "seed": "0"}),
        (DataTable, {"name": "digits", "fraction": 0.1}),
        (DataTable, {}),
        (ModelTable, {"name": 3}),
        (ModelTable, {"name": "own:net", "input_shape": [1.5]}),
        (ModelTable, {"name": "own:net", "arguments": [1]}),
    ],
)
def test_tables_take_known_keys_of_the_right_type_only(table, data):
    with pytest.raises(ValidationError):
        table.model_validate(data)


def test_tables_cannot_be_changed():
    table = ModelTable(name="resnet8")
    with pytest.raises(ValidationError, match="frozen"):
        table.name = "resnet20"
