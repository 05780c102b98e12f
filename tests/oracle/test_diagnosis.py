"""What limits a matrix: against numbers that aihwkit gives by hand, and where errors come from."""

from __future__ import annotations

from collections.abc import Callable
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from aihwkit.simulator.parameters.enums import BoundManagementType
from oracle_setup import NAMES, SETTINGS, candidate, ideal, quiet, small_network, small_oracle
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.diagnosis import Diagnoses, MatrixDiagnosis
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.aihwkit_engine import AihwkitMatrix
from lionheart_opt.oracle.compensation import Calibrator, Compensation
from lionheart_opt.oracle.diagnosis import diagnose_matrices
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import Conditions
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.seeds import derive, seeded
from lionheart_opt.oracle.settings import Calibration

DAY = 86_400.0
CPU = torch.device("cpu")


def images(n: int) -> Examples:
    generator = torch.Generator().manual_seed(0)
    return Examples(
        inputs=torch.randn(n, 1, 8, 8, generator=generator),
        targets=torch.zeros(n, dtype=torch.long),
    )


def small_net(*layers: nn.Module) -> nn.Sequential:
    with seeded(0, CPU):
        for layer in layers:
            if hasattr(layer, "reset_parameters"):
                layer.reset_parameters()
    return nn.Sequential(nn.Flatten(), *layers)


def diagnosed(
    network: nn.Module,
    paths: tuple[str, ...],
    config: Callable[[str], Any],
    n_examples: int = 40,
    n_draws: int = 2,
    batch_size: int = 40,
) -> tuple[MatrixDiagnosis, ...]:
    conditions = Conditions(times_s=(DAY,), draws=range(n_draws), seed=5, batch_size=batch_size)
    units = {path: f"unit {path}" for path in paths}
    matrices, _ = diagnose_matrices(
        network.eval(),
        units,
        {path: config(path) for path in paths},
        images(n_examples),
        conditions,
        dict.fromkeys(paths, 1),
    )
    return matrices


def test_ratios_are_those_of_products_by_hand() -> None:
    """Programming noise, drawn by aihwkit's class itself, and the variance of ideal outputs."""
    network, config = small_net(nn.Linear(64, 6)), lionheart()
    [matrix] = diagnosed(network, ("1",), lambda _: config)
    weight = network[1].weight.detach()
    scale = weight.abs().amax(1, keepdim=True)
    x = images(40).inputs.flatten(1)
    ideal_outputs = (x @ weight.T).double()
    signal = float(ideal_outputs.var(0, unbiased=False).mean())
    ratios = []
    for draw in range(2):
        with seeded(derive(5, "program", "1", draw), CPU):
            noisy, _ = config.noise_model.apply_programming_noise(weight / scale)
        error = float((x @ (noisy * scale).T - ideal_outputs).square().mean())
        ratios.append(10 * log10(signal / error))
        assert matrix.errors["programming"][draw] == pytest.approx(error, rel=1e-3)
    assert matrix.snr_deviation("programming") == pytest.approx(np.std(ratios, ddof=1), rel=1e-2)
    assert matrix.signal == pytest.approx(signal, rel=1e-4)


def test_everything_is_the_chip_that_is_measured() -> None:
    """The same products as aihwkit's tiles give with the seeds of a measurement."""
    network = small_net(nn.Linear(64, 6))
    [matrix] = diagnosed(network, ("1",), lambda _: lionheart())
    tile = AihwkitMatrix(network[1].weight.detach(), None, lionheart()).eval()
    x = images(40).inputs.flatten(1)
    for draw in range(2):
        tile.program(derive(5, "program", "1", draw))
        tile.drift(DAY, derive(5, "drift", "1", draw, DAY))
        tile.rewind(0, 40)
        with torch.no_grad():
            error = tile(x, None, None) - x @ network[1].weight.T
        assert matrix.errors["all"][draw] == pytest.approx(float(error.square().mean()), rel=1e-3)


