"""RPU configurations by name: what analog tiles do, described as aihwkit describes them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from enum import Enum
from importlib.metadata import version
from math import isfinite, isnan, log2
from re import compile as pattern
from types import CodeType
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

from lionheart_opt.digest import digest, without_folder
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.oracle.rpu_configs import BUILT_IN
from lionheart_opt.oracle.rpu_configs import lionheart as lionheart
from lionheart_opt.oracle.rpu_translation import as_torch
from lionheart_opt.plugins import attribute

#: Versions of aihwkit with which all tests have passed.
TESTED = ("1.1.0", "1.2.0")
#: Rows, columns, and bits of inputs and of outputs.
_ARRAY = pattern(r"(\d+)x(\d+) (\d+(?:\.\d+)?)/(\d+(?:\.\d+)?) bit")


def rpu_config(name: str, where: str = "") -> TorchInferenceRPUConfig:
    """The RPU configuration of that name.

    Args:
        name: Name of a built-in configuration, perhaps with another array and other converters
            (`lionheart 512x256 6/8 bit`: rows, columns, bits of inputs and of outputs), or
            `package.module:factory`. Configurations of aihwkit's C++ tiles are translated (see
            `as_torch`).
        where: Place that names the configuration, for error messages.

    Raises:
        InputError: There is no such configuration, or the oracle cannot use it.
    """
    built_in, _, array = name.partition(" ")
    _warn_of_untested_tiles()
    if ":" not in name and built_in not in BUILT_IN:
        raise unknown("rpu_config", built_in, BUILT_IN, where)
    config = attribute(name, where)() if ":" in name else BUILT_IN[built_in]()
    if array and ":" not in name:
        _resize(config, array, f"{where}: rpu_config {name!r}".removeprefix(": "))
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


def _warn_of_untested_tiles() -> None:
    """Warn where aihwkit is of a version that computes something else for all that is known."""
    installed = version("aihwkit")
    if installed not in TESTED:
        warnings.warn(
            f"aihwkit {installed}: accuracies are tested with {' and '.join(TESTED)} only",
            stacklevel=3,
        )


def _resize(config: TorchInferenceRPUConfig, array: str, where: str) -> None:
    """Give a built-in configuration another array and other converters."""
    match = _ARRAY.fullmatch(array)
    if match is None:
        raise InputError(f"{where}: must be a name, or one such as 'lionheart 512x256 6/8 bit'")
    rows, columns, input_bits, output_bits = match.groups()
    config.mapping.max_input_size = int(rows)
    config.mapping.max_output_size = int(columns)
    config.forward.inp_res = resolution(float(input_bits))
    config.forward.out_res = resolution(float(output_bits))


def resolution(bits: float) -> float:
    """The step of a signed converter of so many bits, relative to its range, as aihwkit takes it.

    Raises:
        InputError: A converter of one bit or less has no step.
    """
    if not bits > 1:
        raise InputError(f"converter: got {bits:g} bits; must be more than 1")
    return float(1 / (2**bits - 2))


def bits_of(resolution: float) -> float | None:
    """Bits of a converter whose step is that share of its range; None where it is not quantised."""
    if resolution <= 0:
        return None
    steps = 1 / resolution if resolution < 1 else resolution
    return log2(steps + 2)


def _problem(config: object) -> str:
    """The reason why a configuration cannot be used; empty if it can."""
    if not isinstance(config, TorchInferenceRPUConfig):
        return f"a {type(config).__name__}, not an aihwkit TorchInferenceRPUConfig"
    if isinstance(config, QuantizedTorchInferenceRPUConfig):
        return "quantised peripheries are not supported"
    for path in _not_numbers(_plain(config)):
        return f"{path}: got nan; must be a number"
    for path, close in _no_settings(config):
        return f"{path}: there is no such setting{close}"
    scaled = config.mapping.weight_scaling_omega > 0 or config.remap.type != WeightRemapType.NONE
    if config.mapping.learn_out_scaling and not scaled:
        # weights, scales included, are mapped anew from their floating-point values
        return "learn_out_scaling needs weight_scaling_omega > 0 or a remap"
    ranges = config.pre_post.input_range
    if ranges.enable and ranges.manage_output_clipping:
        return "pre_post.input_range.manage_output_clipping is not implemented by aihwkit's torch tiles"
    start = "init_std_alpha" if ranges.init_from_data > 0 else "init_value"
    if ranges.enable and getattr(ranges, start) == 0:
        return f"pre_post.input_range.{start}: got 0; inputs are divided by their range"
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


def _no_settings(part: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Attributes that aihwkit does not know, such as misspelt settings, with what may be meant."""
    is_own = not type(part).__module__.startswith("aihwkit.")
    if isinstance(part, type) or (is_own and not isinstance(part, TorchInferenceRPUConfig)):
        return
    settings = set(_attributes(type(part)))
    for name, value in getattr(part, "__dict__", {}).items():
        place = f"{path}.{name}" if path else name
        if is_own or name in settings or isinstance(part, Enum):
            yield from _no_settings(value, place)
        else:
            close = get_close_matches(name, vars(part).keys() - {name}, 1)
            yield place, f"; did you mean {close[0]!r}?" if close else ""


def _attributes(kind: type) -> Iterator[str]:
    """Names that objects of a class may have: its own, its fields, and those that its methods use."""
    yield from dir(kind)
    if is_dataclass(kind):
        yield from (field.name for field in fields(kind))
    codes = [
        getattr(value, "__code__", None) for base in kind.__mro__ for value in vars(base).values()
    ]
    while codes:
        code = codes.pop()
        if isinstance(code, CodeType):
            yield from code.co_names
            codes += code.co_consts


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
        return without_folder(f"{value.__module__}.{value.__qualname__}")
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):  # tensors and arrays
        return value.tolist()
    names = [field.name for field in fields(value)] if is_dataclass(value) else vars(value)
    settings = {name: _plain(getattr(value, name)) for name in names}
    return {"class": type(value).__qualname__, **settings}
