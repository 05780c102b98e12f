"""The calibration of the many-core."""

from __future__ import annotations

import numpy as np
import pytest
from fitted_systems import check_what_the_file_holds

from lionheart_opt.cost_models.calibration import manycore as calibration
from lionheart_opt.cost_models.validation import manycore as paper
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System
from lionheart_opt.workload import Workload


@pytest.fixture(scope="module")
def system() -> System:
    return load_system("manycore")


@pytest.fixture(scope="module")
def workload() -> Workload:
    return paper.resnet18()


class TestFit:
    def test_the_file_holds_what_the_calibration_finds(
        self, system: System, workload: Workload
    ) -> None:
        assert system.machine is not None
        fit = calibration.fit(system, workload)
        assert fit.keys() == {"hbm_bytes_per_cycle", "energy_scale"}
        for name, value in fit.items():
            assert system.machine.parameters[name] == pytest.approx(value, rel=1e-3), name


def test_the_file_holds_the_intervals(system: System, workload: Workload) -> None:
    check_what_the_file_holds("manycore", *calibration.fitted(system, workload))


def test_model_error_is_that_of_the_published_rate_and_gains(
    system: System, workload: Workload
) -> None:
    """The largest, 10 %, lies within the factor that no constant explains."""
    errors = calibration.residuals(system, workload)
    assert np.abs(errors).max() == pytest.approx(np.log(1.1), abs=0.01)
    assert system.uncertainty is not None and system.uncertainty.latency_factor is not None
    assert np.abs(errors).max() < np.log(system.uncertainty.latency_factor)


def test_cores_and_crossbars_are_those_of_the_cluster(system: System) -> None:
    """Twice the rates; the same energies; intervals of the same width."""
    cluster = load_system("imc-cluster")
    for name in calibration.CLUSTER:
        factor = 2.0 if name.endswith("_per_cycle") else 1.0
        assert system.constant(name) == pytest.approx(factor * cluster.constant(name), rel=1e-4)
        ours, theirs = system.intervals[name], cluster.intervals[name]
        assert ours.high / ours.low == pytest.approx(theirs.high / theirs.low, rel=2e-3)


def test_what_moves_data_and_leaks_is_less_sure_than_the_sum(system: System) -> None:
    """15 mJ are known, but not how much of them others take: the errors go against each other."""
    assert system.uncertainty is not None
    scale, memory, leakage = (
        system.uncertainty.constants.index(f"machine.{name}")
        for name in ("energy_scale", "hbm_w", "cluster_leakage_w")
    )
    correlations = system.uncertainty.correlations[scale]
    assert correlations[memory] < -0.3 and correlations[leakage] < -0.3
