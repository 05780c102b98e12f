"""A weight has one state, whatever uses it: flawless tiles compute and train as the network does."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
from aihwkit.inference.noise.pcm import PCMLikeNoiseModel
from aihwkit.simulator.parameters.enums import (
    BoundManagementType,
    NoiseManagementType,
    WeightClipType,
    WeightModifierType,
    WeightRemapType,
)
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from weight_uses import networks

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.uses import counted_uses, traced_uses, unfused
from lionheart_opt.tracing import trace
from lionheart_opt.workload import Workload

NAMES = list(networks())


def flawless() -> Any:
    """Tiles that compute exactly, on either engine, several to a matrix."""
    config = lionheart()
    config.mapping.max_input_size, config.mapping.max_output_size = 4, 3
    config.mapping.learn_out_scaling = False
    config.forward.inp_res = config.forward.out_res = -1.0
    config.forward.inp_bound = config.forward.out_bound = 1e6
    config.forward.out_noise = 0.0
    config.forward.noise_management = NoiseManagementType.NONE
    config.forward.bound_management = BoundManagementType.NONE
    config.modifier.type = WeightModifierType.NONE
    config.clip.type = WeightClipType.NONE
    config.remap.type = WeightRemapType.NONE
    config.drift_compensation = None
    config.noise_model = PCMLikeNoiseModel(
        prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0
    )
    return config


def case(name: str) -> tuple[nn.Module, Tensor, Workload]:
    network, inputs = networks()[name]
    return network, inputs, trace(network, inputs[:1], name)


def paths_of(workload: Workload) -> list[str]:
    return [path for unit in workload.crossbar_units for path in workload.paths_of(unit)]


def programmed(analog: Any, time_s: float = 60.0) -> Any:
    analog.eval()
    analog.program(dict.fromkeys(analog.analog, 1))
    analog.drift(time_s, dict.fromkeys(analog.analog, 2))
    return analog


@unfused()
def outputs(network: nn.Module, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        y: Tensor = network(inputs.clone())
    return y


@pytest.mark.parametrize("name", NAMES)
def test_products_are_those_of_the_trace(name: str) -> None:
    network, inputs, workload = case(name)
    paths = paths_of(workload)
    traced = traced_uses(workload)
    assert paths and set(paths) <= set(traced)
    counts = counted_uses(network, paths, inputs)
    assert counts == {path: traced[path] for path in paths}


@pytest.mark.parametrize("engine_name", ["fast", "aihwkit"])
@pytest.mark.parametrize("name", NAMES)
def test_flawless_tiles_compute_the_network(name: str, engine_name: Any) -> None:
    network, inputs, workload = case(name)
    expected = outputs(network, inputs)
    paths = paths_of(workload)
    analog = programmed(engine(engine_name).analog(network, paths, flawless()))
    for ideal in ([], *([path] for path in paths), paths[1:], paths):
        analog.set_ideal(ideal)
        torch.testing.assert_close(outputs(analog, inputs), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(outputs(analog, inputs), expected)  # all ideal: bit for bit


@pytest.mark.parametrize("name", NAMES)
def test_each_matrix_computes_on_its_tiles(name: str) -> None:
    """A wrong weight on the tiles of one matrix changes the outputs."""
    network, inputs, workload = case(name)
    expected = outputs(network, inputs)
    paths = paths_of(workload)
    analog = programmed(engine("fast").analog(network, paths, flawless()))
    for path in paths:
        layer = analog.analog[path]
        analog.set_ideal([other for other in paths if other != path])
        layer._hardware.weight *= 1.5
        layer._hardware.packed.clear()
        assert (outputs(analog, inputs) - expected).abs().max() > 1e-4
        programmed(analog)


def plain_step(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """The network's weights after a step of gradient descent."""
    network = deepcopy(network).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(inputs.clone()).square().mean().backward()
    optimizer.step()
    return network.state_dict()


@pytest.mark.parametrize("engine_name", ["fast", "aihwkit"])
@pytest.mark.parametrize("ideal", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_on_flawless_tiles_is_that_of_the_network(
    name: str, ideal: bool, engine_name: Any
) -> None:
    network, inputs, workload = case(name)
    paths = paths_of(workload)
    expected = plain_step(network, inputs)
    analog = engine(engine_name).analog(network, paths, flawless()).train()
    analog.set_ideal(paths[:1] if ideal else ())
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.1)
    analog(inputs.clone()).square().mean().backward()
    optimizer.step()
    analog.after_step()
    weights = analog.weights()
    assert list(weights) == list(expected)
    for key, tensor in expected.items():
        torch.testing.assert_close(weights[key], tensor, rtol=1e-4, atol=1e-5, msg=key)


@pytest.mark.parametrize("name", NAMES)
def test_trained_weights_are_used_by_all(name: str) -> None:
    """In evaluation after a step, ideal matrices and digital uses have the new weights too."""
    network, inputs, workload = case(name)
    paths = paths_of(workload)
    analog = engine("fast").analog(network, paths, flawless()).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.1)
    analog(inputs.clone()).square().mean().backward()
    optimizer.step()
    analog.after_step()
    loaded = deepcopy(network)
    loaded.load_state_dict(analog.weights())
    expected = outputs(loaded, inputs)
    assert not torch.allclose(expected, outputs(network, inputs), atol=1e-4)
    programmed(analog)
    for ideal in ((), paths):
        analog.set_ideal(ideal)
        torch.testing.assert_close(outputs(analog, inputs), expected, rtol=1e-4, atol=1e-5)


