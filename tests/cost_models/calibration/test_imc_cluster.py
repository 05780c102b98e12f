"""The calibration of the in-memory-computing cluster."""

from __future__ import annotations

import pytest

from lionheart_opt.cost_models.calibration import imc_cluster as calibration
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System


@pytest.fixture(scope="module")
def system() -> System:
    return load_system("imc-cluster")


class TestFit:
    def test_the_file_holds_what_the_calibration_finds(self, system: System) -> None:
        fit = calibration.fit(system)
        assert {target: len(fitted) for target, fitted in fit.items()} == {
            "cores": 6,
            "ima": 4,
            "dw-engine": 1,
        }
        for target, fitted in fit.items():
            held = system.target(target).parameters
            for name, value in fitted.items():
                assert held[name] == pytest.approx(value, rel=1e-3), (target, name)
