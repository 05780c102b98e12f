"""Calibrated chips in a measurement: parity, draws, schedules, reuse, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from aihwkit.inference import PCMLikeNoiseModel
from fast_setup import silent
from known_chips import KnownChips
from oracle_setup import (
    NAMES,
    ideal,
    made_up_examples,
    small_network,
    small_workload,
)
from torch import nn

from lionheart_opt.errors import InputError, InputErrors
from lionheart_opt.oracle import compensation as module
from lionheart_opt.oracle.compensation import Calibrator, Compensation, check_compensation
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.measurement import Conditions, exact_statistics, measure
from lionheart_opt.oracle.passes import Passes
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.seeds import derive
from lionheart_opt.oracle.settings import OracleSettings
from lionheart_opt.oracle.uses import unfused
from lionheart_opt.oracle_context import OracleContext
from lionheart_opt.synthetic import synthetic_problem

TRAIN, EXAMPLES = made_up_examples(300, 1), made_up_examples(60, 2)
DAY, YEAR = 86400.0, 3.15e7


def settings(kind: str = "columns", **calibration: object) -> OracleSettings:
    calibration = {"examples": 32, **calibration}
    return OracleSettings.model_validate({"compensation": kind, "calibration": calibration})


def compensation(kind: str = "columns", **calibration: object) -> Compensation | None:
    return Compensation.of(settings(kind, **calibration), TRAIN)


def trained_network() -> nn.Module:
    network = small_network().train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    torch.manual_seed(0)
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(TRAIN.inputs), TRAIN.targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


NETWORK = trained_network()


def samples(
    compensated: Compensation | None,
    mappings: Any = (NAMES,),
    times_s: tuple[float, ...] = (YEAR,),
    draws: range = range(2),
    name: str = "fast",
    seed: int = 1,
    network: nn.Module = NETWORK,
    config: Any = None,
) -> np.ndarray:
    conditions = Conditions(times_s=times_s, draws=draws, seed=seed, batch_size=30)
    simulator = engine(name) if isinstance(name, str) else name
    config = config or lionheart()
    return measure(
        simulator, network, mappings, config, EXAMPLES, conditions, compensation=compensated
    ).mean((-2, -1))


class Chip:
    """A chip with a calibrator, as `measure` has it."""

    def __init__(
        self,
        name: str = "fast",
        config: Any = None,
        compensated: Compensation | None = None,
        mappings: Any = (NAMES,),
    ) -> None:
        simulator = KnownChips() if name == "known" else engine(name)
        self.paths = [path for path in NAMES if any(path in mapping for mapping in mappings)]
        self.analog = simulator.analog(NETWORK, self.paths, config or silent(lionheart())).eval()
        self.passes = Passes(self.analog, mappings, EXAMPLES.inputs)
        self.drifts: list[float] = []
        chosen = compensated or compensation()
        assert chosen is not None
        self.calibrate = Calibrator(
            chosen, self.analog, self.passes, mappings, 1, lambda _, *state: self.drift(*state)
        )

    def drift(self, time_s: float, what: str = "drift") -> None:
        self.drifts.append(time_s)
        self.seeds = {path: derive(NAMES.index(path), what, time_s) for path in self.paths}
        self.analog.drift(time_s, self.seeds)

    @torch.no_grad()
    @unfused()
    def at(self, draw: int, time_s: float) -> Any:
        """The calibration that is in force at a time, for each mapping."""
        if self.calibrate._done is None or self.calibrate._done[0] != draw:
            self.analog.program({path: draw + NAMES.index(path) for path in self.paths})
        self.drift(time_s)
        self.calibrate(draw, time_s)
        return list(self.passes.calibrated)


# --- what it is worth -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["columns", "batch_norm"])
def test_calibration_mends_chips(kind: str) -> None:
    expected = exact_statistics(NETWORK, EXAMPLES, 30).mean()
    before = samples(None, draws=range(6), config=weak()).mean()
    after = samples(compensation(kind), draws=range(6), config=weak()).mean()
    assert expected > 0.7
    assert before < expected - 0.3
    # layers without batch norm stay as they are
    assert after > (expected - 0.1 if kind == "columns" else before + 0.15)


def weak() -> Any:
    """Without drift compensation, so that a year takes half of every output."""
    config = lionheart()
    config.drift_compensation = None
    return config


def test_known_chips_are_as_right_as_the_network() -> None:
    expected = exact_statistics(NETWORK, EXAMPLES, 30).mean()
    known: Any = KnownChips()
    exact = compensation(bits=24)
    assert samples(exact, name=known).tolist() == [[[expected], [expected]]]
    assert (samples(None, name=known) < expected).all()


@pytest.mark.parametrize("fit_to", ["network", "tile"])
@pytest.mark.parametrize("estimator", ["least_squares", "deviations"])
def test_on_ideal_tiles_it_is_nearly_the_identity(fit_to: str, estimator: str) -> None:
    chip = Chip("aihwkit", ideal(), compensation(fit_to=fit_to, estimator=estimator))
    [calibrated] = chip.at(0, DAY)
    assert list(calibrated.columns) == list(NAMES)
    for columns in calibrated.columns.values():
        torch.testing.assert_close(columns.gain, torch.ones_like(columns.gain), rtol=0, atol=1e-5)
        assert columns.offset.abs().max() < 1e-5


# --- parity ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_to", ["network", "tile"])
@pytest.mark.parametrize("reads", [1, 2])
def test_both_engines_have_the_same_calibration(fit_to: str, reads: int) -> None:
    """Equal hardware without noise of converters; gains and offsets differ by rounding only."""
    chosen = compensation(fit_to=fit_to, reads=reads, bits=24)
    of_engines = [Chip(name, compensated=chosen).at(0, DAY)[0] for name in ("fast", "aihwkit")]
    for path in NAMES:
        ours, theirs = (calibrated.columns[path] for calibrated in of_engines)
        torch.testing.assert_close(ours.gain, theirs.gain, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(ours.offset, theirs.offset, rtol=1e-3, atol=1e-3)
        assert (ours.gain - 1).abs().max() > 5e-3  # it is not that there is nothing to do


def test_both_engines_have_the_same_batch_norm() -> None:
    means = []
    for name in ("fast", "aihwkit"):
        chip = Chip(name, compensated=compensation("batch_norm"))
        chip.at(0, DAY)[0].put_on(chip.analog)
        norm = chip.analog.network.norm
        means.append(torch.cat([norm.running_mean, norm.running_var]))
    torch.testing.assert_close(*means, rtol=1e-3, atol=1e-3)
    given = torch.cat([NETWORK.norm.running_mean, NETWORK.norm.running_var])
    assert (means[0] - given).abs().max() > 5e-3


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_noise_of_calibration_is_not_that_of_evaluation(name: str) -> None:
    """The same vectors give other outputs."""
    analog = engine(name).analog(NETWORK, NAMES, lionheart()).eval()
    analog.program(dict.fromkeys(NAMES, 1))
    analog.drift(DAY, dict.fromkeys(NAMES, 2))
    outputs = []
    for first in (0, module.FIRST, module.FIRST):
        analog.rewind(first, len(EXAMPLES))
        with torch.no_grad():
            outputs.append(analog(EXAMPLES.inputs))
    assert not torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[1], outputs[2])


# --- draws, moments and examples --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["columns", "batch_norm"])
def test_draws_are_the_same_whichever_are_measured(kind: str) -> None:
    chosen = compensation(kind, estimator="deviations") if kind == "columns" else compensation(kind)
    times_s = (1.0, YEAR)
    whole = samples(chosen, (("conv2", "linear"), ("linear",)), times_s, range(4))
    assert whole.std() > 0
    np.testing.assert_array_equal(
        samples(chosen, (("conv2", "linear"), ("linear",)), times_s, range(2, 4)), whole[:, 2:]
    )
    np.testing.assert_array_equal(
        samples(chosen, (("conv2", "linear"), ("linear",)), (YEAR,), range(4)), whole[:, :, 1:]
    )
    other = samples(chosen, (("conv2", "linear"), ("linear",)), times_s, range(4), seed=2)
    assert not np.array_equal(other, whole)


def test_examples_are_training_data_and_others_for_each_chip() -> None:
    chip = Chip()
    drawn = []
    for draw in (0, 1, 0):
        chip.at(draw, DAY)
        drawn.append(chip.calibrate._inputs)
    train = {image.numpy().tobytes() for image in TRAIN.inputs}
    for images in drawn:
        numbers = {image.numpy().tobytes() for image in images}
        assert len(numbers) == 32 and numbers <= train
    assert torch.equal(drawn[0], drawn[2]) and not torch.equal(drawn[0], drawn[1])


def test_without_a_schedule_each_time_has_its_own_calibration() -> None:
    chip = Chip("known")
    gains = [chip.at(0, time_s)[0].columns["conv1"].gain for time_s in (0.0, 100.0, 5000.0)]
    assert chip.drifts == [0.0, 100.0, 5000.0]
    ratio = (gains[2] / gains[0]).mean()
    assert float(ratio) == pytest.approx(5001.0**0.05, rel=0.02)  # of the chip's drift


def test_on_a_schedule_the_last_calibration_before_is_in_force() -> None:
    chip = Chip("known", compensated=compensation(recalibrate_every_s=100.0))
    [first] = chip.at(0, 99.0)
    [again] = chip.at(0, 50.0)
    [second] = chip.at(0, 250.0)
    [third] = chip.at(0, 300.0)
    assert first is again
    assert chip.drifts == [99.0, 0.0, 99.0, 50.0, 250.0, 200.0, 250.0, 300.0]
    true = 1 / chip.analog.analog["conv1"].programmed
    for calibrated, moment_s in ((first, 0.0), (second, 200.0), (third, 300.0)):
        gain = calibrated.columns["conv1"].gain / true
        expected = torch.full_like(gain, (1 + moment_s) ** 0.05)
        torch.testing.assert_close(gain, expected, rtol=0.02, atol=0.0)


def test_read_noise_is_that_of_the_measurement_or_another_draw() -> None:
    """Calibrating away the very noise that is measured is the better part of it."""
    gains, accuracies = {}, {}
    for read_noise in ("same", "anew"):
        chip = Chip("fast", compensated=compensation(read_noise=read_noise))
        [calibrated] = chip.at(0, DAY)
        gains[read_noise] = calibrated.columns["conv2"].gain
        assert chip.seeds["conv2"] == derive(1, "drift", DAY)  # as without calibration
        assert chip.drifts == [DAY] * (1 if read_noise == "same" else 3)
        chosen = compensation(read_noise=read_noise)
        accuracies[read_noise] = samples(chosen, times_s=(DAY,), draws=range(8), config=loud())
    assert not torch.equal(gains["same"], gains["anew"])
    assert accuracies["same"].mean() > accuracies["anew"].mean() + 0.02


def loud() -> Any:
    """Devices with much read noise."""
    config = lionheart()
    config.noise_model = PCMLikeNoiseModel(g_max=25.0, read_noise_scale=4.0)
    return config


def test_another_chip_is_calibrated_anew() -> None:
    chip = Chip("known", compensated=compensation(recalibrate_every_s=100.0))
    assert chip.at(0, 50.0)[0] is not chip.at(1, 50.0)[0]


# --- mappings -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_to", ["network", "tile"])
def test_calibrations_of_mappings_together_are_those_of_each_alone(fit_to: str) -> None:
    mappings = [NAMES, ("conv2", "linear"), ("conv1", "linear"), ("linear",), ("conv1",)]
    chosen = compensation(fit_to=fit_to)
    config = lionheart()
    together = Chip("fast", config, chosen, mappings).at(0, YEAR)
    for mapping, calibrated in zip(mappings, together, strict=True):
        assert set(calibrated.columns) == set(mapping)
        [alone] = Chip("fast", config, chosen, [mapping]).at(0, YEAR)
        for path in mapping:
            assert torch.equal(calibrated.columns[path].gain, alone.columns[path].gain)
            assert torch.equal(calibrated.columns[path].offset, alone.columns[path].offset)
    whole, without_first = together[0].columns, together[1].columns
    is_same = torch.equal(whole["linear"].gain, without_first["linear"].gain)
    assert not is_same  # its inputs are others


def test_what_mappings_share_is_calibrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    mappings = [("conv1",), ("conv1", "linear"), ("conv1", "conv2"), NAMES]
    chip = Chip("known", None, compensation(), mappings)
    chip.at(0, DAY)
    reads = {path: chip.analog.analog[path].reads for path in NAMES}
    assert reads == {"conv1": 1, "conv2": 1, "linear": 2}


# --- what is refused ------------------------------------------------------------------------------------


def context(**changes: Any) -> OracleContext:
    made_up = synthetic_problem(n_units=3)
    given = OracleContext(
        workload=small_workload(),
        system=made_up.system,
        model=NETWORK,
        data=None,
        digital=(),
        times_s=(1.0,),
        folder=Path(),
        artifacts=None,
        origin="study",
    )
    return replace(given, **changes)


def test_what_cannot_be_calibrated_is_refused() -> None:
    few, plain = TRAIN[:20], nn.Linear(3, 3)
    message = r"^study: \[oracle\] calibration.examples: got 32; there are 20 training examples"
    with pytest.raises(InputError, match=message):
        check_compensation(settings(), NETWORK, few, context())
    with pytest.raises(InputError, match="no batch norm with running statistics"):
        check_compensation(settings("batch_norm"), plain, TRAIN, context())
    with pytest.raises(InputError, match="no unit can be analog"):
        check_compensation(settings(), NETWORK, TRAIN, context(digital=NAMES))
    system = context().system
    host = [target for target in system.targets if target.name == system.host]
    digital_only = context(system=system.model_copy(update={"targets": tuple(host)}))
    with pytest.raises(InputError, match="no unit can be analog"):
        check_compensation(settings(), NETWORK, TRAIN, digital_only)
    with pytest.raises(InputErrors) as all_of_it:
        check_compensation(settings("batch_norm"), plain, few, digital_only)
    assert [line.partition(":")[0] for line in str(all_of_it.value).splitlines()] == ["study"] * 3
    check_compensation(OracleSettings(), plain, few[:1], digital_only)
    check_compensation(settings("batch_norm"), NETWORK, TRAIN, context())


def test_nothing_is_calibrated_on_fewer_examples_or_without_batch_norm() -> None:
    """Even where nobody has checked."""
    with pytest.raises(InputError, match="got 32; there are 20"):
        Compensation.of(settings(), TRAIN[:20])
    known: Any = KnownChips()
    without = nn.Sequential(nn.Flatten(), nn.Linear(64, 4)).eval()
    with pytest.raises(InputError, match="no batch norm with running statistics"):
        samples(compensation("batch_norm"), (("1",),), network=without, name=known)