def test_rows_that_are_not_analog_are_trained_too() -> None:
    network, inputs, _ = case("slices")
    analog = engine("fast").analog(network, ["weight[0:6]"], flawless()).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.1)
    analog(inputs).square().mean().backward()
    optimizer.step()
    torch.testing.assert_close(analog.weights(), dict(plain_step(network, inputs)))


def test_parts_of_a_product_on_tiles() -> None:
    """Some rows of an attention's projection are analog, others not."""
    network, inputs, _ = case("attention")
    expected = outputs(network, inputs)
    paths = [f"attention.in_proj_weight[{first}:{first + 8}]" for first in (0, 16)]
    analog = programmed(engine("fast").analog(network, paths, flawless()))
    torch.testing.assert_close(outputs(analog, inputs), expected, rtol=1e-4, atol=1e-5)
    assert all(layer.uses for layer in analog.analog.values())


def test_matrices_that_overlap_are_refused() -> None:
    network, _, _ = case("slices")
    with pytest.raises(InputError, match="have weights in common"):
        engine("fast").analog(network, ["weight[0:6]", "weight[5:10]"], flawless())


def test_tied_weights_stay_tied_with_real_tiles() -> None:
    network, inputs, workload = case("tied")
    assert [unit.layers for unit in workload.units] == [("a", "b")]
    analog = engine("fast").analog(network, ["a"], lionheart()).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        analog(inputs).square().mean().backward()
        optimizer.step()
        analog.after_step()
    weights = analog.weights()
    assert torch.equal(weights["a.weight"], weights["b.weight"])
    assert not torch.allclose(weights["a.weight"], network.get_parameter("a.weight"))


class Checkpointed(nn.Module):
    """Runs its first part again for the gradients."""

    def __init__(self, *, reentrant: bool) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 3)
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        h = checkpoint(self.a, x, use_reentrant=self.reentrant)
        return self.b(torch.tanh(h))


@pytest.mark.parametrize("reentrant", [False, True])
def test_layers_that_run_again_for_gradients_are_refused(reentrant: bool) -> None:
    network, x = Checkpointed(reentrant=reentrant), torch.randn(5, 6)
    for paths in (["a", "b"], ["b"]):
        analog = engine("fast").analog(network, paths, lionheart()).train()
        loss = analog(x.clone().requires_grad_()).square().sum()
        if "a" in paths:
            with pytest.raises(InputError, match="switch checkpointing off"):
                analog.backward(loss)
        else:
            analog.backward(loss)  # what runs again is digital
            assert analog.network.a.weight.grad is not None


@pytest.mark.parametrize("engine_name", ["fast", "aihwkit"])
def test_frozen_weights_stay_as_they_are(engine_name: Any) -> None:
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3)), torch.randn(4, 6)
    network[0].requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    analog = engine(engine_name).analog(network, ["0", "2"], lionheart()).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        analog.backward(analog(x).square().mean())
        optimizer.step()
        analog.after_step()
    weights = analog.weights()
    torch.testing.assert_close(weights["0.weight"], before["0.weight"])
    assert torch.equal(weights["0.bias"], before["0.bias"])
    assert not torch.allclose(weights["2.weight"], before["2.weight"])


class Kept(nn.Module):
    """Keeps its weight in a list, too."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 6), nn.Linear(6, 3)
        self.weights = [self.a.weight]

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.a(x))
        return self.b(torch.tanh(functional.linear(h, self.weights[0])))


@pytest.mark.parametrize("steps", [0, 2])
def test_parameters_that_are_kept_elsewhere_are_on_the_same_tiles(steps: int) -> None:
    torch.manual_seed(0)
    network, x = Kept().eval(), torch.randn(4, 6)
    assert [unit.layers for unit in trace(network, x[:1], "kept").units] == [("a", "a_2"), ("b",)]
    analog = engine("fast").analog(network, ["a", "b"], flawless()).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.5)
    for _ in range(steps):
        optimizer.zero_grad()
        analog.backward(analog(x).square().mean())
        optimizer.step()
        analog.after_step()
    loaded = Kept().eval()
    loaded.load_state_dict(analog.weights())
    torch.testing.assert_close(
        outputs(programmed(analog), x), outputs(loaded, x), rtol=1e-4, atol=1e-5
    )
    assert analog.analog["a"].uses == 2 * (steps + 1)


@pytest.mark.parametrize("host", ["fp32", "int8"])
@pytest.mark.parametrize("name", NAMES)
def test_a_network_that_serves_many_mappings_answers_as_one_of_its_own(
    name: str, host: Any
) -> None:
    """Neighbouring rows that are not analog are one product in both, whose sums are rounded alike."""
    network, inputs, workload = case(name)
    network.eval()
    paths, config = paths_of(workload), lionheart()
    digital = None if host == "fp32" else Digital(host=host, inputs=inputs)
    shared = engine("fast").analog(network, paths, config, digital)
    for analog_path in paths:
        own = engine("fast").analog(network, [analog_path], config, digital)
        shared.set_ideal([path for path in paths if path != analog_path])
        expected, answer = outputs(programmed(own), inputs), outputs(programmed(shared), inputs)
        assert torch.equal(answer, expected), analog_path


@pytest.mark.parametrize("engine_name", ["fast", "aihwkit"])
def test_a_loss_without_a_gradient_is_refused(engine_name: Any) -> None:
    network, x = (
        nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)).requires_grad_(False),
        torch.ones(4, 6),
    )
    analog = engine(engine_name).analog(network, ["0"], lionheart()).train()
    with pytest.raises(
        InputError, match="the training loss has no gradient: all weights are frozen"
    ):
        analog.backward(analog(x).square().mean())
