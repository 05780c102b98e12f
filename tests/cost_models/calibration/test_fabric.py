"""The calibration of the HERMES project chip."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_systems import check_what_the_file_holds

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


def test_the_file_holds_the_intervals() -> None:
    check_what_the_file_holds("hermes-64", *calibration.fitted(load_system("hermes-64")))


def test_points_that_do_not_decide_the_values_lie_within_the_intervals() -> None:
    system = load_system("hermes-64")
    assert system.uncertainty is not None
    factors = system.uncertainty.latency_factor, system.uncertainty.energy_factor
    for errors, factor in zip(calibration.residuals(system), factors, strict=True):
        assert len(errors) == 4
        assert factor is not None
        assert 0.03 < np.abs(errors).max() < np.log(factor)
