"""Numbers near the lower end of float32 count as zero, on both engines: no NaN, no infinity."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from fast_setup import PATH, both, outputs, programmed, silent
from torch import nn

from lionheart_opt.oracle.fast import matrix
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.tiny import SMALLEST

TINY_WEIGHTS = [0.0, 1e-19, 1e-24, 1e-38, 1e-42]
TINY_INPUTS = [1e-19, 1e-38, 2e-39, 1e-42, 1e-45]
LAYERS = {"linear": lambda: nn.Linear(6, 4), "conv2d": lambda: nn.Conv2d(6, 4, 1)}


@pytest.fixture(params=["kernels", "plain torch"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How the fast engine computes."""
    if request.param == "plain torch":
        monkeypatch.setattr(matrix, "numba_works", lambda: False)


def layer_of(kind: str, channel: float) -> Any:
    """A layer whose second output channel has weights of that magnitude."""
    torch.manual_seed(0)
    layer: Any = LAYERS[kind]()
    with torch.no_grad():
        layer.weight[1] = channel * layer.weight[1].sign()
    return layer


def inputs(kind: str) -> torch.Tensor:
    x = torch.randn(5, 6, generator=torch.Generator().manual_seed(1))
    return x if kind == "linear" else x.view(5, 6, 1, 1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("columnwise", [True, False])
@pytest.mark.parametrize("channel", TINY_WEIGHTS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_tiny_channel_trains_like_one_of_zeros(
    kind: str, channel: float, columnwise: bool
) -> None:
    config = silent(lionheart())
    config.mapping.weight_scaling_columnwise = columnwise
    trained = []
    for weights in (channel, 0.0):
        for network in both(layer_of(kind, weights), config):
            network.train()
            optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
            for _ in range(3):
                optimizer.zero_grad()
                (network(inputs(kind)) - 1.0).square().mean().backward()
                optimizer.step()
                network.after_step()
            trained.append(network.weights())
    for tensors in trained:
        for name, tensor in tensors.items():
            torch.testing.assert_close(tensor, trained[0][name], rtol=1e-4, atol=1e-6)
    assert trained[0][f"{PATH}.weight"][1].abs().max() > 1e-3  # it has learned


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("channel", TINY_WEIGHTS)
@pytest.mark.parametrize("kind", LAYERS)
def test_a_tiny_channel_is_measured_as_its_bias(kind: str, channel: float) -> None:
    layer = layer_of(kind, channel)
    expected = layer.bias.detach()[1]
    for network in programmed(layer, lionheart()):
        y = outputs(network, inputs(kind))
        assert bool(y.isfinite().all())
        if channel:  # noise of a channel of zeros has the scale 1, that of a scaled one its own
            continue
        assert (y[:, 1] - expected).abs().max() < 1.0
    for network in programmed(layer, silent(lionheart())):
        y = outputs(network, inputs(kind))[:, 1]
        torch.testing.assert_close(y, expected.expand_as(y), rtol=0, atol=1e-1)


@pytest.mark.usefixtures("way")
def test_a_layer_of_tiny_weights_is_one_of_zeros() -> None:
    layer = nn.Linear(6, 4)
    with torch.no_grad():
        layer.weight *= 1e-30
    for network in both(layer, silent(lionheart())):
        assert bool((network.weights()[f"{PATH}.weight"] == 0).all())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("management", list(BoundManagementType)[:2])
@pytest.mark.parametrize("tiny", TINY_INPUTS)
@pytest.mark.parametrize("kind", LAYERS)
def test_tiny_inputs_are_zeros(kind: str, tiny: float, management: BoundManagementType) -> None:
    config = silent(lionheart())
    config.forward.noise_management = NoiseManagementType.ABS_MAX
    config.forward.bound_management = management
    x = inputs(kind)
    x[1] = tiny
    x[2] = -tiny
    x[3, 0] = tiny  # beside larger ones
    zeros = torch.where(x.abs() < SMALLEST, 0.0, x)
    layer = layer_of(kind, 1.0)
    for make in (programmed, both):
        for network in make(layer, config):
            expected = outputs(network, zeros)
            torch.testing.assert_close(outputs(network, x), expected, rtol=1e-6, atol=1e-6)
            nothing = outputs(network, torch.full_like(x, tiny))
            torch.testing.assert_close(nothing, outputs(network, torch.zeros_like(x)))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("tiny", TINY_INPUTS)
@pytest.mark.parametrize("kind", LAYERS)
def test_gradients_of_tiny_inputs_are_those_of_zeros(kind: str, tiny: float) -> None:
    x = inputs(kind)
    x[1] = tiny
    zeros = x.clone()
    zeros[1] = 0.0
    networks = both(layer_of(kind, 1.0), silent(lionheart()))
    gradients = []
    for network in networks:
        network.train()
        for value in (zeros, x):
            leaf = value.clone().requires_grad_()
            network.zero_grad()
            network(leaf).square().sum().backward()
            gradients.append([leaf.grad, *(p.grad for p in network.parameters())])
    for pair in (gradients[:2], gradients[2:]):
        for expected, gradient in zip(*pair, strict=True):
            assert (expected is None) == (gradient is None)
            if expected is not None and gradient is not None:
                torch.testing.assert_close(gradient, expected, rtol=1e-5, atol=1e-6)
