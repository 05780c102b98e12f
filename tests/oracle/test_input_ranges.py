"""Calibrated input ranges: those of aihwkit's own function, the same on both engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from aihwkit.inference.calibration import calibrate_input_ranges
from aihwkit.nn.conversion import convert_to_analog
from aihwkit.simulator.parameters.enums import NoiseManagementType
from oracle_setup import NAMES, SETTINGS, candidate, small_network, small_oracle, small_system
from pydantic import ValidationError
from torch import nn
from training_jobs import job

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.analog_network import INPUT_RANGES
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.input_ranges import (
    TYPES,
    calibrated_ranges,
    check_input_ranges,
    is_calibrated,
)
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.seeds import seeded
from lionheart_opt.oracle.settings import EngineName, InputRangeCalibration, OracleSettings
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.oracle.training import train, with_weights

CPU = torch.device("cpu")


def ranged(**changes: Any) -> Any:
    """Quiet tiles of 40x256 with input ranges, so that what is calibrated does not depend on noise."""
    config = lionheart()
    config.mapping.max_input_size = 40
    config.forward.out_noise = 0.0
    config.forward.noise_management = NoiseManagementType.NONE
    ranges = config.pre_post.input_range
    ranges.enable, ranges.init_value = True, 50.0
    for name, value in changes.items():
        setattr(ranges, name, value)
    return config


def network() -> nn.Sequential:
    with seeded(0, CPU):
        return nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 4)).eval()


def batches(n: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [2.0 * torch.randn(30, 64, generator=generator) for _ in range(n)]


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_ranges_are_those_of_aihwkit(kind: str) -> None:
    settings = InputRangeCalibration.model_validate({"calibration": kind})
    with seeded(3, CPU):
        made = calibrated_ranges(network(), ("0", "2"), ranged(), None, settings, batches())
    analog = convert_to_analog(network(), ranged())
    with seeded(3, CPU):
        calibrate_input_ranges(analog, TYPES[kind], iter([((images,), {}) for images in batches()]))
    expected = {
        f"{name}.{INPUT_RANGES}": torch.cat([tile.input_range for tile in layer.analog_tiles()])
        for name, layer in analog.named_analog_layers()
    }
    assert made.keys() == expected.keys() == {"0.input_ranges", "2.input_ranges"}
    for name, ranges in expected.items():
        torch.testing.assert_close(made[name][:, 0], ranges.detach(), rtol=1e-3, atol=1e-4)
        assert bool((made[name][:, 1] >= 100).all()), "training does not begin anew"
    assert 2 < float(made["0.input_ranges"][0, 0]) < 10


def test_maxima_by_hand() -> None:
    settings = InputRangeCalibration(calibration="max")
    made = calibrated_ranges(network(), ("0",), ranged(), None, settings, batches())
    seen = torch.cat(batches()).abs()
    parts = (seen[:, :32], seen[:, 32:])  # two tiles
    assert made["0.input_ranges"][:, 0].tolist() == pytest.approx([float(p.max()) for p in parts])


def test_both_engines_compute_with_them() -> None:
    settings = InputRangeCalibration(calibration="moving_std", std_alpha=1.0)
    config = ranged(learn_input_range=False)
    made = calibrated_ranges(network(), ("0", "2"), config, None, settings, batches())
    model = with_weights(network(), network().state_dict() | made)
    outputs = []
    for name in ("aihwkit", "fast"):
        analog = engine(name).analog(model, ("0", "2"), config).eval()
        analog.program({"0": 1, "2": 2})
        analog.drift(3600.0, {"0": 3, "2": 4})
        with torch.no_grad():
            outputs.append(analog(batches(1)[0]))
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-4, rtol=1e-3)
    assert not torch.allclose(outputs[0], network()(batches(1)[0]), atol=0.1), "inputs are clipped"


@pytest.mark.parametrize("name", ["aihwkit", "fast"])
@pytest.mark.parametrize("learned", [True, False])
def test_training_starts_from_them(name: EngineName, learned: bool, tmp_path: Path) -> None:
    """Static ranges stay as calibrated; learned ones go on from there, on both engines alike."""
    settings = InputRangeCalibration(calibration="max", examples=50)
    config = ranged(learn_input_range=learned)
    asked = job(rpu_config=config, ranges=settings, epochs=1)
    trained = train(asked, engine(name), WeightStore.folder(tmp_path), "key")
    largest = {path: float(trained.weights[f"{path}.{INPUT_RANGES}"][0, 0]) for path in NAMES}
    with seeded(0, CPU):
        numbers = calibrated_ranges(
            small_network().eval(), NAMES, config, None, settings, [asked.examples.inputs]
        )
    bound = float(numbers[f"conv1.{INPUT_RANGES}"][0, 0])
    assert 0 < largest["conv1"] <= bound * 1.05, (
        "not the initial 50, and no more than the data have"
    )
    if not learned:
        other = "fast" if name == "aihwkit" else "aihwkit"
        again = train(asked, engine(other), WeightStore.folder(tmp_path), "other")
        for path in NAMES:
            key = f"{path}.{INPUT_RANGES}"
            assert torch.equal(trained.weights[key], again.weights[key])


def test_what_no_data_decide_and_what_is_there_already_stays() -> None:
    settings = InputRangeCalibration(calibration="max")
    given = ranged(learn_input_range=False, init_from_data=0)
    assert calibrated_ranges(network(), ("0",), given, None, settings, batches()) == {}
    off = lionheart()
    assert not is_calibrated(off) and not is_calibrated(given) and is_calibrated(ranged())
    both = {"0": given, "2": ranged()}
    made = calibrated_ranges(network(), ("0", "2"), both, None, settings, batches())
    assert made.keys() == {"2.input_ranges"}
    learned = {"2.input_ranges": torch.tensor([[1.5, 7.0], [1.5, 7.0]])}
    model = with_weights(network(), network().state_dict() | learned)
    again = calibrated_ranges(model, ("0", "2"), ranged(), None, settings, batches())
    assert again.keys() == {"0.input_ranges"}
    assert both["2"].pre_post.input_range.init_from_data == 100, "configurations are left untouched"


def test_a_range_of_zero_is_refused() -> None:
    settings = InputRangeCalibration(calibration="cache_quantile", quantile=0.3)
    rectified = [images.relu() for images in batches()]
    with pytest.raises(InputError, match=r"an input range of '0' would be 0, .*; must be above 0"):
        calibrated_ranges(network(), ("0",), ranged(), None, settings, rectified)


def test_batches_that_are_too_large_for_a_quantile_are_refused() -> None:
    settings = InputRangeCalibration(calibration="moving_quantile")
    model = nn.Sequential(nn.Linear(40, 2, bias=False))
    images = torch.ones(2, 210_000, 40)
    with pytest.raises(InputError, match="a batch of 2 examples is too large for torch's quantile"):
        calibrated_ranges(model, ("0",), ranged(), None, settings, [images])


def test_check_refuses_what_cannot_be_calibrated() -> None:
    check_input_ranges({"tile": lionheart(), "other": ranged()}, "here")
    with pytest.raises(InputError, match="here: no RPU configuration has input ranges"):
        check_input_ranges({"tile": lionheart()}, "here")
    managed = ranged()
    managed.forward.noise_management = NoiseManagementType.ABS_MAX
    with pytest.raises(InputError, match=r"target 'tile' has forward.noise_management ABS_MAX"):
        check_input_ranges({"tile": managed}, "here")


def test_calibration_belongs_to_the_question(tmp_path: Path) -> None:
    asked, keys = candidate(*NAMES).with_training("short"), []
    for settings in (None, InputRangeCalibration(calibration="max")):
        hat = SETTINGS.hat.model_copy(update={"input_ranges": settings})
        chosen = SETTINGS.model_copy(update={"hat": hat, "rpu_config": f"{__name__}:ranged"})
        oracle = small_oracle(tmp_path, chosen, small_system())
        keys.append(oracle.weights.keyed(asked, 0)[0])
    assert len(set(keys)) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"calibration": "none"},
        {"calibration": "max", "examples": 0},
        {"calibration": "max", "quantile": 0.9},
        {"calibration": "moving_std", "quantile": 0.9},
        {"calibration": "moving_quantile", "max_samples": 5},
        {"calibration": "cache_quantile", "std_alpha": 3.0},
        {"calibration": "moving_std", "std_alpha": 0.0},
        {"calibration": "moving_quantile", "quantile": 1.1},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OracleSettings.model_validate({"hat": {"input_ranges": wrong}})
