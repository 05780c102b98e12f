"""The calibration of AnalogNAS's fabric."""

from __future__ import annotations

import pytest
from fitted_systems import check_what_the_file_holds

from lionheart_opt.cost_models.calibration import analog_fabric as calibration
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system

SYSTEM = load_system("analog-fabric")


def test_the_file_holds_what_the_calibration_finds() -> None:
    fitted = calibration.fit(SYSTEM)
    parameters = SYSTEM.target("cores").parameters
    assert fitted == {
        name: pytest.approx(parameters[name], rel=1e-3) for name in ("overlap", "beside_w")
    }
    other = variant(SYSTEM, "cores", overlap=0.3, beside_w=1.0)  # where it starts does not matter
    assert calibration.fit(other) == pytest.approx(fitted)
    assert abs(calibration.residuals(SYSTEM)).max() < 1e-3


def test_the_file_holds_the_intervals() -> None:
    check_what_the_file_holds("analog-fabric", *calibration.fitted(SYSTEM))
