"""Networks with analog layers in the place of modules: which, where, and what is refused."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import WeightModifierType
from oracle_setup import small_network
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.aihwkit_engine import AihwkitEngine
from lionheart_opt.oracle.rpu import lionheart

ENGINE = AihwkitEngine()
IMAGES = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def perfect() -> TorchInferenceRPUConfig:
    """Tiles that compute exactly."""
    config = lionheart()
    config.forward.is_perfect = True
    config.mapping.max_input_size = 7
    config.mapping.max_output_size = 5
    return config


def test_digital_modules_are_bit_identical_and_the_network_is_untouched() -> None:
    network = small_network().eval()
    before = copy.deepcopy(network.state_dict())
    analog = ENGINE.analog(network, ["conv2"], lionheart()).eval()
    analog.program({"conv2": 0})
    analog.drift(1.0, {"conv2": 0})
    analog(IMAGES)
    assert torch.equal(network.conv1(IMAGES), analog.network.conv1(IMAGES))
    for name, weights in network.state_dict().items():
        assert torch.equal(weights, before[name])


def test_a_module_used_twice_is_analog_in_both_places() -> None:
    shared = nn.Linear(6, 6)
    network = nn.Sequential(shared, nn.ReLU(), shared)
    analog = ENGINE.analog(network, ["0"], lionheart()).eval()
    analog.program({"0": 1})
    analog.drift(1.0, {"0": 1})
    analog(torch.randn(2, 6))
    assert analog.analog["0"].uses == 2
    assert list(analog.weights()) == list(network.state_dict())


def test_the_network_may_be_a_single_layer() -> None:
    network = nn.Linear(4, 3)
    analog = ENGINE.analog(network, [""], perfect()).eval()
    x = torch.randn(2, 4)
    torch.testing.assert_close(analog(x), network(x))
    assert list(analog.weights()) == ["weight", "bias"]


def test_hooks_of_a_module_run() -> None:
    network = nn.Sequential(nn.Linear(4, 3))
    network[0].register_forward_hook(lambda _, __, y: 2 * y)
    config = perfect()
    config.modifier.type = WeightModifierType.NONE
    analog = ENGINE.analog(network, ["0"], config).train()
    x = torch.randn(2, 4)
    torch.testing.assert_close(analog(x), network(x))


@pytest.mark.parametrize(
    ("module", "path", "message"),
    [
        (nn.Conv2d(4, 4, 3, groups=4), "0", "Conv2d"),
        (nn.ConvTranspose2d(1, 1, 1), "0", "ConvTranspose2d"),
        (nn.LayerNorm(2), "0", "LayerNorm"),
        (nn.ReLU(), "0", "ReLU"),
        (nn.Linear(2, 2), "fc", "unknown module 'fc'; allowed: 0"),
        (nn.Linear(2, 2), "0.weight[1:3]", "the parameter has 2 rows"),
        (nn.Linear(2, 2), "0.weight[0:1].T", "the parameter has 2 rows"),
    ],
)
def test_what_cannot_be_analog_is_refused(module: nn.Module, path: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        ENGINE.analog(nn.Sequential(module), [path], lionheart())
