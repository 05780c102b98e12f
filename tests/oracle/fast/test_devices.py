"""Without the CPU kernels (no numba, or CUDA) the fast engine trains and evaluates as with them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.enums import NoiseManagementType
from fast_setup import FAST, outputs, silent
from oracle_setup import NAMES, made_up_examples, small_network
from torch.nn import functional as F

from lionheart_opt.oracle.fast import matrix
from lionheart_opt.oracle.rpu import lionheart

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    ],
)
SEEDS = {name: number for number, name in enumerate(NAMES)}
EXAMPLES = made_up_examples(60, 3)


@pytest.fixture(params=["cpu", CUDA])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


def configuration(scaling: str) -> Any:
    config = silent(lionheart())
    config.mapping.max_input_size, config.mapping.max_output_size = 20, 5
    if scaling == "learned ranges":
        config.forward.noise_management = NoiseManagementType.NONE
        config.pre_post.input_range.enable = True
        config.pre_post.input_range.learn_input_range = True
        config.pre_post.input_range.init_from_data = 2
    return config


def trained(config: Any, device: torch.device) -> tuple[Any, list[float]]:
    """A network after some steps, on the fast engine, and the loss of each step."""
    network = small_network().to(device)
    network.dropout.p = 0.0  # its masks differ between devices
    analog = FAST.analog(network, NAMES, config).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.05, momentum=0.9)
    images, labels = EXAMPLES.inputs.to(device), EXAMPLES.targets.to(device)
    losses = []
    for part in torch.arange(60, device=device).split(20):
        optimizer.zero_grad()
        loss = F.cross_entropy(analog(images[part]), labels[part])
        loss.backward()
        optimizer.step()
        analog.after_step()
        losses.append(float(loss.detach()))
    return analog, losses


def evaluated(analog: Any, device: torch.device) -> torch.Tensor:
    """Outputs a day after programming."""
    analog.eval()
    analog.program(SEEDS)
    analog.drift(86400.0, SEEDS)
    return outputs(analog, EXAMPLES.inputs.to(device)).cpu()


@pytest.mark.parametrize("scaling", ["dynamic", "learned ranges"])
def test_networks_train_and_evaluate_as_with_the_kernels(
    scaling: str, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_kernels, losses = trained(configuration(scaling), torch.device("cpu"))
    expected = evaluated(with_kernels, torch.device("cpu"))
    assert with_kernels.analog["conv1"]._kernels
    monkeypatch.setattr(matrix, "numba_works", lambda: False)
    analog, losses_without = trained(configuration(scaling), device)
    assert losses_without == pytest.approx(losses, rel=1e-3)
    theirs = with_kernels.weights()
    assert {f"{name}.weight" for name in NAMES} <= set(theirs)
    for name, weights in analog.weights().items():
        torch.testing.assert_close(weights, theirs[name], rtol=1e-3, atol=1e-4)
    # the DAC's rounding turns the last bits of the weights into levels
    assert (evaluated(analog, device) - expected).std() < 0.01 * expected.std()
    assert not analog.analog["conv1"]._kernels


def test_output_noise_follows_the_seeds_and_differs_between_passes(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "numba_works", lambda: False)
    images = EXAMPLES.inputs.to(device)
    analog = FAST.analog(small_network().to(device), NAMES, lionheart())
    first = evaluated(analog, device)
    again = outputs(analog, images).cpu()
    assert torch.equal(evaluated(analog, device), first)
    assert (again - first).std() > 0.01 * first.std()
    analog.rewind(20, 20)
    part = outputs(analog, images[20:40])
    outputs(analog, images)
    analog.rewind(20, 20)
    assert torch.equal(outputs(analog, images[20:40]), part)


def test_modules_may_be_ideal_in_training(
    device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matrix, "numba_works", lambda: False)
    network = small_network().to(device).train()
    network.dropout.p = 0.0
    analog = FAST.analog(network, NAMES, lionheart()).train()
    analog.set_ideal(NAMES)
    images = EXAMPLES.inputs.to(device)
    y = analog(images)
    torch.testing.assert_close(y, network(images), rtol=1e-3, atol=1e-4)
    y.sum().backward()
    assert all(module.weight.grad.abs().sum() > 0 for module in analog.analog.values())
