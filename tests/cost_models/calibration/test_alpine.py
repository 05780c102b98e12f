"""The calibration of ALPINE's software."""

from dataclasses import fields

import numpy as np
import pytest

from lionheart_opt.cost_models.calibration import alpine as calibration
from lionheart_opt.cost_models.parts.alpine_parameters import Calibration


def test_what_was_fitted_is_met_within_the_aim() -> None:
    errors = np.abs(np.expm1(calibration.residuals(Calibration())))
    assert np.median(errors) <= 0.10
    assert np.max(errors) <= 0.25


@pytest.mark.slow
def test_the_shipped_calibration_is_the_fitted_one() -> None:
    fitted = calibration.fit(Calibration())
    for field in fields(Calibration):
        shipped = getattr(Calibration(), field.name)
        assert getattr(fitted, field.name) == pytest.approx(shipped, rel=0.03)
