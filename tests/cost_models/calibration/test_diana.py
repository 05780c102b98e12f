"""The calibration of DIANA."""

from __future__ import annotations

import pytest

from lionheart_opt.cost_models.calibration import diana as calibration
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system


def test_the_file_holds_what_the_calibration_finds() -> None:
    system = load_system("diana")
    assert system.machine is not None
    assert calibration.fit(system) == {
        "dram_j_per_byte": pytest.approx(system.machine.parameters["dram_j_per_byte"], rel=1e-3)
    }
    other = variant(system, "machine", dram_j_per_byte=1e-12)  # where it starts does not matter
    assert calibration.fit(other) == pytest.approx(calibration.fit(system))


def test_it_prints_what_the_file_holds(capsys: pytest.CaptureFixture[str]) -> None:
    calibration.main()
    assert capsys.readouterr().out == "[machine]\ndram_j_per_byte = 8.452e-11\n"
