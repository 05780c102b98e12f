"""Configurations of aihwkit's C++ tiles: translated where torch tiles do the same, otherwise refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aihwkit.simulator.configs import InferenceRPUConfig, TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import (
    AnalogMVType,
    BoundManagementType,
    NoiseManagementType,
    WeightClipType,
    WeightModifierType,
    WeightNoiseType,
)
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.presets import StandardHWATrainingPreset
from aihwkit.simulator.tiles import InferenceTile

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.fast.engine import not_covered
from lionheart_opt.oracle.rpu import rpu_config
from lionheart_opt.oracle.rpu_translation import as_torch

PRESET = "aihwkit.simulator.presets:StandardHWATrainingPreset"


def without_drops() -> StandardHWATrainingPreset:
    """The preset without what torch tiles cannot do."""
    config = StandardHWATrainingPreset()
    config.forward.ir_drop = config.forward.w_noise = 0.0
    return config


def test_the_standard_preset_is_refused_for_what_torch_tiles_lack() -> None:
    with pytest.raises(InputError) as error:
        rpu_config(PRESET, "study.toml: [oracle]")
    text = str(error.value)
    assert text.startswith(
        f"study.toml: [oracle]: rpu_config '{PRESET}': a StandardHWATrainingPreset"
    )
    assert text.endswith("cannot do forward.w_noise = 0.0175, forward.ir_drop = 1.0")


def test_the_rest_of_the_preset_is_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    made, given = as_torch(without_drops()), without_drops()
    assert type(made) is TorchInferenceRPUConfig and type(made.forward) is IOParameters
    for part in ("mapping", "pre_post", "clip", "remap", "modifier"):
        assert getattr(made, part) == getattr(given, part)
    assert type(made.noise_model) is type(given.noise_model)
    assert (made.forward.out_bound, made.forward.out_noise) == (10.0, 0.04)
    assert made.forward.w_noise_type == WeightNoiseType.NONE
    monkeypatch.setitem(rpu_config.__globals__["BUILT_IN"], "preset", without_drops)
    assert rpu_config("preset").mapping.max_input_size == 512
    assert not_covered(made) == "forward.noise_management"  # it runs on aihwkit's tiles


class OwnTile(InferenceTile):  # type: ignore[misc, unused-ignore]
    """A tile of a user's own."""


CHANGES: dict[str, Callable[[Any], None]] = {
    "tile_class = OwnTile": lambda c: setattr(c, "tile_class", OwnTile),
    "mapping.digital_bias = False": lambda c: setattr(c.mapping, "digital_bias", False),
    "clip.type = AVERAGE_CHANNEL_MAX": lambda c: setattr(
        c.clip, "type", WeightClipType.AVERAGE_CHANNEL_MAX
    ),
    "remap.remapped_wmax = 0.5": lambda c: setattr(c.remap, "remapped_wmax", 0.5),
    "remap.max_scale_range = 2.0": lambda c: setattr(c.remap, "max_scale_range", 2.0),
    "remap.max_scale_ref = 2.0": lambda c: setattr(c.remap, "max_scale_ref", 2.0),
    "modifier.type = DOREFA": lambda c: setattr(c.modifier, "type", WeightModifierType.DOREFA),
    "modifier.pdrop = 0.1": lambda c: setattr(c.modifier, "pdrop", 0.1),
    "modifier.enable_during_test = True": lambda c: setattr(c.modifier, "enable_during_test", True),
    "modifier.copy_last_column = True": lambda c: setattr(c.modifier, "copy_last_column", True),
    "forward.mv_type = BIT_WISE": lambda c: setattr(c.forward, "mv_type", AnalogMVType.BIT_WISE),
    "forward.inp_asymmetry = 0.1": lambda c: setattr(c.forward, "inp_asymmetry", 0.1),
    "forward.out_asymmetry = 0.1": lambda c: setattr(c.forward, "out_asymmetry", 0.1),
    "forward.bound_management = SHIFT": lambda c: setattr(
        c.forward, "bound_management", BoundManagementType.SHIFT
    ),
    "forward.bound_management = ITERATIVE_WORST_CASE": lambda c: setattr(
        c.forward, "bound_management", BoundManagementType.ITERATIVE_WORST_CASE
    ),
    "forward.bm_test_negative_bound = False": lambda c: setattr(
        c.forward, "bm_test_negative_bound", False
    ),
    "forward.noise_management = AVERAGE_ABS_MAX": lambda c: setattr(
        c.forward, "noise_management", NoiseManagementType.AVERAGE_ABS_MAX
    ),
    "forward.w_noise = 0.01": lambda c: setattr(c.forward, "w_noise", 0.01),
    "forward.ir_drop = 0.5": lambda c: setattr(c.forward, "ir_drop", 0.5),
    "forward.out_nonlinearity = 0.1": lambda c: setattr(c.forward, "out_nonlinearity", 0.1),
    "forward.slope_calibration = 0.1": lambda c: setattr(c.forward, "slope_calibration", 0.1),
    "forward.v_offset_std = 0.1": lambda c: setattr(c.forward, "v_offset_std", 0.1),
    "forward.v_offset_w_min = 0.1": lambda c: setattr(c.forward, "v_offset_w_min", 0.1),
    "forward.r_series = 0.1": lambda c: setattr(c.forward, "r_series", 0.1),
    "forward.w_read_asymmetry_dtod = 0.1": lambda c: setattr(
        c.forward, "w_read_asymmetry_dtod", 0.1
    ),
}


@pytest.mark.parametrize("lacking", CHANGES)
def test_each_setting_that_torch_tiles_lack_is_named(lacking: str) -> None:
    config = InferenceRPUConfig()
    config.forward.bound_management = BoundManagementType.ITERATIVE
    as_torch(config)
    CHANGES[lacking](config)
    with pytest.raises(InputError, match=f"cannot do {lacking}$"):
        as_torch(config)


def test_all_that_is_lacking_is_said_at_once() -> None:
    config = InferenceRPUConfig()
    chosen = ["mapping.digital_bias = False", "forward.ir_drop = 0.5", "forward.r_series = 0.1"]
    for lacking in chosen:
        CHANGES[lacking](config)
    with pytest.raises(InputError, match=f"cannot do {', '.join(chosen)}$"):
        as_torch(config)


def test_perfect_tiles_have_no_converters_to_refuse() -> None:
    config = StandardHWATrainingPreset()
    config.forward.is_perfect = True
    assert as_torch(config).forward.is_perfect


@dataclass
class Extended(InferenceRPUConfig):  # type: ignore[misc, unused-ignore]
    """A configuration with a setting of a user's own."""

    own: float = 1.0


def test_settings_that_are_not_aihwkits_are_refused() -> None:
    with pytest.raises(InputError, match=r"cannot do own = 1\.0$"):
        as_torch(Extended())
