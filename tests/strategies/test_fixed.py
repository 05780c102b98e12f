"""Fixed mappings, by name and unit by unit."""

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.fixed import Fixed, named
from lionheart_opt.testing import drive, tiny_problem


def test_fixed_mappings() -> None:
    problem = tiny_problem()

    def mapping(given: str | dict[str, str]) -> dict[str, str]:
        [evaluation] = drive(Fixed(given), problem)
        return evaluation.mapping.to_json()

    units = [unit.name for unit in problem.units]
    assert mapping("all-digital") == dict.fromkeys(units, "cpu")
    assert mapping("all-analog") == dict.fromkeys(units, "tile")
    ends = {units[0]: "cpu", units[-1]: "cpu"}
    assert mapping("first-last-digital") == {**dict.fromkeys(units, "tile"), **ends}
    assert mapping({units[2]: "tile"}) == {**dict.fromkeys(units, "cpu"), units[2]: "tile"}


def test_fixed_refuses_what_does_not_exist() -> None:
    with pytest.raises(
        InputError, match=r"unknown mapping 'all-analogue' \(did you mean 'all-analog'"
    ):
        Fixed("all-analogue")
    with pytest.raises(InputError, match="unknown mapping 'all-analogue'"):
        named(tiny_problem(), "all-analogue")
    with pytest.raises(InputError, match="unknown unit 'fc9'"):
        drive(Fixed({"fc9": "tile"}), tiny_problem())
    with pytest.raises(InputError, match="unknown target 'tiles'"):
        drive(Fixed({"fc0": "tiles"}), tiny_problem())
