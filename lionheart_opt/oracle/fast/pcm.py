"""aihwkit's PCM-like devices, a tile in one pass over memory.

aihwkit computes them with about a hundred operations of torch on each tile: for a few hundred images
that takes as long as the network's products.
"""

from __future__ import annotations

from math import isfinite, log, sqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.converter.conductance import SinglePairConductanceConverter
from numba import float32, njit

from lionheart_opt.oracle.fast.compiling import compiled_alone, kernel
from lionheart_opt.oracle.fast.elementary import exponential, logarithm
from lionheart_opt.oracle.fast.simd import (
    LANES,
    add,
    divided,
    load,
    magnitude,
    maximum,
    minimum,
    multiply,
    negative,
    splat,
    store,
    subtract,
)

#: Magnitude of weights from which on aihwkit's conversion scales them up no further.
_LEAST_WEIGHT = 1e-7

#: Attributes of the model and of its conversion; others may change what they compute.
_OF_MODEL = {
    "g_converter",
    "g_max",
    "t_0",
    "t_read",
    "prog_coeff",
    "prog_coeff_g_max_reference",
    "prog_noise_scale",
    "read_noise_scale",
    "drift_scale",
}
_OF_CONVERSION = {"g_max", "g_min", "scale_ratio"}


class Devices(NamedTuple):
    """What the kernels know of devices; conductances are in aihwkit's unit.

    Args:
        g_min: Smallest conductance.
        g_max: Largest conductance that a weight is converted to, before `g_min` is added.
        g_reference: What conductances are divided by.
        coefficients: Programming noise as a polynomial of the relative conductance.
        programming: Scales of the polynomial, and of the noise.
        drift: Scale of drift coefficients.
        read: Scale of read noise.
    """

    g_min: np.float32
    g_max: np.float32
    g_reference: np.float32
    coefficients: np.ndarray
    programming: tuple[np.float32, np.float32]
    drift: np.float32
    read: np.float32


class PcmDevices:
    """The two methods of a `PCMLikeNoiseModel` that tiles need, with its random numbers.

    Results are those of the model up to rounding errors of the last places. The formulas are its own:
    programming noise, drift coefficients and read noise of S. R. Nandakumar et al., ICECS 2019.

    Args:
        model: A model that `covers` approves of.
    """

    def __init__(self, model: PCMLikeNoiseModel) -> None:
        converter = model.g_converter
        self._model = model
        self._devices = Devices(
            g_min=np.float32(converter.g_min),
            g_max=np.float32(converter.g_max),
            g_reference=np.float32(model.g_max),
            coefficients=np.array(model.prog_coeff, np.float32),
            programming=(
                np.float32(model.g_max / model.prog_coeff_g_max_reference),
                np.float32(model.prog_noise_scale),
            ),
            drift=np.float32(model.drift_scale),
            read=np.float32(model.read_noise_scale),
        )

    def apply_programming_noise(self, weights: torch.Tensor) -> tuple[torch.Tensor, Any]:
        """See `BaseNoiseModel.apply_programming_noise`."""
        scale = self._scale(weights)
        if not isfinite(scale):
            written: tuple[torch.Tensor, Any] = self._model.apply_programming_noise(weights)
            return written
        n, targets = weights.numel(), _flat(weights)
        numbers = [_normal(weights) for _ in range(4)]
        made, plus, minus = (torch.empty_like(targets) for _ in range(3))
        with compiled_alone(_program):
            _program(
                targets.numpy(),
                (numbers[0].numpy(), numbers[2].numpy()),
                (numbers[1].numpy(), numbers[3].numpy()),
                self._devices,
                np.float32(scale),
                made.numpy(),
                (plus.numpy(), minus.numpy()),
            )
        return made[:n].view(weights.shape), [
            each[:n].view(weights.shape) for each in (plus, minus)
        ]

    def apply_drift_noise(
        self, weights: torch.Tensor, drift_noise_parameters: Any, t_inference: float
    ) -> torch.Tensor:
        """See `BaseNoiseModel.apply_drift_noise`."""
        model, time_s = self._model, t_inference + self._model.t_0
        scale = self._scale(weights)
        if not isfinite(scale) or time_s <= model.t_read:
            drifted: torch.Tensor = model.apply_drift_noise(
                weights, drift_noise_parameters, t_inference
            )
            return drifted
        written = _flat(weights)
        made = torch.empty_like(written)
        plus, minus = (_flat(each).numpy() for each in drift_noise_parameters)
        with compiled_alone(_drift):
            _drift(
                written.numpy(),
                (plus, minus),
                (_normal(weights).numpy(), _normal(weights).numpy()),
                self._devices,
                np.float32(scale),
                np.float32(log(max(time_s / model.t_0, 1.0))),
                np.float32(sqrt(log((time_s + model.t_read) / (2 * model.t_read)))),
                made.numpy(),
            )
        return made[: weights.numel()].view(weights.shape)

    def _scale(self, weights: torch.Tensor) -> float:
        """Conductance of a weight of 1; infinite or NaN if a weight is."""
        converter = self._model.g_converter
        largest = float(weights.abs().max())
        span: float = converter.g_max - converter.g_min
        return span / max(largest, _LEAST_WEIGHT) if isfinite(largest) else largest


def covers(model: Any) -> bool:
    """Whether `PcmDevices` computes what a noise model does."""
    if type(model) is not PCMLikeNoiseModel or vars(model).keys() != _OF_MODEL:
        return False
    converter = model.g_converter
    return (
        type(converter) is SinglePairConductanceConverter
        and vars(converter).keys() == _OF_CONVERSION
        and model.t_0 > 0
        and model.t_read > 0
    )


