"""Norms that are written out are one layer, priced as torch's own; what is no norm is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import lionheart_opt as lo
from lionheart_opt.workload import Workload

WIDTH = 8
SYSTEMS = ("lionheart", "imc-cluster", "manycore", "diana", "hermes-64")

Function = Callable[["Around", Tensor], Tensor]


class Around(nn.Module):
    """A function between two linear layers, with parameters that it may use."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        self.before, self.behind = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.scale, self.shift = nn.Parameter(torch.ones(WIDTH)), nn.Parameter(torch.ones(WIDTH))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.behind(self.function(self, self.before(x)))


def traced(function: Function) -> Workload:
    return lo.trace(Around(function), torch.randn(1, 5, WIDTH), name="x")


def mean(x: Tensor) -> Tensor:
    return x.mean(-1, keepdim=True)


def variance(x: Tensor) -> Tensor:
    return x.var(-1, keepdim=True, unbiased=False)


def deviation(x: Tensor) -> Tensor:
    return x.std(-1, keepdim=True)


RMS: dict[str, Function] = {
    "T5 and Llama": lambda m, x: m.scale * (x * torch.rsqrt(mean(x.pow(2)) + 1e-6)),
    "no scale": lambda _, x: x * torch.rsqrt(mean(x.square()) + 1e-6),
    "a division": lambda m, x: x / torch.sqrt(mean(x.pow(2))) * m.scale,
    "scaled first": lambda m, x: x * m.scale / torch.sqrt(mean(x.pow(2)) + 1e-6),
}
LAYER: dict[str, Function] = {
    "variance": lambda m, x: (x - mean(x)) / torch.sqrt(variance(x) + 1e-5) * m.scale + m.shift,
    "squares": lambda m, x: (
        m.scale * (x - mean(x)) * torch.rsqrt(mean((x - mean(x)).pow(2)) + 1e-5) + m.shift
    ),
    "deviation": lambda m, x: m.scale * (x - mean(x)) / (deviation(x) + 1e-6) + m.shift,
    "plain": lambda _, x: (x - mean(x)) * torch.rsqrt(variance(x)),
}


@pytest.mark.parametrize("name", RMS)
def test_a_root_mean_square_is_one_layer(name: str) -> None:
    workload = traced(RMS[name])
    before, norm, behind = workload.layers
    assert (norm.kind, norm.inputs, behind.inputs) == ("rms_norm", (before.name,), (norm.name,))
    assert (norm.weight_count, norm.bias_count) == (0 if name == "no scale" else WIDTH, 0)
    assert norm.input_shapes == ((1, 5, WIDTH),) == (norm.output_shape,)


@pytest.mark.parametrize("name", LAYER)
def test_a_layer_norm_is_one_layer(name: str) -> None:
    workload = traced(LAYER[name])
    before, norm, behind = workload.layers
    assert (norm.kind, norm.inputs, behind.inputs) == ("layer_norm", (before.name,), (norm.name,))
    width = 0 if name == "plain" else WIDTH
    assert (norm.weight_count, norm.bias_count) == (width, width)


@pytest.mark.parametrize("system", SYSTEMS)
def test_prices_are_those_of_torch(system: str) -> None:
    pairs = (
        (RMS["T5 and Llama"], nn.RMSNorm(WIDTH)),
        (LAYER["variance"], nn.LayerNorm(WIDTH)),
    )
    for function, norm in pairs:
        by_hand = lo.cost(traced(function), system, "all-digital")
        by_torch = lo.cost(traced(lambda _, x, norm=norm: norm(x)), system, "all-digital")
        assert by_hand.latency_s == pytest.approx(by_torch.latency_s, rel=1e-12)
        assert by_hand.energy_j == pytest.approx(by_torch.energy_j, rel=1e-12)


@pytest.mark.parametrize(
    "function",
    [
        lambda _, x: x * torch.rsqrt(x.pow(2).mean(1, keepdim=True) + 1e-6),  # of other elements
        lambda _, x: x * torch.rsqrt(mean(x.pow(3)) + 1e-6),
        lambda _, x: x * torch.sqrt(mean(x.pow(2)) + 1e-6),
        lambda _, x: x.exp() * torch.rsqrt(mean(x.pow(2)) + 1e-6),
        lambda m, x: x * (r := torch.rsqrt(mean(x.pow(2)) + 1e-6)) + r,  # the root is read again
        lambda _, x: (x - mean(x.exp())) * torch.rsqrt(variance(x)),
        lambda _, x: (x - mean(x)) * torch.rsqrt(mean(x.pow(2))),
        lambda _, x: x * torch.rsqrt(variance(x)),
        lambda _, x: x / (torch.sqrt(variance(x)) + x),
        lambda _, x: x * torch.rsqrt(mean(x * 2) + 1e-6),
    ],
)
def test_what_is_no_norm_is_left_alone(function: Function) -> None:
    kinds = {layer.kind for layer in traced(function).layers}
    assert not kinds & {"rms_norm", "layer_norm"}


def test_a_scale_that_is_not_alone_stays() -> None:
    def function(model: Around, x: Tensor) -> Tensor:
        norm = x * torch.rsqrt(mean(x.pow(2)) + 1e-6)
        return norm * model.scale + norm.exp()

    kinds = Counter(layer.kind for layer in traced(function).layers)
    assert kinds == {"linear": 2, "rms_norm": 1, "mul": 1, "exp": 1, "add": 1}


def test_blocks_of_transformers() -> None:
    """T5 and Llama with random weights: every norm is one layer, and units stay what they are."""
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 32, "num_hidden_layers": 2, "hidden_size": 16, "intermediate_size": 32}
    llama = transformers.LlamaModel(transformers.LlamaConfig(num_attention_heads=2, **sizes))
    t5 = transformers.T5EncoderModel(
        transformers.T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    )
    for model, n_units in ((llama, 2 * 7), (t5, 2 * 6)):
        example = {"input_ids": torch.randint(32, (1, 6))}
        workload = lo.trace(model.eval(), example)
        kinds = Counter(layer.kind for layer in workload.layers)
        assert kinds["rms_norm"] == 5, "two in each block, and one behind them"
        assert not kinds.keys() & {"rsqrt", "square"}
        assert len(workload.units) == n_units
        assert lo.cost(workload, "lionheart").latency_s > 0
