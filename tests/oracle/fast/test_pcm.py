"""Kernels for PCM-like devices: what aihwkit's own model computes, from the same random numbers."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.converter.conductance import (
    DualPairConductanceConverter,
    SinglePairConductanceConverter,
)
from aihwkit.inference.noise.pcm import CustomDriftPCMLikeNoiseModel
from torch import Tensor

from lionheart_opt.oracle.fast.pcm import PcmDevices, covers

HOUR, YEAR = 3600.0, 3.15e7

MODELS = {
    "lionheart": {"g_max": 25.0},
    "other conductances": {"g_converter": SinglePairConductanceConverter(g_max=90.0, g_min=10.0)},
    "own polynomial": {"g_max": 20.0, "prog_coeff": [0.1, 0.7, -0.3, 0.2]},
    "constant": {"g_max": 25.0, "prog_coeff": [0.4]},
    "scales": {
        "g_max": 25.0,
        "prog_noise_scale": 0.5,
        "read_noise_scale": 3.0,
        "drift_scale": 1.7,
    },
    "no noise": {
        "g_max": 25.0,
        "prog_noise_scale": 0.0,
        "read_noise_scale": 0.0,
        "drift_scale": 0.0,
    },
    "other times": {"g_max": 25.0, "t_0": 3.0, "t_read": 1e-4},
}


def weights(shape: tuple[int, ...] = (20, 30)) -> Tensor:
    made = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    made.view(-1)[::7] = 0.0
    return made


def drawn(seed: int, compute: Any, *arguments: Any) -> tuple[Any, Tensor]:
    """A result with that seed, and the next random number."""
    torch.manual_seed(seed)
    return compute(*arguments), torch.rand(())


@pytest.mark.parametrize("shape", [(20, 30), (1, 1), (3, 5), (256, 256), (16, 147)])
@pytest.mark.parametrize("name", MODELS)
def test_results_and_random_numbers_are_those_of_aihwkit(name: str, shape: tuple[int, int]) -> None:
    model = PCMLikeNoiseModel(**deepcopy(MODELS[name]))
    assert covers(model)
    ours, target = PcmDevices(model), weights(shape)
    (written, parameters), after = drawn(1, model.apply_programming_noise, target)
    (made, coefficients), our_after = drawn(1, ours.apply_programming_noise, target)
    assert after == our_after
    close: Any = torch.testing.assert_close
    close(made, written, rtol=2e-6, atol=1e-6)
    for one, other in zip(coefficients, parameters, strict=True):
        close(one, other, rtol=2e-6, atol=1e-7)
    for time_s in (0.0, 1.0, HOUR, YEAR):
        drifted, after = drawn(2, model.apply_drift_noise, written, parameters, time_s)
        moved, our_after = drawn(2, ours.apply_drift_noise, written, parameters, time_s)
        assert after == our_after and moved.shape == shape
        close(moved, drifted, rtol=2e-6, atol=2e-6)


def test_the_weights_given_stay_as_they_are() -> None:
    target = weights()
    ours = PcmDevices(PCMLikeNoiseModel(g_max=25.0))
    made, coefficients = ours.apply_programming_noise(target)
    before = made.clone(), [each.clone() for each in coefficients]
    ours.apply_drift_noise(made, coefficients, HOUR)
    assert torch.equal(target, weights())
    assert torch.equal(made, before[0])
    assert all(map(torch.equal, coefficients, before[1]))


@pytest.mark.parametrize("strided", [lambda w: w.T, lambda w: w[::2, 1:-2], lambda w: w[:, 3:4]])
def test_weights_that_are_a_part_of_others(strided: Any) -> None:
    target, model = strided(weights()), PCMLikeNoiseModel(g_max=25.0)
    written, _ = drawn(1, model.apply_programming_noise, target.contiguous())
    made, _ = drawn(1, PcmDevices(model).apply_programming_noise, target)
    torch.testing.assert_close(made[0], written[0], rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_stay_visible(value: float) -> None:
    target, model = weights(), PCMLikeNoiseModel(g_max=25.0)
    target[3, 4] = value
    expected, _ = drawn(1, model.apply_programming_noise, target)
    made, _ = drawn(1, PcmDevices(model).apply_programming_noise, target)
    assert torch.equal(made[0].isnan(), expected[0].isnan())
    assert made[0].isnan().any()
    drifted = PcmDevices(model).apply_drift_noise(*made, HOUR)
    assert drifted.isnan().any()


def test_weights_of_zero_have_the_noise_of_the_smallest_conductance() -> None:
    target, model = torch.zeros(40, 50), PCMLikeNoiseModel(g_max=25.0)
    (written, parameters), _ = drawn(1, model.apply_programming_noise, target)
    (made, coefficients), _ = drawn(1, PcmDevices(model).apply_programming_noise, target)
    torch.testing.assert_close(made, written, rtol=2e-6, atol=1e-12)
    assert float(made.std()) > 0
    drifted, _ = drawn(2, model.apply_drift_noise, written, parameters, HOUR)
    moved, _ = drawn(2, PcmDevices(model).apply_drift_noise, made, coefficients, HOUR)
    torch.testing.assert_close(moved, drifted, rtol=1e-5, atol=1e-12)


def test_a_time_before_the_first_reading_is_left_to_aihwkit() -> None:
    model = PCMLikeNoiseModel(g_max=25.0, t_0=1e-3, t_read=0.01)
    target = weights()
    (written, parameters), _ = drawn(1, model.apply_programming_noise, target)
    expected, _ = drawn(2, model.apply_drift_noise, written, parameters, 5e-3)
    moved, _ = drawn(2, PcmDevices(model).apply_drift_noise, written, parameters, 5e-3)
    assert torch.equal(expected.isnan(), moved.isnan())


class Own(PCMLikeNoiseModel):  # type: ignore[misc]  # aihwkit has no types
    """May compute anything."""


def _changed() -> Any:
    model = PCMLikeNoiseModel(g_max=25.0)
    model.apply_programming_noise_to_conductance = lambda target: target
    return model


def _with_other_conversion() -> Any:
    model = PCMLikeNoiseModel(g_max=25.0)
    model.g_converter.convert_to_conductances = lambda weights: ([weights, weights], {})
    return model


def test_only_the_model_itself_is_covered() -> None:
    others = [
        Own(g_max=25.0),
        PCMLikeNoiseModel(g_converter=DualPairConductanceConverter(f_lst=[1.0, 2.0], g_max=25.0)),
        CustomDriftPCMLikeNoiseModel(
            {"g_lst": [0.0, 25.0], "nu_mean_lst": [0.05, 0.05], "nu_std_lst": [0.01, 0.01]},
            g_max=25.0,
        ),
        PCMLikeNoiseModel(g_max=25.0, t_0=0.0),
        _changed(),
        _with_other_conversion(),
        None,
    ]
    assert not any(map(covers, others))
