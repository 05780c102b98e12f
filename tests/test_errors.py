"""The error of bad input: one line that names the nearest and all allowed names."""

import pytest

from lionheart_opt.errors import InputError, unknown


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
