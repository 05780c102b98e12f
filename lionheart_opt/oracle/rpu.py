"""RPU configurations by name: what analog tiles do, described as aihwkit describes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from enum import Enum
from math import isfinite, isnan
from typing import Any, cast

import torch
from aihwkit.exceptions import ConfigError
from aihwkit.nn import AnalogLinear
from aihwkit.simulator.configs import (
    InferenceRPUConfig,
    QuantizedTorchInferenceRPUConfig,
    TorchInferenceRPUConfig,
)
from aihwkit.simulator.parameters.enums import WeightRemapType

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.oracle.rpu_configs import BUILT_IN
from lionheart_opt.oracle.rpu_configs import lionheart as lionheart
from lionheart_opt.oracle.rpu_translation import as_torch
from lionheart_opt.plugins import attribute


def rpu_config(name: str, where: str = "") -> TorchInferenceRPUConfig:
    """The RPU configuration of that name.

    Args:
        name: Name of a built-in configuration, or `package.module:factory`. Configurations of aihwkit's
            C++ tiles are translated (see `as_torch`).
        where: Place that names the configuration, for error messages.

    Raises:
        InputError: There is no such configuration, or the oracle cannot use it.
    """
    if ":" not in name and name not in BUILT_IN:
        raise unknown("rpu_config", name, BUILT_IN, where)
    config = BUILT_IN[name]() if name in BUILT_IN else attribute(name, where)()
    is_torch = isinstance(config, TorchInferenceRPUConfig)
    try:
        if isinstance(config, InferenceRPUConfig) and not is_torch:
            config = as_torch(config)
        problem = _problem(config)
    except InputError as error:
        problem = str(error)
    if problem:
        raise InputError(f"{where}: rpu_config {name!r}: {problem}".removeprefix(": "))
    return cast(TorchInferenceRPUConfig, config)


def _problem(config: object) -> str:
    """The reason why a configuration cannot be used; empty if it can."""
    if not isinstance(config, TorchInferenceRPUConfig):
        return f"a {type(config).__name__}, not an aihwkit TorchInferenceRPUConfig"
    if isinstance(config, QuantizedTorchInferenceRPUConfig):
        return "quantised peripheries are not supported"
    for path in _not_numbers(_plain(config)):
        return f"{path}: got nan; must be a number"
    scaled = config.mapping.weight_scaling_omega > 0 or config.remap.type != WeightRemapType.NONE
    if config.mapping.learn_out_scaling and not scaled:
        # weights, scales included, are mapped anew from their floating-point values
        return "learn_out_scaling needs weight_scaling_omega > 0 or a remap"
    ranges = config.pre_post.input_range
    if ranges.enable and ranges.manage_output_clipping:
        return "pre_post.input_range.manage_output_clipping is not implemented by aihwkit's torch tiles"
    try:
        with torch.random.fork_rng(devices=[]):  # the layer draws initial weights
            layer = AnalogLinear(2, 2, rpu_config=config)
            with suppress(AssertionError, RuntimeError):  # some tiles cannot be as small as this
                layer(torch.zeros(1, 2))  # refuses what tiles do not simulate, such as IR drop
    except ConfigError as error:
        return str(error)
    return ""


def _not_numbers(plain: Any, path: str = "") -> Iterator[str]:
    """Where plain settings are NaN, which tiles would take for no noise, or no bound."""
    if plain == "nan" or (isinstance(plain, float) and isnan(plain)):
        yield path
    elif isinstance(plain, dict | list):
        inner = plain.items() if isinstance(plain, dict) else enumerate(plain)
        for key, value in inner:
            yield from _not_numbers(value, f"{path}.{key}" if path else str(key))


def rpu_digest(config: TorchInferenceRPUConfig) -> str:
    """Digest of every setting of a configuration, those of its noise model included."""
    return digest(_plain(config))


def _plain(value: Any) -> Any:
    """Nested settings as plain data; an object becomes its class name and attributes."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Enum):
        return value.name
    if hasattr(value, "__qualname__"):  # classes and functions
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # tensors and arrays
        return value.tolist()
    names = [field.name for field in fields(value)] if is_dataclass(value) else vars(value)
    settings = {name: _plain(getattr(value, name)) for name in names}
    return {"class": type(value).__qualname__, **settings}
