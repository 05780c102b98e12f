"""The calibration of DIANA."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_systems import check_what_the_file_holds

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


def test_the_file_holds_the_intervals() -> None:
    check_what_the_file_holds("diana", *calibration.fitted(load_system("diana")))


def test_efficiencies_lie_within_what_the_file_leaves_open() -> None:
    system = load_system("diana")
    assert system.uncertainty is not None and system.uncertainty.energy_factor is not None
    errors = calibration.residuals(system)
    assert len(errors) == 3
    assert np.abs(errors).max() < np.log(system.uncertainty.energy_factor)