def test_errors_of_earlier_layers_do_not_count() -> None:
    network = small_net(nn.Linear(64, 20), nn.ReLU(), nn.Linear(20, 4))
    first, last = diagnosed(
        network, ("1", "3"), lambda path: lionheart() if path == "1" else ideal()
    )
    assert first.snr_db("all") < 30 and last.snr_db("all") > 100
    assert last.errors.keys() == {"devices", "all"}


def test_convolutions_are_compared_at_every_position(tmp_path: Path) -> None:
    """With the bias, stride and padding of the network, whose batches do not matter."""
    network = small_network()
    whole = diagnosed(network, NAMES, lambda _: quiet(), batch_size=40)
    parts = diagnosed(network, NAMES, lambda _: quiet(), batch_size=10)
    assert [matrix.matrix for matrix in whole] == list(NAMES)
    for a, b in zip(whole, parts, strict=True):
        assert 5 < a.snr_db("all") < 40
        assert a.snr_db("all") == pytest.approx(b.snr_db("all"), abs=1e-3)


def narrow(bound_management: BoundManagementType) -> Any:
    """Outputs beyond 0.5 are out of the ADC's range; no noise."""
    config = ideal()
    config.forward.is_perfect = False
    config.forward.out_noise = 0.0
    config.forward.out_bound = 0.5
    config.forward.bound_management = bound_management
    return config


def test_outputs_beyond_the_range_are_counted() -> None:
    network = small_net(nn.Linear(64, 6))
    [clips] = diagnosed(network, ("1",), lambda _: narrow(BoundManagementType.NONE), n_draws=1)
    weight = network[1].weight.detach()
    x = images(40).inputs.flatten(1)
    x = x / x.abs().amax(1, keepdim=True)
    exact = x @ (weight / weight.abs().amax(1, keepdim=True)).T
    share = float((exact.abs() > 0.5).float().mean())
    assert share > 0.3
    assert clips.out_of_range == clips.saturated == pytest.approx(share, abs=0.03)
    assert clips.retries == 0 and clips.limited_by == "converters"
    [retries] = diagnosed(
        network, ("1",), lambda _: narrow(BoundManagementType.ITERATIVE), n_draws=1
    )
    doublings = np.ceil(np.log2(float(exact.abs().max()) / 0.5))
    assert retries.retries == doublings and retries.saturated == 0
    assert retries.out_of_range == clips.out_of_range
    assert retries.snr_db("converters") > clips.snr_db("converters") + 10


def test_drift_read_outs_are_no_products() -> None:
    """Out of range in 0.06 of noise never; compensations read the tile, which is not counted."""
    config = narrow(BoundManagementType.NONE)
    config.forward.out_bound = 12.0
    [matrix] = diagnosed(small_net(nn.Linear(64, 6)), ("1",), lambda _: config)
    assert matrix.out_of_range == 0


@pytest.fixture
def oracle(tmp_path: Path) -> Any:
    settings = SETTINGS.model_copy(update={"pretrain": None, "validation_examples": 30})
    return small_oracle(tmp_path, settings)


def test_the_oracle_says_it_of_analog_matrices_only(oracle: Any) -> None:
    assert isinstance(oracle, Diagnoses)
    asked = candidate("conv2", "linear").with_training("none")
    how = {"time_s": DAY, "n_draws": 1, "seed": 0}
    diagnosis = oracle.diagnose(asked, n_examples=500, **how)
    assert [matrix.unit for matrix in diagnosis.matrices] == ["conv2", "linear"]
    assert (diagnosis.n_examples, diagnosis.n_draws, diagnosis.time_s) == (30, 1, DAY)
    again = oracle.diagnose(asked, n_examples=30, **how)
    assert again.to_json() == diagnosis.to_json()
    with pytest.raises(InputError, match="without analog units"):
        oracle.diagnose(candidate(), n_examples=30, **how)


def settings_with(kind: str, **calibration: Any) -> Any:
    changes = {"compensation": kind, "calibration": Calibration(examples=40, **calibration)}
    return SETTINGS.model_copy(update=changes)


