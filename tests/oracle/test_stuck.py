"""Stuck devices: how many, which, what they do to weights, and that both engines have the same ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.converter.conductance import DualPairConductanceConverter
from oracle_setup import NAMES, SETTINGS, candidate, ideal, small_oracle, small_system
from pydantic import ValidationError

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.numerics import TargetNumerics
from lionheart_opt.oracle.rpu import lionheart, rpu_digest
from lionheart_opt.oracle.rpu_configs import diana
from lionheart_opt.oracle.seeds import seeded
from lionheart_opt.oracle.settings import OracleSettings, Stuck
from lionheart_opt.oracle.stuck import StuckDevices, with_stuck_devices
from lionheart_opt.system import System

CPU = torch.device("cpu")
WEIGHTS = torch.linspace(-1.0, 1.0, 200 * 300).view(200, 300)


def exact(**keywords: Any) -> PCMLikeNoiseModel:
    return PCMLikeNoiseModel(
        prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0, **keywords
    )


def written(model: Any, seed: int = 0) -> tuple[torch.Tensor, Any]:
    with seeded(seed, CPU):
        weights, parameters = model.apply_programming_noise(WEIGHTS)
    return weights, parameters


@pytest.mark.parametrize(("at_g_min", "at_g_max"), [(0.02, 0.0), (0.0, 0.03), (0.05, 0.01), (0, 1)])
def test_the_shares_are_right(at_g_min: float, at_g_max: float) -> None:
    """Of both devices of every pair, by themselves; five standard deviations of a binomial."""
    _, chip = written(StuckDevices(exact(), at_g_min, at_g_max))
    for stuck in chip.stuck:
        for value, share in ((0.0, at_g_min), (25.0, at_g_max)):
            slack = 5 * (share * (1 - share) / stuck.numel()) ** 0.5
            assert abs(float((stuck == value).float().mean()) - share) <= slack
    both = float((~chip.stuck[0].isnan() & ~chip.stuck[1].isnan()).float().mean())
    assert both == pytest.approx((at_g_min + at_g_max) ** 2, abs=0.005)


def test_a_device_at_the_largest_conductance_pulls_its_weight_to_the_end() -> None:
    """Without noise: w = (g+ - g-) / 25, with the stuck one at 25."""
    weights, chip = written(StuckDevices(exact(), at_g_max=0.1))
    plus, minus = (~stuck.isnan() for stuck in chip.stuck)
    torch.testing.assert_close(weights[~plus & ~minus], WEIGHTS[~plus & ~minus])
    expected = 1.0 - (-WEIGHTS).clamp(min=0.0)
    torch.testing.assert_close(weights[plus & ~minus], expected[plus & ~minus])
    expected = WEIGHTS.clamp(min=0.0) - 1.0
    torch.testing.assert_close(weights[minus & ~plus], expected[minus & ~plus])
    assert float(weights[minus & plus].abs().max()) < 1e-6


def test_a_device_at_the_smallest_conductance_loses_its_weight() -> None:
    weights, chip = written(StuckDevices(exact(), at_g_min=1.0))
    assert bool((weights == 0).all())
    weights, chip = written(StuckDevices(exact(), at_g_min=0.1))
    plus = ~chip.stuck[0].isnan()
    assert float(weights[plus].max()) <= 0.0


def test_stuck_devices_neither_drift_nor_fluctuate() -> None:
    model = StuckDevices(PCMLikeNoiseModel(), at_g_max=1.0)
    weights, chip = written(model)
    with seeded(1, CPU):
        later = model.apply_drift_noise(weights, chip, 1e7)
    torch.testing.assert_close(weights, torch.zeros_like(weights), atol=1e-6, rtol=0)
    assert torch.equal(weights, later)


def test_the_other_device_of_a_cell_drifts() -> None:
    model = StuckDevices(PCMLikeNoiseModel(read_noise_scale=0.0), at_g_min=0.1)
    weights, chip = written(model)
    later = model.apply_drift_noise(weights, chip, 1e7)
    works = chip.stuck[0].isnan() & ~chip.stuck[1].isnan() & (WEIGHTS > 0.3)
    ratio = float((later[works] / weights[works]).mean())
    assert 0.3 < ratio < 0.8  # (1e7 / 20) ** -0.06 or so


def test_cells_without_a_stuck_device_are_those_of_the_model() -> None:
    """The same seed, with and without stuck devices: programming and drift, and what is drawn next."""
    plain, model = PCMLikeNoiseModel(), StuckDevices(PCMLikeNoiseModel(), 0.01, 0.01)
    with seeded(3, CPU):
        weights, parameters = plain.apply_programming_noise(WEIGHTS)
        drifted, after = plain.apply_drift_noise(weights, parameters, 86400.0), torch.rand(3)
    with seeded(3, CPU):
        with_stuck, chip = model.apply_programming_noise(WEIGHTS)
        drifted_with, after_with = model.apply_drift_noise(with_stuck, chip, 86400.0), torch.rand(3)
    healthy = chip.stuck[0].isnan() & chip.stuck[1].isnan()
    assert torch.equal(weights[healthy], with_stuck[healthy])
    assert torch.equal(drifted[healthy], drifted_with[healthy])
    assert not torch.equal(weights[~healthy], with_stuck[~healthy])
    assert torch.equal(after, after_with)


def test_the_draw_follows_the_seed() -> None:
    model = StuckDevices(PCMLikeNoiseModel(), 0.01, 0.01)
    first, again, other = (written(model, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    one, two = (~written(model, seed)[1].stuck[0].isnan() for seed in (0, 1))
    assert float((one & two).float().mean()) < 0.25 * float(one.float().mean())


def test_cells_of_several_pairs() -> None:
    converter = DualPairConductanceConverter(f_lst=[1.0, 3.0], g_max=25.0)
    weights, chip = written(StuckDevices(exact(g_converter=converter), at_g_min=0.1))
    assert len(chip.stuck) == 4
    healthy = torch.stack([stuck.isnan() for stuck in chip.stuck]).all(0)
    torch.testing.assert_close(weights[healthy], WEIGHTS[healthy])
    assert float(healthy.float().mean()) == pytest.approx(0.9**4, abs=0.02)


def test_both_engines_have_the_same_stuck_devices() -> None:
    """On several tiles, without any other error, after drift."""
    network = torch.nn.Linear(300, 7, bias=False)
    config = with_stuck_devices(ideal(), at_g_min=0.02, at_g_max=0.01)
    inputs = torch.eye(300)
    outputs = {}
    for name in ("aihwkit", "fast"):
        analog = engine(name).analog(network, ("",), config).eval()
        analog.program({"": 5})
        analog.drift(3600.0, {"": 6})
        with torch.no_grad():
            outputs[name] = analog(inputs)
    torch.testing.assert_close(outputs["aihwkit"], outputs["fast"], atol=1e-5, rtol=1e-4)
    changed = (outputs["fast"] - network(inputs)).abs() > 1e-3
    assert 0.01 < float(changed.float().mean()) < 0.08


def test_a_configuration_is_copied_and_has_another_digest() -> None:
    config = lionheart()
    stuck = [with_stuck_devices(config, at_g_max=share) for share in (0.01, 0.02)]
    assert isinstance(config.noise_model, PCMLikeNoiseModel)
    assert len({rpu_digest(each) for each in (config, *stuck)}) == 3


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"at_g_min": -0.1}, "at_g_min: got -0.1; must be from 0 to 1"),
        ({"at_g_max": float("nan")}, "at_g_max: got nan; must be from 0 to 1"),
        ({"at_g_max": True}, "at_g_max: got True"),
        ({"at_g_max": "1 %"}, "at_g_max: got '1 %'"),
        ({"at_g_min": 0.6, "at_g_max": 0.6}, r"at_g_min \+ at_g_max: got 1.2; must be at most 1"),
    ],
)
def test_shares_that_are_none_are_refused(shares: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_stuck_devices(lionheart(), **shares)


def test_stuck_devices_of_stuck_devices_are_refused() -> None:
    with pytest.raises(InputError, match="no stuck devices yet"):
        with_stuck_devices(with_stuck_devices(lionheart(), at_g_min=0.1), at_g_min=0.1)


def test_cells_without_conductances_cannot_be_stuck() -> None:
    with pytest.raises(InputError, match="TernaryCells does not program conductances"):
        with_stuck_devices(diana(), at_g_min=0.1)


def settings_with(**shares: float) -> OracleSettings:
    return OracleSettings.model_validate({"stuck": shares})


def test_settings_make_devices_of_every_target_stuck() -> None:
    system = small_system(other="pcm")
    numerics = TargetNumerics.of(system, settings_with(at_g_min=0.01, at_g_max=0.002))
    for config in numerics.rpu_configs.values():
        assert isinstance(config.noise_model, StuckDevices)
        assert (config.noise_model.at_g_min, config.noise_model.at_g_max) == (0.01, 0.002)
    others = TargetNumerics.of(system, settings_with(at_g_min=0.01))
    plain = TargetNumerics.of(system, OracleSettings())
    digests = [str(each.identity["rpu_config"]) for each in (numerics, others, plain)]
    assert len(set(digests)) == 3  # each is another question
    same = TargetNumerics.of(small_system(other="lionheart"), settings_with(at_g_min=0.01))
    assert same.rpu_configs["tile"] is same.rpu_configs["other"]


def test_stuck_devices_cost_accuracy_and_belong_to_the_question(tmp_path: Path) -> None:
    asked = candidate(*NAMES).with_training("none")
    stuck = SETTINGS.model_copy(update={"stuck": Stuck(at_g_max=0.2)})
    oracles = [small_oracle(tmp_path, settings) for settings in (SETTINGS, stuck)]
    drops = [o.accuracy(asked, Fidelity(draws=(0, 4)), 0).drops_at(1.0).mean() for o in oracles]
    assert drops[1] > drops[0] + 0.05
    assert oracles[0].identity["settings"]["stuck"] is None
    assert oracles[1].identity["settings"]["stuck"] == {"at_g_min": 0.0, "at_g_max": 0.2}


@pytest.mark.parametrize(
    "shares",
    [
        {},
        {"at_g_min": 0.0, "at_g_max": 0.0},
        {"at_g_min": -0.1},
        {"at_g_max": 1.1},
        {"at_g_min": 0.6, "at_g_max": 0.6},
        {"at_g_min": float("nan")},
        {"at_g_min": True},
        {"share": 0.1},
    ],
)
def test_settings_refuse_shares_that_are_none(shares: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        settings_with(**shares)


def test_settings_refuse_what_has_no_devices() -> None:
    some = settings_with(at_g_min=0.01)
    with pytest.raises(InputError, match="rpu_config 'diana': stuck devices: TernaryCells"):
        TargetNumerics.of(small_system(other="diana"), some, "study.toml: [oracle]")
    with pytest.raises(InputError, match=r"rpu_config 'oracle_setup:half_dead': .*no stuck"):
        TargetNumerics.of(
            small_system(other="oracle_setup:half_dead"), some, "study.toml: [oracle]"
        )
    cpu = small_system().target("cpu")
    digital = System(name="host", family="none", description="-", host="cpu", targets=(cpu,))
    with pytest.raises(InputError, match="stuck: system 'host' has no analog target"):
        TargetNumerics.of(digital, some)
