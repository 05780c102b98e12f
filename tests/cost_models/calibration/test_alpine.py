"""The calibration of ALPINE's software."""

import numpy as np
import pytest

from lionheart_opt.cost_models.calibration import alpine as calibration
from lionheart_opt.plugins import load_system


def test_what_was_fitted_is_met_within_the_aim() -> None:
    errors = np.abs(np.expm1(calibration.residuals(calibration.shipped())))
    assert np.median(errors) <= 0.10
    assert np.max(errors) <= 0.25


@pytest.mark.parametrize("name", ["alpine-low-power", "lionheart"])
def test_all_systems_run_the_same_software(name: str) -> None:
    assert load_system(name).software == load_system("alpine-high-power").software


@pytest.mark.slow
def test_the_shipped_calibration_is_the_fitted_one() -> None:
    fitted = calibration.fit(calibration.shipped()).model_dump()
    assert fitted == pytest.approx(calibration.shipped().model_dump(), rel=0.03)
