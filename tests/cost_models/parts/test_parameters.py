"""Parameters of a block of a system file: finite numbers of the right type, known keys."""

from __future__ import annotations

from math import inf, nan

import pytest
from pydantic import Field

from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.errors import InputError
from lionheart_opt.system import Machine


class TestParameters:
    class Clock(Parameters):
        clock_hz: float = Field(gt=0)
        bits: int = 8

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"clock_hz": inf}, "clock_hz: got inf; must be a finite number"),
            ({"clock_hz": nan}, "clock_hz: got nan; must be"),
            ({"clock_hz": "1e9"}, "clock_hz: got '1e9'; must be a valid number"),
            ({"clock_hz": 0.0}, "clock_hz: got 0.0; must be greater than 0"),
            ({"clock_hz": 1e-320}, r"clock_hz: got 1e-320; must be 0, or between 1e-60 and 1e\+60"),
            ({"clock_hz": 1e308}, r"clock_hz: got 1e\+308; must be 0, or between"),
            ({"clock_hz": 1e9, "bits": 10**400}, "bits: got 10.*; must be 0, or between"),
            ({"clock_hz": 1e9, "bits": 8.0}, "bits: got 8.0; must be a valid integer"),
            ({"clock_hz": 1e9, "bits": True}, "bits: got True; must be a valid integer"),
            ({"clock_hz": 1e9, "bit": 8}, r"unknown key 'bit' \(did you mean 'bits'\?\)"),
            ({"bits": 8}, "key 'clock_hz' is missing"),
        ],
    )
    def test_what_is_refused(self, given: dict[str, float | str], message: str) -> None:
        block = Machine.model_construct(source="made up", parameters=given)
        with pytest.raises(InputError, match=f"^here: {message}"):
            block.parse(self.Clock, "here")

    def test_whole_numbers_are_numbers(self) -> None:
        block = Machine(source="made up", parameters={"clock_hz": 3})
        assert block.parse(self.Clock, "here") == self.Clock(clock_hz=3.0)
