"""The calibration of the HERMES project chip."""

from __future__ import annotations

import pytest

from lionheart_opt.cost_models.calibration import fabric as calibration
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system


def test_the_file_holds_what_the_calibration_finds() -> None:
    system = load_system("hermes-64")
    fitted = calibration.fit(system)
    parameters = system.target("cores").parameters
    assert fitted == {
        name: pytest.approx(parameters[name], rel=1e-3) for name in ("hop_s", "beside_w")
    }
    other = variant(system, "cores", hop_s=1e-9, beside_w=1.0)  # where it starts does not matter
    assert calibration.fit(other) == pytest.approx(fitted)


def test_it_prints_what_the_file_holds(capsys: pytest.CaptureFixture[str]) -> None:
    calibration.main()
    assert capsys.readouterr().out == "[targets.cores]\nhop_s = 5.475e-08\nbeside_w = 0.09536\n"
