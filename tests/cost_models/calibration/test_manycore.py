"""The calibration of the many-core."""

from __future__ import annotations

import pytest

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
