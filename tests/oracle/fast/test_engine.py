"""The fast engine as an engine: networks, fallback, weights."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest
import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.compensation.drift import (
    GlobalDriftCompensationWithExactReference,
    PerColumnDriftCompensation,
)
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from aihwkit.simulator.configs.configs import TorchInferenceRPUConfigIRDropT
from aihwkit.simulator.parameters.enums import (
    BoundManagementType,
    NoiseManagementType,
    WeightModifierType,
)
from fast_setup import FAST, PATH, outputs, programmed
from oracle_setup import NAMES, made_up_examples, small_network
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.aihwkit_engine import AihwkitEngine, AihwkitMatrix
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.fast.engine import FastEngine, not_covered
from lionheart_opt.oracle.fast.matrix import FastMatrix
from lionheart_opt.oracle.rpu import lionheart

Change = Callable[[TorchInferenceRPUConfig], None]


def test_the_engine_is_found_by_name() -> None:
    assert isinstance(engine("fast"), FastEngine)


def test_lionhearts_configuration_is_covered() -> None:
    assert not_covered(lionheart()) == ""


def changed(path: str, value: Any) -> TorchInferenceRPUConfig:
    config: Any = lionheart()
    part = config
    *parents, name = path.split(".")
    for parent in parents:
        part = getattr(part, parent)
    assert hasattr(part, name)
    setattr(part, name, value)
    return config


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("forward.is_perfect", True),
        ("forward.noise_management", NoiseManagementType.CONSTANT),
        ("forward.inp_noise", 0.1),
        ("forward.inp_sto_round", True),
        ("forward.out_sto_round", True),
        ("forward.inp_asymmetry", 0.1),
        ("forward.out_asymmetry", 0.1),
        ("forward.out_scale", -1.0),
        ("forward.out_noise_std", 0.1),
        ("forward.bound_management", BoundManagementType.ITERATIVE_WORST_CASE),
        ("modifier.type", WeightModifierType.DISCRETIZE),
        ("modifier.per_batch_sample", True),
    ],
)
def test_what_is_not_covered_runs_on_aihwkit_and_is_reported(
    path: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    config, simulator = changed(path, value), FastEngine()
    assert path in not_covered(config)
    network = nn.Sequential(nn.Linear(4, 3))
    with caplog.at_level(logging.WARNING, logger="lionheart_opt"):
        analog = simulator.analog(network, [PATH], config)
    assert isinstance(analog.analog[PATH], AihwkitMatrix)
    assert path in simulator.fallen_back[PATH]
    assert path in caplog.text


def test_other_tiles_and_compensations_run_on_aihwkit() -> None:
    assert "simulator_tile_class" in not_covered(TorchInferenceRPUConfigIRDropT())

    class Unusual(GlobalDriftCompensationWithExactReference):
        def init_baseline(self, tile: Any) -> Any:
            return tile.get_hidden_parameters()

    assert not_covered(changed("drift_compensation", Unusual())) == "drift_compensation"


@pytest.mark.parametrize(
    "compensation",
    [None, PerColumnDriftCompensation(), GlobalDriftCompensationWithExactReference()],
)
def test_other_compensations_and_noise_models(compensation: Any) -> None:
    class Doubled(PCMLikeNoiseModel):
        """A user's own noise model."""

        def apply_programming_noise_to_conductance(self, g_target: torch.Tensor) -> torch.Tensor:
            return 2.0 * super().apply_programming_noise_to_conductance(g_target)

    config = changed("drift_compensation", compensation)
    config.noise_model = Doubled(g_max=20.0)
    config.forward.out_noise = 0.0
    config.forward.out_res = -1.0
    torch.manual_seed(0)
    layer, x = nn.Linear(300, 10), torch.randn(30, 300)
    reference, fast = programmed(layer, config)
    torch.testing.assert_close(outputs(fast, x), outputs(reference, x), rtol=1e-3, atol=1e-4)


def test_an_unprogrammed_layer_does_not_evaluate() -> None:
    analog = FAST.analog(nn.Sequential(nn.Linear(4, 3)), [PATH], lionheart()).eval()
    with pytest.raises(RuntimeError, match="programmed"):
        analog(torch.ones(2, 4))
    analog.program({PATH: 0})
    analog.drift(1.0, {PATH: 0})
    analog(torch.ones(2, 4))
    analog.train()
    analog.eval()  # the weights may have changed in between
    with pytest.raises(RuntimeError, match="programmed"):
        analog(torch.ones(2, 4))


def test_digital_modules_are_bit_identical_and_the_network_is_untouched() -> None:
    network, images = small_network().eval(), made_up_examples(5, 0).inputs
    before = copy.deepcopy(network.state_dict())
    analog = FAST.analog(network, ["conv2"], lionheart()).eval()
    analog.program({"conv2": 0})
    analog.drift(1.0, {"conv2": 0})
    analog(images)
    assert torch.equal(network.conv1(images), analog.network.conv1(images))
    assert isinstance(analog.analog["conv2"], FastMatrix)
    for name, weights in network.state_dict().items():
        assert torch.equal(weights, before[name])


def test_weights_are_the_trained_ones_whatever_was_evaluated() -> None:
    analog = FAST.analog(small_network(), NAMES, lionheart())
    clean = analog.weights()
    analog.eval()
    analog.program({name: k for k, name in enumerate(NAMES)})
    analog.drift(1e5, {name: k for k, name in enumerate(NAMES)})
    analog(made_up_examples(5, 0).inputs)
    exported = analog.weights()
    assert list(exported) == list(small_network().state_dict())
    for name, weights in small_network().state_dict().items():
        assert torch.equal(exported[name], clean[name])
        torch.testing.assert_close(exported[name], weights, atol=1e-6, rtol=1e-5)


def test_training_starts_from_the_weights_that_were_saved() -> None:
    analog = FAST.analog(small_network(), NAMES, lionheart()).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.5)
    examples = made_up_examples(32, 0)
    F.cross_entropy(analog(examples.inputs), examples.targets).backward()
    optimizer.step()
    analog.after_step()
    saved = analog.weights()
    network = small_network()
    network.load_state_dict(saved)
    resumed = FAST.analog(network, NAMES, lionheart()).weights()
    assert list(resumed) == list(saved) == list(network.state_dict())
    for name, weights in saved.items():
        torch.testing.assert_close(resumed[name], weights, rtol=1e-5, atol=1e-6)


def test_the_reference_stays_the_reference() -> None:
    analog = AihwkitEngine().analog(small_network(), NAMES, lionheart())
    assert all(isinstance(module, AihwkitMatrix) for module in analog.analog.values())
