"""Layers and configurations on which the fast engine is held against aihwkit."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from aihwkit.simulator.configs import TorchInferenceRPUConfig
from aihwkit.simulator.parameters.enums import (
    BoundManagementType,
    NoiseManagementType,
    WeightModifierType,
)
from hypothesis import strategies as st
from torch import nn

from lionheart_opt.oracle.aihwkit_engine import AihwkitEngine
from lionheart_opt.oracle.fast.engine import FastEngine
from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.tiles import Converters, Tiling
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.window import Window

REFERENCE, FAST = AihwkitEngine(), FastEngine()
PATH = "0"  # of the layer in `nn.Sequential(layer)`


def silent(config: TorchInferenceRPUConfig) -> TorchInferenceRPUConfig:
    """Without noise in training and in the converters.

    The ADC does not round: sums are added up in another order, and the last bit of a sum that lies
    between two levels would decide between them. `test_fast_parity` rounds in a test of its own.
    """
    config.forward.out_noise = 0.0
    config.forward.out_res = -1.0
    config.modifier.type = WeightModifierType.NONE
    return config


def both(layer: nn.Module, config: TorchInferenceRPUConfig) -> tuple[Any, Any]:
    """The layer as a network on aihwkit and on the fast engine."""
    network = nn.Sequential(layer)
    return REFERENCE.analog(network, [PATH], config), FAST.analog(network, [PATH], config)


def programmed(layer: nn.Module, config: TorchInferenceRPUConfig, seed: int = 0) -> tuple[Any, Any]:
    """The same, in evaluation mode, on the same hardware a day after programming."""
    networks = both(layer, config)
    for network in networks:
        network.eval()
        network.program({PATH: seed})
        network.drift(86400.0, {PATH: seed + 1})
    return networks


def outputs(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        y: torch.Tensor = network(x)
    return y


@st.composite
def layers(draw: Any) -> tuple[nn.Module, torch.Tensor]:
    """A layer with random weights, and an input with rows of zeros in it."""
    torch.manual_seed(draw(st.integers(0, 10**6)))
    bias, n = draw(st.booleans()), draw(st.integers(1, 3))
    outputs = draw(st.integers(1, 40))
    kind = draw(st.sampled_from(["linear", "conv1d", "conv2d"]))
    if kind == "linear":
        inputs = draw(st.integers(1, 70))
        tokens = draw(st.sampled_from([(), (5,), (2, 3)]))
        layer: nn.Module = nn.Linear(inputs, outputs, bias=bias)
        x = torch.randn(n, *tokens, inputs)
    else:
        dimensions = 1 if kind == "conv1d" else 2
        kernel = tuple(draw(st.integers(1, 3)) for _ in range(dimensions))
        dilation = draw(st.integers(1, 2))
        convolution = nn.Conv1d if dimensions == 1 else nn.Conv2d
        channels = draw(st.integers(1, 12))
        layer = convolution(
            channels,
            outputs,
            kernel,  # type: ignore[arg-type]
            stride=draw(st.integers(1, 3)),
            padding=draw(st.integers(0, 2)),
            dilation=dilation,
            bias=bias,
            padding_mode=draw(st.sampled_from(["zeros", "zeros", "reflect"])),
        )
        size = [draw(st.integers(5, 9)) for _ in range(dimensions)]
        x = torch.randn(n, channels, *size)
    return layer, torch.where(torch.rand(x.shape) < 0.2, 0.0, x)


@st.composite
def configurations(draw: Any, dynamic: bool) -> TorchInferenceRPUConfig:
    """A configuration without noise; outputs clip in some of them."""
    config = silent(lionheart())
    config.mapping.max_input_size = draw(st.sampled_from([0, 7, 16, 50]))
    config.mapping.max_output_size = draw(st.sampled_from([0, 5, 16, 30]))
    config.mapping.weight_scaling_columnwise = draw(st.booleans())
    config.mapping.out_scaling_columnwise = draw(st.booleans())
    config.forward.bound_management = draw(
        st.sampled_from([BoundManagementType.ITERATIVE, BoundManagementType.NONE])
    )
    config.forward.inp_res = draw(st.sampled_from([1 / 254, 126.0, -1.0]))
    config.forward.out_bound = draw(st.sampled_from([0.3, 2.0, 12.0]))
    config.forward.out_scale = draw(st.sampled_from([1.0, 0.7]))
    if dynamic:
        config.forward.nm_thres = draw(st.sampled_from([0.0, 1.0]))
        return config
    config.forward.noise_management = NoiseManagementType.NONE
    ranges = config.pre_post.input_range
    ranges.enable = draw(st.booleans())
    ranges.learn_input_range = draw(st.booleans())
    ranges.init_value = 1.2
    ranges.init_from_data = draw(st.sampled_from([0, 1, 100]))
    return config


#: Converters that do nothing: no scaling, no rounding, no clipping, no noise.
IDEAL_CONVERTERS = Converters(
    dynamic=False,
    scale_limit=0.0,
    input_step=0.0,
    input_bound=float("inf"),
    output_noise=0.0,
    output_step=0.0,
    output_bound=float("inf"),
    output_scale=1.0,
    retry_limit=0.0,
)


def tiling(n_outputs: int, n_inputs: int, most_outputs: int = 0, most_inputs: int = 0) -> Tiling:
    """Tiles of at most that size; 0 does not limit it."""
    mapping = SimpleNamespace(max_input_size=most_inputs, max_output_size=most_outputs)
    return Tiling.of(mapping, n_outputs, n_inputs)


def random_linear(
    n_outputs: int, n_inputs: int, tiles: Tiling | None = None, **changes: Any
) -> tuple[Products, dict[str, Any]]:
    """Products of a linear layer, and random weights, digital factors and bias for it."""
    tiles = tiles or tiling(n_outputs, n_inputs)
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    products = Products(tiles, replace(IDEAL_CONVERTERS, **changes), window=None, ranges=None)
    n_ranges = len(tiles.inputs)
    numbers = {"weight": draw(n_outputs, n_inputs), "gain": draw(n_ranges, n_outputs)}
    return products, {**numbers, "bias": draw(n_outputs)}


def window_of(layer: nn.Conv1d | nn.Conv2d) -> Window:
    """How a convolution walks over its input."""
    return Window.of(layer.weight.shape, layer.stride, layer.padding, layer.dilation)
