"""The five traps of aihwkit do not bite, and its layers compute what they do when used directly."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from aihwkit.nn import AnalogConv2d, AnalogLinear
from aihwkit.optim import AnalogSGD
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_setup import NAMES, small_network
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from lionheart_opt.oracle.aihwkit_engine import AihwkitEngine, share_memory
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.training import with_weights

ENGINE = AihwkitEngine()
IMAGES = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(3))


def perfect() -> TorchInferenceRPUConfig:
    """Tiles that compute exactly."""
    config = lionheart()
    config.forward.is_perfect = True
    config.mapping.max_input_size = 7
    config.mapping.max_output_size = 5
    return config


def seeds(offset: int = 0) -> dict[str, int]:
    return {name: offset + k for k, name in enumerate(NAMES)}


def drifted(offset: int = 0, time_s: float = 86400.0) -> AnalogNetwork:
    """The small network, all analog, programmed and drifted."""
    analog = ENGINE.analog(small_network(), NAMES, lionheart()).eval()
    analog.program(seeds(offset))
    analog.drift(time_s, seeds(offset))
    return analog


def tile_weights(analog: AnalogNetwork) -> dict[str, torch.Tensor]:
    """Weights on the first tile of every layer."""
    assert set(analog.analog) == set(NAMES)
    return {name: module.tiles[0].tile.weight.clone() for name, module in analog.analog.items()}


def step(analog: nn.Module, learning_rate: float = 0.5) -> None:
    """One step of training."""
    optimizer = torch.optim.SGD(analog.parameters(), lr=learning_rate)
    analog(IMAGES).square().sum().backward()
    optimizer.step()
    analog.after_step()


# --- the five traps of the reference code ----------------------------------------------------


def test_every_programming_is_a_draw_of_its_own() -> None:
    analog = drifted(0)
    first = tile_weights(analog)
    analog.program(seeds(100))
    analog.drift(86400.0, seeds(0))  # the same read noise
    second = tile_weights(analog)
    for name in NAMES:
        spread = (second[name] - first[name]).norm() / first[name].norm()
        assert spread > 0.05, f"{name} kept its programming"
    analog.program(seeds(0))
    analog.drift(86400.0, seeds(0))
    for name, weights in tile_weights(analog).items():
        assert torch.equal(weights, first[name])  # and the seed decides it


def test_training_after_an_evaluation_is_not_lost() -> None:
    trained = ENGINE.analog(small_network(), NAMES, lionheart()).train()
    evaluated = drifted().train()
    for analog in (trained, evaluated):
        torch.manual_seed(0)
        step(analog)
    assert {f"{name}.weight" for name in NAMES} <= set(trained.weights())
    for name, weights in trained.weights().items():
        assert torch.equal(weights, evaluated.weights()[name]), name
    # and what is programmed next is the new weights
    evaluated.eval()
    evaluated.program(seeds())
    new = trained.weights()["linear.weight"]
    old = small_network().linear.weight
    tile = evaluated.analog["linear"].tiles[0]
    now = tile.tile.weight * tile.mapping_scales.view(-1, 1)
    assert (now - new).norm() < 0.5 * (now - old).norm()


def test_weights_are_the_trained_ones_whatever_was_evaluated() -> None:
    clean = ENGINE.analog(small_network(), NAMES, lionheart()).weights()
    analog = drifted()
    on_tiles = tile_weights(analog)
    exported = analog.weights()
    assert list(exported) == list(small_network().state_dict())
    for name, weights in small_network().state_dict().items():
        assert torch.equal(exported[name], clean[name])
        torch.testing.assert_close(exported[name], weights, atol=1e-6, rtol=1e-5)
    for name, weights in tile_weights(analog).items():
        assert torch.equal(weights, on_tiles[name])  # reading them out changed nothing


def test_first_and_last_layer_are_programmed_and_drift() -> None:
    analog = ENGINE.analog(small_network(), NAMES, lionheart()).eval()
    clean = tile_weights(analog)
    analog.program(seeds())
    programmed = tile_weights(analog)
    analog.drift(86400.0, seeds())
    for name, weights in tile_weights(analog).items():  # all of them are top-level modules
        assert not torch.equal(programmed[name], clean[name])
        assert weights.abs().mean() < 0.8 * programmed[name].abs().mean(), f"{name} did not drift"
        assert float(analog.analog[name].tiles[0].alpha) > 1.2  # drift compensation


# --- what the engine promises --------------------------------------------------------------------


def test_writing_leaves_what_others_hold_as_it_is() -> None:
    """aihwkit 1.2.0 writes into the tensor that a tile holds."""
    analog = ENGINE.analog(small_network(), NAMES, lionheart()).eval()
    [tile] = analog.analog["linear"].tiles
    for change in (
        lambda: analog.program(seeds()),
        lambda: analog.drift(60.0, seeds()),
        lambda: analog.weights(),
        lambda: analog.train(),
    ):
        shared = tile.tile.weight.data.clone()
        before = shared.clone()
        share_memory(tile, shared)
        change()
        assert torch.equal(shared, before)
        assert tile.tile.weight.data_ptr() != shared.data_ptr()


def test_a_tile_that_holds_something_else_is_refused() -> None:
    class Copies:
        @property
        def data(self) -> torch.Tensor:
            return torch.zeros(2, 2)

        @data.setter
        def data(self, value: torch.Tensor) -> None:
            pass

        def data_ptr(self) -> int:
            return self.data.data_ptr()

    tile = SimpleNamespace(tile=SimpleNamespace(weight=Copies()))
    with pytest.raises(RuntimeError, match=r"aihwkit 1\.[\d.]+: a tile does not hold the weights"):
        share_memory(tile, torch.zeros(2, 2))


def test_parameters_are_those_that_are_trained() -> None:
    analog = ENGINE.analog(small_network(), NAMES, lionheart()).train()
    analog(IMAGES).square().sum().backward()
    parameters = dict(analog.named_parameters())
    assert all(parameter.grad is not None for parameter in parameters.values())
    # of each matrix weights and scale, and of each layer the bias
    own = [
        p for n, p in small_network().named_parameters() if n.removesuffix(".weight") not in NAMES
    ]
    assert len(parameters) == 2 * len(NAMES) + len(own)


def test_weights_that_are_replaced_are_not_kept() -> None:
    analog = ENGINE.analog(small_network(), NAMES, lionheart()).train()
    for tile in analog.analog["linear"].tiles:
        start = StorageWeakRef(tile.tile.weight.data.untyped_storage())
        assert not start.expired()
        step(analog)
        assert start.expired()


def test_states_at_different_times_come_from_one_programming() -> None:
    analog = drifted(time_s=60.0)
    early = tile_weights(analog)
    analog.drift(1e6, seeds())
    analog.drift(60.0, seeds())
    for name, weights in tile_weights(analog).items():
        assert torch.equal(weights, early[name])


def test_random_numbers_elsewhere_are_untouched() -> None:
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    drifted()
    assert torch.equal(torch.randn(3), expected)


# --- parity ---------------------------------------------------------------------------------------


def direct(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """aihwkit by hand: program, drift, compute, each with a seed."""
    layer.eval()
    torch.manual_seed(11)
    layer.program_analog_weights()
    torch.manual_seed(12)
    layer.drift_analog_weights(3600.0)
    torch.manual_seed(13)
    return layer(x)


def ours(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    analog = ENGINE.analog(nn.Sequential(module), ["0"], lionheart()).eval()
    analog.program({"0": 11})
    analog.drift(3600.0, {"0": 12})
    torch.manual_seed(13)
    return analog(x)


def test_linear_over_several_tiles_equals_direct_use() -> None:
    module, x = nn.Linear(300, 520), torch.randn(4, 7, 300)
    assert torch.equal(ours(module, x), direct(AnalogLinear.from_digital(module, lionheart()), x))


def test_convolution_equals_direct_use() -> None:
    module, x = nn.Conv2d(3, 5, 3, stride=2, padding=1), torch.randn(2, 3, 9, 9)
    assert torch.equal(ours(module, x), direct(AnalogConv2d.from_digital(module, lionheart()), x))


def test_a_training_step_equals_direct_use() -> None:
    module, x = nn.Linear(300, 20), torch.randn(16, 300)
    layer = AnalogLinear.from_digital(module, lionheart())
    optimizer = AnalogSGD(layer.parameters(), lr=0.1, momentum=0.9)
    analog = ENGINE.analog(nn.Sequential(module), ["0"], lionheart()).train()
    same = torch.optim.SGD(analog.parameters(), lr=0.1, momentum=0.9)
    for seed in range(3):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        layer(x).square().sum().backward()
        optimizer.step()
        torch.manual_seed(seed)
        same.zero_grad()
        analog(x).square().sum().backward()
        same.step()
        analog.after_step()
    weight, bias = layer.get_weights()
    torch.testing.assert_close(analog.weights()["0.weight"], weight)
    torch.testing.assert_close(analog.weights()["0.bias"], bias)
    assert not torch.equal(weight, module.weight)


@st.composite
def layers(draw: st.DrawFn) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(draw(st.integers(0, 1000)))
    kind = draw(st.sampled_from([nn.Linear, nn.Conv1d, nn.Conv2d]))
    rows, columns = draw(st.integers(1, 17)), draw(st.integers(1, 13))
    bias = draw(st.booleans())
    if kind is nn.Linear:
        tokens = draw(st.sampled_from([(), (3,), (2, 3)]))
        return nn.Linear(rows, columns, bias=bias), torch.randn(2, *tokens, rows)
    padding = draw(st.sampled_from([0, 1, 2, "same", "valid"]))
    stride = 1 if padding == "same" else draw(st.integers(1, 3))
    mode = draw(st.sampled_from(["zeros", "reflect", "circular", "replicate"]))
    module = kind(
        rows,
        columns,
        draw(st.integers(1, 3)),
        stride=stride,
        padding=padding,
        dilation=draw(st.integers(1, 2)),
        bias=bias,
        padding_mode=mode,
    )
    return module, torch.randn(2, rows, *([9, 8] if kind is nn.Conv2d else [9]))


@settings(max_examples=60, deadline=None)
@given(layers())
def test_perfect_tiles_compute_what_the_float_layer_does(
    layer: tuple[nn.Module, torch.Tensor],
) -> None:
    module, x = layer
    analog = ENGINE.analog(nn.Sequential(module), ["0"], perfect()).eval()
    torch.testing.assert_close(analog(x), module(x), atol=1e-4, rtol=1e-4)
    ideal = ENGINE.analog(nn.Sequential(module), ["0"], lionheart()).train()
    ideal.set_ideal({"0"})
    torch.testing.assert_close(ideal(x), module(x), atol=1e-4, rtol=1e-4)
    for name, weights in nn.Sequential(module).state_dict().items():
        torch.testing.assert_close(analog.weights()[name], weights)


def test_a_step_on_ideal_modules_is_a_step_of_the_float_network() -> None:
    config = lionheart()
    config.clip.fixed_value = 10.0  # no clipping: it is not part of the floating-point network
    config.mapping.learn_out_scaling = False
    network = small_network().eval()
    analog = ENGINE.analog(network, NAMES, config).train()
    analog.network.norm.eval()
    analog.network.dropout.eval()
    analog.set_ideal(NAMES)
    step(analog, learning_rate=0.01)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    network(IMAGES).square().sum().backward()
    optimizer.step()
    for name, weights in network.state_dict().items():
        torch.testing.assert_close(analog.weights()[name], weights, atol=1e-5, rtol=1e-4)


# --- what else a configuration can ask for -------------------------------------------------------


def test_columns_without_weights_stay_finite() -> None:
    module = nn.Linear(4, 3)
    with torch.no_grad():
        module.weight[1] = 0.0
    analog = ENGINE.analog(nn.Sequential(module), ["0"], lionheart()).train()
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.1)
    for _ in range(2):
        analog(torch.randn(2, 4))[:, [0, 2]].sum().backward()
        optimizer.step()
        analog.after_step()
    weights = analog.weights()["0.weight"]
    assert torch.isfinite(weights).all()
    assert torch.equal(weights[1], torch.zeros(4))


def test_learned_input_ranges_travel_with_the_weights() -> None:
    config = lionheart()
    config.pre_post.input_range.enable = True
    config.pre_post.input_range.init_from_data = 2
    config.mapping.max_input_size = 4
    network = nn.Sequential(nn.Linear(6, 3))
    analog = ENGINE.analog(network, ["0"], config).train()
    analog(5 * torch.randn(50, 6)).sum().backward()
    weights = analog.weights()
    assert weights["0.input_ranges"].shape == (2, 2)  # two tiles: range, batches seen
    assert (weights["0.input_ranges"][:, 0] > 5).all()
    again = ENGINE.analog(with_weights(network, weights), ["0"], config).eval()
    for tile, row in zip(again.analog["0"].tiles, weights["0.input_ranges"], strict=True):
        assert tile.input_range.item() == pytest.approx(float(row[0]))
        assert tile.input_range_update_idx.item() == 1.0
    kept = ENGINE.analog(with_weights(network, weights), [], config).weights()
    assert torch.equal(kept["0.input_ranges"], weights["0.input_ranges"])