def calibrated(
    network: nn.Module, paths: tuple[str, ...], settings: Any, config: Any = None
) -> tuple[MatrixDiagnosis, ...]:
    conditions = Conditions(times_s=(DAY,), draws=range(2), seed=5, batch_size=40)
    matrices, _ = diagnose_matrices(
        network.eval(),
        {path: path for path in paths},
        dict.fromkeys(paths, config or lionheart()),
        images(40),
        conditions,
        dict.fromkeys(paths, 1),
        compensation=Compensation.of(settings, images(90)[50:]),
    )
    return matrices


@pytest.mark.parametrize("calibration", [{}, {"recalibrate_every_s": 50_000.0, "reads": 2}])
def test_everything_is_the_chip_that_is_calibrated(calibration: dict[str, Any]) -> None:
    """With its seeds, moments and columns: those that a measurement fits to the tile's own inputs."""
    network = small_net(nn.Linear(64, 6))
    settings = settings_with("columns", fit_to="tile", **calibration)
    [matrix] = calibrated(network, ("1",), settings)
    analog = engine("aihwkit").analog(network, ("1",), {"1": lionheart()}).eval()
    x = images(40).inputs
    passes = Passes(analog, [("1",)], x)

    def drift(draw: int, time_s: float, what: str) -> None:
        analog.drift(time_s, {"1": derive(5, what, "1", draw, time_s)})

    compensation = Compensation.of(settings, images(90)[50:])
    assert compensation is not None
    calibrate = Calibrator(compensation, analog, passes, [("1",)], 5, drift)
    with torch.no_grad():
        for draw in range(2):
            analog.program({"1": derive(5, "program", "1", draw)})
            drift(draw, DAY, "drift")
            calibrate(draw, DAY)
            passes.begin(x, 0)
            error = passes.whole(0) - network(x)
            expected = float(error.square().mean())
            assert matrix.errors["all"][draw] == pytest.approx(expected, rel=1e-3)


def test_calibration_takes_away_wrong_gains_of_each_source() -> None:
    config = lionheart()
    config.drift_compensation = None  # all outputs shrink
    network = small_net(nn.Linear(64, 6))
    [plain] = calibrated(network, ("1",), SETTINGS, config)
    [fitted] = calibrated(network, ("1",), settings_with("columns"), config)
    assert plain.limited_by == "drift" and plain.snr_db("drift") < 12
    assert fitted.snr_db("drift") > plain.snr_db("drift") + 5
    assert fitted.snr_db("all") > plain.snr_db("all") + 3
    assert fitted.snr_db("read") == pytest.approx(plain.snr_db("read"), abs=3)
    assert fitted.signal.tolist() == plain.signal.tolist()  # the first layer has the same inputs


def test_calibrated_norms_change_what_later_layers_get() -> None:
    network = small_network()
    plain = calibrated(network, NAMES, SETTINGS)
    changed = calibrated(network, NAMES, settings_with("batch_norm"))
    assert plain[0].errors["all"].tolist() == changed[0].errors["all"].tolist()
    assert plain[1].signal.tolist() != changed[1].signal.tolist()


def test_the_oracle_diagnoses_chips_as_its_study_calibrates_them(tmp_path: Path) -> None:
    asked, how = candidate(*NAMES).with_training("none"), {"n_draws": 1, "seed": 0}
    diagnoses = {}
    for kind in ("none", "columns", "batch_norm"):
        settings = SETTINGS if kind == "none" else settings_with(kind)
        oracle = small_oracle(tmp_path, settings.model_copy(update={"pretrain": None}))
        diagnoses[kind] = oracle.diagnose(asked, n_examples=30, time_s=DAY, **how)
        assert diagnoses[kind].compensation == diagnoses[kind].to_json()["compensation"] == kind
    errors = [each.matrices[1].errors["all"].tolist() for each in diagnoses.values()]
    assert len(set(map(str, errors))) == 3
