"""Stuck devices: a share of the conductances of a chip that cannot be programmed (its yield)."""

from __future__ import annotations

from copy import deepcopy
from math import inf
from typing import Any, NamedTuple

import torch
from aihwkit.inference.noise.base import BaseNoiseModel
from torch import Tensor

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.seeds import seeded
from lionheart_opt.text import shown

_CPU = torch.device("cpu")


class Programmed(NamedTuple):
    """What is remembered of a programmed tile with stuck devices.

    Attributes:
        weights: What the tile would hold without stuck devices.
        parameters: The noise model's own drift parameters.
        stuck: For each device of a unit cell, the conductances that are stuck; NaN elsewhere.
        conductances: For each device, its conductance after programming.
        coefficients: For each device, its drift coefficients.
        conversion: What turns conductances back into weights.
    """

    weights: Tensor
    parameters: Any
    stuck: list[Tensor]
    conductances: list[Tensor]
    coefficients: list[Any]
    conversion: Any


class StuckDevices(BaseNoiseModel):  # type: ignore[misc]
    """A noise model some of whose devices are stuck at the smallest or largest conductance.

    Every device of a unit cell is stuck by itself, with the same probability, in every programming of a
    tile anew: another draw is another chip. A stuck device neither takes what is programmed nor drifts,
    and has no read noise. The other devices of its cell are programmed, drift and have noise. Cells
    without a stuck device have exactly the weights that they have without this wrapper, with the same
    seed.

    It is a noise model as aihwkit's own are, so both engines use it.

    Args:
        model: The noise model of devices that work.
        at_g_min: Share of the devices that are stuck at the smallest conductance, from 0 to 1.
        at_g_max: Share of the devices that are stuck at the largest conductance.

    Raises:
        InputError: A share is not from 0 to 1, both together are more than 1, the conversion of `model`
            does not say its smallest and largest conductance, or it programs no conductances.
    """

    def __init__(self, model: Any, at_g_min: float = 0.0, at_g_max: float = 0.0) -> None:
        super().__init__(model.g_converter)
        for name, share in (("at_g_min", at_g_min), ("at_g_max", at_g_max)):
            if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
                raise InputError(f"stuck devices: {name}: got {shown(share)}; must be from 0 to 1")
        if at_g_min + at_g_max > 1:
            raise InputError(
                f"stuck devices: at_g_min + at_g_max: got {at_g_min + at_g_max:g}; must be at most 1"
            )
        limits = [getattr(self.g_converter, name, inf) for name in ("g_min", "g_max")]
        if isinstance(model, StuckDevices) or inf in limits:
            raise InputError(
                f"stuck devices: {type(model).__name__} with {type(self.g_converter).__name__}: "
                "must be a noise model whose conversion has g_min and g_max, and no stuck devices yet"
            )
        method = "apply_programming_noise_to_conductance"
        if getattr(type(model), method) is getattr(BaseNoiseModel, method):
            raise InputError(
                f"stuck devices: {type(model).__name__} does not program conductances one by one; "
                "must be a noise model that does, such as PCMLikeNoiseModel"
            )
        self.model = model
        self.at_g_min = float(at_g_min)
        self.at_g_max = float(at_g_max)

    @torch.no_grad()
    def apply_programming_noise(self, weights: Tensor) -> tuple[Tensor, Any]:
        """Weights after programming, and what `apply_drift_noise` needs (a `Programmed`)."""
        seed = _next_seed()
        healthy, parameters = self.model.apply_programming_noise(weights)
        with seeded(seed, _CPU):
            targets, conversion = self.g_converter.convert_to_conductances(weights)
            stuck = [self._stuck(target) for target in targets]
            programmed = Programmed(
                weights=healthy,
                parameters=parameters,
                stuck=stuck,
                conductances=[
                    self.model.apply_programming_noise_to_conductance(target.clone())
                    for target in targets
                ],
                coefficients=[
                    self.model.generate_drift_coefficients(target.clone()) for target in targets
                ],
                conversion=conversion,
            )
        return self._weights(healthy, programmed.conductances, programmed), programmed

    @torch.no_grad()
    def apply_drift_noise(
        self,
        weights: Tensor,  # noqa: ARG002
        drift_noise_parameters: Any,
        t_inference: float,
    ) -> Tensor:
        """Weights `t_inference` seconds after programming."""
        programmed: Programmed = drift_noise_parameters
        seed = _next_seed()
        healthy = self.model.apply_drift_noise(
            programmed.weights, programmed.parameters, t_inference
        )
        with seeded(seed, _CPU):
            drifted = [
                self.model.apply_drift_noise_to_conductance(conductance, coefficient, t_inference)
                for conductance, coefficient in zip(
                    programmed.conductances, programmed.coefficients, strict=True
                )
            ]
        return self._weights(healthy, drifted, programmed)

    def _stuck(self, target: Tensor) -> Tensor:
        """Stuck conductances of one device of every cell; NaN where it is not stuck."""
        chance = torch.rand_like(target)
        stuck = torch.full_like(target, torch.nan)
        stuck[chance < self.at_g_min + self.at_g_max] = self.g_converter.g_max
        stuck[chance < self.at_g_min] = self.g_converter.g_min
        return stuck

    def _weights(self, healthy: Tensor, conductances: list[Tensor], chip: Programmed) -> Tensor:
        """Weights of healthy cells as they are, and of others from the conductances of their devices."""
        is_stuck = [~stuck.isnan() for stuck in chip.stuck]
        mixed = [
            torch.where(here, stuck, conductance)
            for here, stuck, conductance in zip(is_stuck, chip.stuck, conductances, strict=True)
        ]
        faulty = self.g_converter.convert_back_to_weights(mixed, chip.conversion)
        return torch.where(torch.stack(is_stuck).any(0), faulty, healthy)


def with_stuck_devices(rpu_config: Any, *, at_g_min: float = 0.0, at_g_max: float = 0.0) -> Any:
    """A copy of an RPU configuration some of whose devices are stuck.

    Args:
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
        at_g_min: Share of the devices that are stuck at the smallest conductance, from 0 to 1.
        at_g_max: Share of the devices that are stuck at the largest conductance.

    Example:
        >>> def config():  # in mine.py; `rpu_config = "mine:config"` in the study file's [oracle]
        ...     return with_stuck_devices(lionheart(), at_g_min=0.005, at_g_max=0.001)

    Raises:
        InputError: See `StuckDevices`.
    """
    copied = deepcopy(rpu_config)
    copied.noise_model = StuckDevices(copied.noise_model, at_g_min, at_g_max)
    return copied


def _next_seed() -> int:
    """A seed that depends on the state of torch's generator, which it leaves as it is."""
    state = torch.default_generator.get_state()
    seed = int(torch.randint(2**62, ()))
    torch.default_generator.set_state(state)
    return seed
