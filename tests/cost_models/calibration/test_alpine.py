"""The calibration of ALPINE's software."""

import numpy as np
import pytest

from lionheart_opt.cost_models.calibration import alpine as calibration
from lionheart_opt.cost_models.calibration.shipped import SMALL
from lionheart_opt.plugins import load_system


def test_what_was_fitted_is_met_within_the_aim() -> None:
    residuals = calibration.residuals(calibration.shipped())
    errors = np.abs(np.expm1(np.concatenate([*residuals.values()])))
    assert len(errors) == 23
    assert np.median(errors) <= 0.10
    assert np.max(errors) <= 0.25


@pytest.mark.parametrize("name", ["alpine-low-power", "lionheart"])
def test_all_systems_run_the_same_software(name: str) -> None:
    first, other = load_system("alpine-high-power"), load_system(name)
    assert other.software == first.software and other.uncertainty == first.uncertainty


@pytest.mark.slow
def test_the_shipped_calibration_is_the_fitted_one() -> None:
    """Values, intervals and correlations; most gains lie where fits without their case expect them."""
    system, shipped = load_system("alpine-high-power"), calibration.shipped()
    result = calibration.fitted(shipped)
    for name, log, width in zip(calibration.NAMES, result.logs, result.half_widths, strict=True):
        value, interval = getattr(shipped, name), system.intervals[f"software.{name}"]
        assert abs(log - np.log(value)) < SMALL * width
        assert np.log(interval.high / interval.low) == pytest.approx(2 * width, rel=0.03)
    assert system.uncertainty is not None and system.uncertainty.latency_factor is not None
    assert np.array(system.uncertainty.correlations) == pytest.approx(result.correlations, abs=0.03)
    scatter = np.log(system.uncertainty.latency_factor) * np.sqrt(2) / result.quantile
    assert scatter == pytest.approx(result.scatter, rel=0.03)
    inside, total = calibration.coverage(result)
    assert total == 22 and inside >= 20
