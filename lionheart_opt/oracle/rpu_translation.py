"""RPU configurations of aihwkit's C++ tiles as configurations of its torch tiles."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from aihwkit.simulator.configs import InferenceRPUConfig, TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import (
    AnalogMVType,
    BoundManagementType,
    NoiseManagementType,
    WeightClipType,
    WeightModifierType,
    WeightNoiseType,
    WeightRemapType,
)
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.tiles import InferenceTile

from lionheart_opt.errors import InputError


def as_torch(config: InferenceRPUConfig) -> TorchInferenceRPUConfig:
    """The configuration of torch tiles that do the same.

    Args:
        config: A configuration of C++ tiles, such as a `StandardHWATrainingPreset`.

    Raises:
        InputError: Torch tiles cannot do the same; all settings are named that they lack.
    """
    lacking = [f"{name} = {value}" for name, value in _lacking(config)]
    if lacking:
        raise InputError(
            f"a {type(config).__name__} for aihwkit's C++ tiles; its torch tiles, which the oracle uses, "
            f"cannot do {', '.join(lacking)}"
        )
    made = TorchInferenceRPUConfig()
    for field in fields(InferenceRPUConfig):
        if field.init and field.name not in ("tile_class", "forward"):
            setattr(made, field.name, getattr(config, field.name))
    if config.forward.is_perfect:
        made.forward = IOParameters(is_perfect=True)
        return made
    settings = {field.name: getattr(config.forward, field.name) for field in fields(IOParameters)}
    made.forward = IOParameters(**settings | {"w_noise_type": WeightNoiseType.NONE})
    return made


def _lacking(config: InferenceRPUConfig) -> list[tuple[str, Any]]:
    """Settings that torch tiles refuse, ignore or take for something else, with their values."""
    io, modifier, remap = config.forward, config.modifier, config.remap
    known = {field.name for field in fields(InferenceRPUConfig)}
    lacking = {
        **{field.name: True for field in fields(config) if field.name not in known},
        "tile_class": config.tile_class is not InferenceTile,
        "mapping.digital_bias": not config.mapping.digital_bias,
        "clip.type": config.clip.type == WeightClipType.AVERAGE_CHANNEL_MAX,
        "remap.type": remap.type
        not in {
            WeightRemapType.NONE,
            WeightRemapType.LAYERWISE_SYMMETRIC,
            WeightRemapType.CHANNELWISE_SYMMETRIC,
        },
        "remap.remapped_wmax": remap.remapped_wmax != 1.0,
        "remap.max_scale_range": remap.max_scale_range != 0.0,
        "remap.max_scale_ref": remap.max_scale_ref != 0.0,
        "modifier.type": modifier.type
        not in {
            WeightModifierType.NONE,
            WeightModifierType.COPY,
            WeightModifierType.MULT_NORMAL,
            WeightModifierType.ADD_NORMAL,
            WeightModifierType.DISCRETIZE,
        },
        "modifier.pdrop": modifier.pdrop > 0.0,
        "modifier.enable_during_test": modifier.enable_during_test,
        "modifier.copy_last_column": modifier.copy_last_column,
        "pre_post.input_range.manage_output_clipping": config.pre_post.input_range.enable
        and config.pre_post.input_range.manage_output_clipping,
    }
    if not io.is_perfect:
        manages_bounds = io.bound_management != BoundManagementType.NONE
        lacking |= {
            "forward.mv_type": io.mv_type != AnalogMVType.ONE_PASS,
            # C++ tiles apply them to passes of one sign only, of which there are none
            "forward.inp_asymmetry": io.inp_asymmetry != 0.0,
            "forward.out_asymmetry": io.out_asymmetry != 0.0,
            "forward.bound_management": io.bound_management
            not in {BoundManagementType.NONE, BoundManagementType.ITERATIVE},
            "forward.bm_test_negative_bound": manages_bounds and not io.bm_test_negative_bound,
            "forward.noise_management": io.noise_management
            in {NoiseManagementType.AVERAGE_ABS_MAX, NoiseManagementType.ABS_MAX_NP_SUM},
            "forward.w_noise": io.w_noise > 0.0,
            "forward.ir_drop": io.ir_drop > 0.0,
            "forward.out_nonlinearity": io.out_nonlinearity > 0.0,
            "forward.slope_calibration": io.slope_calibration > 0.0,
            "forward.v_offset_std": io.v_offset_std > 0.0,
            "forward.v_offset_w_min": io.v_offset_w_min > 0.0,
            "forward.r_series": io.r_series > 0.0,
            "forward.w_read_asymmetry_dtod": io.w_read_asymmetry_dtod > 0.0,
        }
    return [(name, _value(config, name)) for name, is_lacking in lacking.items() if is_lacking]


def _value(config: Any, name: str) -> Any:
    """The value of a setting, in few words."""
    for part in name.split("."):
        config = getattr(config, part)
    return getattr(config, "name", getattr(config, "__name__", config))
