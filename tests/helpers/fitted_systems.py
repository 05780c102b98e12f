"""Whether the file of a shipped system holds what its calibration finds."""

from __future__ import annotations

import numpy as np
import pytest

from lionheart_opt.cost_models.calibration.shipped import Constants
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.plugins import load_system


def check_what_the_file_holds(name: str, constants: Constants, uncertainty: Uncertainty) -> None:
    """Values, intervals, factors and correlations."""
    system = load_system(name)
    values, intervals = constants
    for constant, value in values.items():
        held = system.intervals[constant]
        assert system.constant(constant) == pytest.approx(value, rel=1e-3), constant
        for end in ("low", "high"):
            assert getattr(held, end) == pytest.approx(getattr(intervals[constant], end), rel=2e-3)
    assert system.uncertainty is not None
    for factor in ("latency_factor", "energy_factor"):
        expected = getattr(uncertainty, factor)
        assert getattr(system.uncertainty, factor) == pytest.approx(expected, rel=2e-3)
    assert system.uncertainty.constants == uncertainty.constants
    shape = (len(uncertainty.constants),) * 2
    held_together, found = (
        np.array(each.correlations).reshape(shape) for each in (system.uncertainty, uncertainty)
    )
    assert held_together == pytest.approx(found, abs=2e-3)
    assert system.uncertainty.source == uncertainty.source