def _padded(n: int) -> int:
    return -(-n // LANES) * LANES


def _flat(values: torch.Tensor) -> torch.Tensor:
    """The values in a row, filled up with zeros to whole vectors."""
    n = values.numel()
    if n % LANES == 0:
        return values.contiguous().view(-1)
    made = values.new_zeros(_padded(n))
    made[:n] = values.reshape(-1)
    return made


def _normal(like: torch.Tensor) -> torch.Tensor:
    """The numbers of `torch.randn_like`, filled up as in `_flat`."""
    n = like.numel()
    made = like.new_zeros(_padded(n))
    made[:n].normal_()
    return made


@njit(error_model="numpy", forceinline=True)
def _conductance(weight: Any, devices: Any, scale: Any) -> Any:
    """Conductance of the device for positive weights."""
    scaled = multiply(weight, splat(scale))
    limited = minimum(maximum(scaled, splat(float32(0.0))), splat(devices.g_max))
    return add(limited, splat(devices.g_min))


@njit(error_model="numpy", forceinline=True)
def _written(target: Any, number: Any, devices: Any) -> Any:
    """Conductance after programming."""
    relative = divided(target, splat(devices.g_reference))
    spread, power = splat(devices.coefficients[0]), relative
    for k in range(1, len(devices.coefficients)):
        spread = add(multiply(power, splat(devices.coefficients[k])), spread)
        power = multiply(power, relative)
    for factor in devices.programming:
        spread = multiply(spread, splat(factor))
    return maximum(add(multiply(spread, number), target), splat(float32(0.0)))


@njit(error_model="numpy", forceinline=True)
def _coefficient(target: Any, number: Any, devices: Any) -> Any:
    """Drift coefficient."""
    relative = divided(target, splat(devices.g_reference))
    x = logarithm(maximum(magnitude(relative), splat(float32(1e-7))))
    mean = add(multiply(x, splat(float32(-0.0155))), splat(float32(0.0244)))
    mean = minimum(maximum(mean, splat(float32(0.049))), splat(float32(0.1)))
    spread = subtract(multiply(x, splat(float32(-0.0125))), splat(float32(0.0059)))
    spread = minimum(maximum(spread, splat(float32(0.008))), splat(float32(0.045)))
    return multiply(magnitude(add(multiply(spread, number), mean)), splat(devices.drift))


@njit(error_model="numpy", forceinline=True)
def _drifted(
    written: Any, coefficient: Any, number: Any, devices: Any, elapsed: Any, noise: Any
) -> Any:
    """Conductance after a time, with read noise."""
    factor = exponential(multiply(negative(coefficient), splat(elapsed)))
    drifted = multiply(written, factor)
    relative = divided(magnitude(written), splat(devices.g_reference))
    # a conductance of 0 is far beyond where the noise is limited
    x = logarithm(maximum(relative, splat(float32(1e-30))))
    power = exponential(multiply(x, splat(float32(0.65))))
    spread = divided(splat(float32(0.0088)), maximum(power, splat(float32(1e-3))))
    spread = multiply(minimum(spread, splat(float32(0.2))), splat(noise))
    scaled = multiply(magnitude(drifted), splat(devices.read))
    noisy = add(multiply(multiply(scaled, spread), number), drifted)
    return maximum(noisy, splat(float32(0.0)))


@njit(error_model="numpy", forceinline=True)
def _weight(plus: Any, minus: Any, devices: Any, scale: Any) -> Any:
    """Weight of a pair of devices."""
    g_min = splat(devices.g_min)
    return divided(subtract(subtract(plus, g_min), subtract(minus, g_min)), splat(scale))


@kernel
def _program(
    targets: Any,
    numbers: Any,
    drift_numbers: Any,
    devices: Any,
    scale: Any,
    written: Any,
    coefficients: Any,
) -> None:
    """Write weights, and draw the drift coefficients of their devices.

    Args:
        targets: Weights.
        numbers: Normal numbers of programming, for positive and for negative weights.
        drift_numbers: Those of drift coefficients.
        devices: The `Devices`.
        scale: Conductance of a weight of 1.
        written: Weights after programming, which are overwritten.
        coefficients: Drift coefficients, which are overwritten.
    """
    for i in range(0, len(targets), LANES):
        target = load(targets, i)
        plus = _conductance(target, devices, scale)
        minus = _conductance(negative(target), devices, scale)
        store(coefficients[0], i, _coefficient(plus, load(drift_numbers[0], i), devices))
        store(coefficients[1], i, _coefficient(minus, load(drift_numbers[1], i), devices))
        plus = _written(plus, load(numbers[0], i), devices)
        minus = _written(minus, load(numbers[1], i), devices)
        store(written, i, _weight(plus, minus, devices, scale))


@kernel
def _drift(
    written: Any,
    coefficients: Any,
    numbers: Any,
    devices: Any,
    scale: Any,
    elapsed: Any,
    noise: Any,
    drifted: Any,
) -> None:
    """Let weights drift.

    Args:
        written: Weights after programming.
        coefficients: Drift coefficients, of devices for positive and for negative weights.
        numbers: Normal numbers of read noise, likewise.
        devices: The `Devices`.
        scale: Conductance of a weight of 1.
        elapsed: Logarithm of the time in units of the time when drift begins.
        noise: How much read noise has grown in that time.
        drifted: Weights after that time, which are overwritten.
    """
    for i in range(0, len(written), LANES):
        weight = load(written, i)
        plus = _conductance(weight, devices, scale)
        minus = _conductance(negative(weight), devices, scale)
        plus = _drifted(
            plus, load(coefficients[0], i), load(numbers[0], i), devices, elapsed, noise
        )
        minus = _drifted(
            minus, load(coefficients[1], i), load(numbers[1], i), devices, elapsed, noise
        )
        store(drifted, i, _weight(plus, minus, devices, scale))
