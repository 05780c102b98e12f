"""The calibration of the in-memory-computing cluster."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_systems import check_what_the_file_holds

from lionheart_opt.cost_models.calibration import imc_cluster as calibration
from lionheart_opt.cost_models.validation import imc_cluster as paper
from lionheart_opt.plugins import load_system


def test_the_file_holds_what_the_calibration_finds() -> None:
    check_what_the_file_holds("imc-cluster", *calibration.fitted(load_system("imc-cluster")))


@pytest.mark.slow
def test_where_it_starts_does_not_matter() -> None:
    """Values that are far off are replaced by those of the file, up to what the fit leaves open."""
    system = load_system("imc-cluster")
    start = {name: 3 * system.constant(name) for name in calibration.NAMES}
    (values, intervals), _ = calibration.fitted(system.with_constants(start))
    for name, value in values.items():
        half_width = np.log(intervals[name].high / intervals[name].low) / 2
        assert abs(np.log(value / system.constant(name))) < 0.5 * half_width, name


def test_energies_follow_the_rows_and_gains_the_ratios() -> None:
    system = load_system("imc-cluster")
    assert np.abs(calibration.row_residuals(system)).max() < 0.025
    errors = calibration.software_residuals(system)
    assert len(errors) == 7 and np.abs(errors).max() < 0.17
    assert len(calibration.row_residuals(system)) == sum(
        row.energy_j is not None for row in paper.rows()
    )


def test_energies_of_macs_and_rates_depend_on_each_other() -> None:
    """Power is fitted: where the rate is higher, the energy of a MAC is lower."""
    uncertainty = load_system("imc-cluster").uncertainty
    assert uncertainty is not None
    place = uncertainty.constants.index
    rate, energy = (
        place("targets.cores.depthwise_macs_per_cycle"),
        place("targets.cores.depthwise_mac_energy_j"),
    )
    assert uncertainty.correlations[rate][energy] < -0.5
