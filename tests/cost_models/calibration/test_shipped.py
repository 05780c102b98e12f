"""What fits write into the files of shipped systems."""

import numpy as np
import pytest

from lionheart_opt.cost_models.calibration.shipped import settled, write
from lionheart_opt.fitting.least_squares import Fitted, fit
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System


def fitted(log: float) -> Fitted:
    """One constant, known to 0.1."""
    return fit(
        lambda logs: logs - log, np.zeros(1), precision=np.zeros((1, 1)), known_sd=np.array([0.1])
    )


def test_a_small_shift_keeps_the_value() -> None:
    values, intervals = settled(["rate"], np.zeros(1), fitted(0.005))
    assert values == {"rate": 1.0}
    assert np.log([intervals["rate"].low, intervals["rate"].high]) == pytest.approx(
        [-0.196, 0.196], abs=1e-3
    )
    values, intervals = settled(["rate"], np.zeros(1), fitted(0.05))
    assert values["rate"] == pytest.approx(np.exp(0.05))
    assert np.log(intervals["rate"].high) == pytest.approx(0.05 + 0.196, abs=1e-3)


def test_what_is_printed_is_a_system(capsys: pytest.CaptureFixture[str]) -> None:
    before = load_system("lionheart")
    constants = settled(["convert_cycles"], np.zeros(1), fitted(0.5))
    uncertainty = Uncertainty(source="made up", latency_factor=1.5)
    write("lionheart", {"software": constants}, uncertainty, is_written=False)
    system = System.from_toml(capsys.readouterr().out, "lionheart", "printed")
    assert system.constant("software.convert_cycles") == pytest.approx(np.exp(0.5), rel=1e-3)
    assert system.uncertainty == uncertainty
    assert load_system("lionheart") == before
