"""The error of bad input: one line that names the nearest and all allowed names."""

import pickle
import tomllib

import pytest

from lionheart_opt.errors import (
    CannotBeAnalog,
    Collected,
    InputError,
    InputErrors,
    digital_line,
    unknown,
)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("unit", "fc9", ["fc2", "conv1", "fc1"]),
            "unknown unit 'fc9' (did you mean 'fc2' or 'fc1'?); allowed: conv1, fc1, fc2",
        ),
        (("unit", "xyz", ["fc2", "fc1"]), "unknown unit 'xyz'; allowed: fc1, fc2"),
        (("unit", "fc1", []), "unknown unit 'fc1'; allowed: none"),
        (
            ("key", "max_drp", {"max_drop": 1}, "study.toml: [limits]"),
            "study.toml: [limits]: unknown key 'max_drp' (did you mean 'max_drop'?); "
            "allowed: max_drop",
        ),
    ],
)
def test_unknown_names_come_with_the_nearest_and_all_allowed_ones(arguments, message):
    error = unknown(*arguments)
    assert isinstance(error, InputError) and str(error) == message


def test_at_most_three_near_names_are_proposed():
    message = str(unknown("unit", "fc", [f"fc{number}" for number in range(9)]))
    assert message.count("'fc") == 1 + 3


def test_bad_input_is_a_value_error():
    assert issubclass(InputError, ValueError)


def test_errors_are_collected_and_raised_together():
    wrong = Collected()
    wrong.refuse()  # nothing to refuse
    with wrong.collect():
        raise InputError("one")
    with pytest.raises(InputError, match=r"^one$"):
        wrong.refuse()
    with wrong.collect():
        raise InputErrors([InputError("two"), InputError("three")])
    with wrong.collect():
        pass
    with pytest.raises(InputErrors) as error:
        wrong.refuse()
    assert str(error.value) == "one\ntwo\nthree" and len(error.value.errors) == 3


def test_other_errors_are_not_collected():
    with pytest.raises(KeyError), Collected().collect():
        raise KeyError


def test_units_that_cannot_be_analog_come_with_a_line_to_paste():
    error = CannotBeAnalog(["head", "x.weight[0:8]"], "they are odd", "study.toml")
    assert str(error) == (
        "study.toml: units 'head', 'x.weight[0:8]' cannot be analog: they are odd; to keep them on "
        'the host: digital = ["head", "x.weight[0:8]"]'
    )
    assert "unit 'a' cannot be analog: odd; to keep it on" in str(CannotBeAnalog(["a"], "odd"))
    names = ['"quoted"', "back\\slash", "für"]
    assert tomllib.loads(digital_line(names)) == {"digital": names}


@pytest.mark.parametrize(
    "error", [CannotBeAnalog(["a"], "odd", "here"), InputErrors([InputError("x"), InputError("y")])]
)
def test_errors_travel_between_processes(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)
    assert getattr(again, "units", ()) == getattr(error, "units", ())
    assert [*map(str, getattr(again, "errors", ()))] == [*map(str, getattr(error, "errors", ()))]
