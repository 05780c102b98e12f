"""RPU configurations in which a single source of error is left, the others switched off."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any, NamedTuple

import torch
from aihwkit.inference.noise.base import BaseNoiseModel
from torch import Tensor

from lionheart_opt.oracle.fast.tiles import Converters
from lionheart_opt.oracle.seeds import seeded
from lionheart_opt.oracle.stuck import StuckDevices

#: Source -> the setting of aihwkit's noise models that scales it.
_SCALES = {
    "programming": "prog_noise_scale",
    "drift": "drift_scale",
    "read": "read_noise_scale",
}


class Alone(NamedTuple):
    """A configuration with one source of error.

    Attributes:
        config: The configuration.
        without: The same without the source, where what is left is not exact; None where it is.
    """

    config: Any
    without: Any = None


class NoNoise(BaseNoiseModel):  # type: ignore[misc]
    """A noise model without noise."""

    def apply_programming_noise(self, weights: Tensor) -> tuple[Tensor, list[Any]]:
        """The weights, unchanged."""
        return weights.clone(), []

    def apply_drift_noise(
        self,
        weights: Tensor,
        drift_noise_parameters: Any,  # noqa: ARG002
        t_inference: float,  # noqa: ARG002
    ) -> Tensor:
        """The weights, unchanged."""
        return weights.clone()

    def apply_programming_noise_to_conductance(self, g_target: Tensor) -> Tensor:
        """The conductances, unchanged."""
        return g_target

    def apply_drift_noise_to_conductance(
        self,
        g_prog: Tensor,
        drift_noise_param: Any,  # noqa: ARG002
        t_inference: float,  # noqa: ARG002
    ) -> Tensor:
        """The conductances, unchanged."""
        return g_prog


def sources_alone(rpu_config: Any, time_s: float) -> tuple[dict[str, Alone], str]:
    """Configurations with one source of error each, and what cannot be told apart.

    Sources are those of `lionheart_opt.diagnosis.SOURCES`, but for `all`; those that the configuration
    does not have are left out. Weights, their scales and tiles are the same in all, and so are the
    random numbers with the same seed.

    Args:
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
        time_s: Time since programming.

    Returns:
        Source -> configuration; and a sentence if programming, drift and read noise cannot be told
        apart, else an empty text.
    """
    found, note = {}, ""
    model = rpu_config.noise_model
    device = model.model if isinstance(model, StuckDevices) else model
    if isinstance(model, StuckDevices):
        quiet = NoNoise(model.g_converter)
        found["stuck"] = Alone(
            _devices(rpu_config, StuckDevices(quiet, model.at_g_min, model.at_g_max))
        )
    if _is_separable(device, time_s):
        for source in _SCALES:
            if getattr(device, _SCALES[source]) != 0:
                found[source] = Alone(_devices(rpu_config, _only(device, source)))
    else:
        note = (
            f"noise model {type(device).__name__}: programming, drift and read noise cannot be told "
            "apart"
        )
    found["devices"] = Alone(_devices(rpu_config, model))
    if not rpu_config.forward.is_perfect:
        found["converters"] = Alone(_periphery(rpu_config, noise=False))
        if rpu_config.forward.out_noise > 0 or rpu_config.forward.inp_noise > 0:
            found["output_noise"] = Alone(
                *(_without_steps(_periphery(rpu_config, noise)) for noise in (True, False))
            )
    return found, note


def _devices(rpu_config: Any, noise_model: Any) -> Any:
    """Only the devices, with drift compensation; converters and input ranges are ideal."""
    config = deepcopy(rpu_config)
    config.noise_model = deepcopy(noise_model)
    config.forward.is_perfect = True
    config.pre_post.input_range.enable = False
    return config


def _periphery(rpu_config: Any, noise: bool) -> Any:
    """Only what surrounds the devices, with or without the noise of it."""
    config = deepcopy(rpu_config)
    config.noise_model, config.drift_compensation = NoNoise(), None
    if not noise:
        config.forward.out_noise = config.forward.out_noise_std = 0.0
        config.forward.inp_noise = 0.0
    return config


def _without_steps(config: Any) -> Any:
    """Converters that do not round, in place; their ranges stay, and so do the retries at most."""
    limit = Converters.of(config.forward).retry_limit
    if limit > 0:
        config.forward.max_bm_factor = limit
    config.forward.inp_res = config.forward.out_res = -1
    return config


def _only(model: Any, source: str) -> Any:
    """A noise model with one source of noise."""
    model = copy(model)
    for other, scale in _SCALES.items():
        if other != source:
            setattr(model, scale, 0.0)
    return model


def _is_separable(model: Any, time_s: float) -> bool:
    """Whether a noise model can switch its sources off, and has no others."""
    if not all(isinstance(getattr(model, scale, None), int | float) for scale in _SCALES.values()):
        return False
    silent, weights = _only(model, ""), torch.linspace(-1, 1, 8).view(2, 4)
    with torch.no_grad(), seeded(0, torch.device("cpu")):
        written, parameters = silent.apply_programming_noise(weights)
        drifted = silent.apply_drift_noise(written, parameters, time_s)
    return torch.allclose(drifted, weights, rtol=1e-4, atol=1e-5)
