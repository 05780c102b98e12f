"""What fits write into the files of shipped systems."""

from math import exp, log

import numpy as np
import pytest

from lionheart_opt.cost_models.calibration.shipped import (
    Scatter,
    covariance_of,
    logs_of,
    refit,
    settled,
    together,
    with_logs,
    write,
)
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System

RATE, CYCLES = "software.linear_efficiency", "software.convert_cycles"


@pytest.fixture(scope="module")
def system() -> System:
    return load_system("lionheart")


def test_a_small_shift_keeps_the_value(system: System) -> None:
    start, width = logs_of(system, [RATE]), np.array([0.2])
    values, intervals = settled(system, [RATE], start + 0.09, width)
    assert values == {RATE: system.constant(RATE)}
    assert np.log([intervals[RATE].low, intervals[RATE].high]) - start == pytest.approx([-0.2, 0.2])
    values, intervals = settled(system, [RATE], start + 0.11, width)
    assert values[RATE] == pytest.approx(system.constant(RATE) * exp(0.11), rel=1e-3)
    assert log(intervals[RATE].high / values[RATE]) == pytest.approx(0.2)


def test_constants_keep_their_sources() -> None:
    system, name = load_system("hermes-64"), "targets.cores.hop_s"
    _, intervals = settled(system, [name], logs_of(system, [name]), np.array([0.2]))
    assert intervals[name].source == system.intervals[name].source
    assert intervals[name].source


def test_what_is_printed_is_a_system(system: System, capsys: pytest.CaptureFixture[str]) -> None:
    logs = logs_of(system, [CYCLES]) + 0.5
    constants = settled(system, [CYCLES], logs, np.array([0.2]))
    uncertainty = Uncertainty(source="made up", latency_factor=1.5, **together([CYCLES], np.eye(1)))
    write("lionheart", constants, uncertainty, is_written=False)
    printed = System.from_toml(capsys.readouterr().out, "lionheart", "printed")
    assert printed.constant(CYCLES) == pytest.approx(exp(logs[0]), rel=1e-3)
    assert printed.uncertainty == uncertainty
    assert load_system("lionheart") == system


def test_a_script_fits_the_shipped_system(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["calibration"])
    table = Uncertainty(source="made up", latency_factor=1.5)
    refit("diana", lambda system: (settled(system, [], np.empty(0), np.empty(0)), table))
    printed = System.from_toml(capsys.readouterr().out, "diana", "printed")
    assert printed.uncertainty == table and printed.digest == load_system("diana").digest


def test_correlations_are_those_of_any_covariance() -> None:
    covariance = np.array([[4.0, 3.0], [3.0, 9.0]])
    assert together(["a", "b"], covariance)["correlations"] == ((1.0, 0.5), (0.5, 1.0))


@pytest.mark.parametrize("name", ["imc-cluster", "manycore", "diana", "hermes-64", "lionheart"])
def test_constants_that_stay_keep_all_digits(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Records are tied to the numbers of a system, so that writing its intervals must not round them."""
    system = load_system(name)
    names = list(system.intervals)
    constants = settled(system, names, logs_of(system, names), np.full(len(names), 0.2))
    write(name, constants, Uncertainty(source="made up"), is_written=False)
    assert System.from_toml(capsys.readouterr().out, name, "printed").digest == system.digest


def test_scatter_follows_students_distribution() -> None:
    scatter = Scatter.of(np.array([0.1, -0.1, 0.0]), n_constants=1)
    assert scatter.sd == pytest.approx(0.1)
    assert scatter.factor == pytest.approx(exp(4.303 * 0.1), rel=1e-3)  # t of 2 degrees of freedom
    assert str(scatter) == "10.0% with 2 degrees of freedom"


def test_results_narrow_what_is_known_of_constants(system: System) -> None:
    """The product of two constants is measured: each is known hardly better, but both together are."""
    names = [RATE, CYCLES]
    start = logs_of(system, names)

    def errors(changed: System) -> np.ndarray:
        return np.array([(logs_of(changed, names) - start).sum()])

    covariance = covariance_of(errors, system, names, np.array([0.1]), np.eye(2))
    direction = np.ones(2)
    assert direction @ covariance @ direction == pytest.approx(1 / (1 / 2 + 1 / 0.1**2))
    assert np.diag(covariance) == pytest.approx(0.5, abs=0.01)
    moved = with_logs(system, names, start + np.array([0.0, 0.3]))
    assert logs_of(moved, names) - start == pytest.approx([0.0, 0.3])
