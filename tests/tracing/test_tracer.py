"""A traced workload has every operator of the network, with its shapes, MACs and data flow."""

from itertools import pairwise
from math import prod
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from traced import Lambda, check_consistency, counted_macs, flow, kinds

from lionheart_opt import models
from lionheart_opt.tracing import trace
from lionheart_opt.workload import INPUT, Layer, Mvm

# --- MACs and shapes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits_cnn", "resnet20", "mobilenet"])
def test_macs_agree_with_torchs_counter(name: str) -> None:
    model, example = models.build(name), torch.randn(1, *models.input_shape(name))
    workload = trace(model, example, name)
    check_consistency(workload)
    assert workload.macs == counted_macs(model, example)


def layer_of(module: nn.Module, *shape: int) -> Layer:
    workload = trace(nn.Sequential(module), torch.randn(1, *shape), "one")
    return workload.layer("0")


def test_convolution_counts_every_output_pixel() -> None:
    layer = layer_of(nn.Conv2d(3, 16, (3, 5), stride=2, padding=(1, 2)), 3, 8, 10)
    assert layer.kind == "conv2d" and layer.output_shape == (1, 16, 4, 5)
    assert layer.macs == 4 * 5 * 16 * 3 * 3 * 5
    assert layer.mvm == Mvm(rows=3 * 3 * 5, columns=16, count=20)
    assert (layer.kernel, layer.stride, layer.padding) == ((3, 5), (2, 2), (1, 2))
    assert (layer.weight_count, layer.bias_count) == (16 * 3 * 15, 16)
    assert layer.inputs == (INPUT,) and layer.input_shapes == ((1, 3, 8, 10),)


def test_grouped_and_depthwise_convolutions_count_their_own_channels_only() -> None:
    grouped = layer_of(nn.Conv2d(8, 12, 3, groups=4, bias=False), 8, 6, 6)
    assert (grouped.kind, grouped.groups) == ("grouped_conv2d", 4)
    assert grouped.macs == 16 * 12 * 2 * 9 and grouped.weight_count == 12 * 2 * 9
    assert grouped.mvm == Mvm(rows=8 * 9, columns=12, count=16), "zeros between the groups"
    depthwise = layer_of(nn.Conv2d(8, 16, 3, groups=8), 8, 6, 6)
    assert depthwise.kind == "depthwise_conv2d"
    assert depthwise.macs == 16 * 16 * 9 and depthwise.mvm is None


@pytest.mark.parametrize(
    "module, shape, kind",
    [
        (nn.Conv1d(4, 6, 3), (4, 9), "conv1d"),
        (nn.Conv3d(2, 3, 2), (2, 4, 4, 4), "conv3d"),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (4, 5, 5), "conv_transpose2d"),
        (nn.Conv2d(4, 6, 3, padding="same", dilation=2), (4, 7, 7), "conv2d"),
        (nn.Conv1d(4, 4, 3, groups=4), (4, 9), "depthwise_conv1d"),
    ],
)
def test_other_convolutions(module: nn.Module, shape: tuple[int, ...], kind: str) -> None:
    layer = layer_of(module, *shape)
    assert layer.kind == kind
    assert layer.macs == counted_macs(module, torch.randn(1, *shape))
    assert (layer.mvm is None) == (kind == "depthwise_conv1d")


@pytest.mark.parametrize("tokens", [(), (7,), (2, 7)])
def test_linear_counts_every_token(tokens: tuple[int, ...]) -> None:
    layer = layer_of(nn.Linear(5, 3), *tokens, 5)
    assert layer.macs == prod(tokens) * 15
    assert layer.mvm == Mvm(rows=5, columns=3, count=prod(tokens))


def test_activation_functions_norms_and_pools_are_layers_without_macs() -> None:
    model = nn.Sequential(
        nn.BatchNorm2d(4), nn.ReLU6(), nn.MaxPool2d(2), nn.GELU(), nn.AvgPool2d(2, stride=1, padding=1),
        nn.GroupNorm(2, 4), nn.LocalResponseNorm(3), nn.AdaptiveAvgPool2d((1, 2)), nn.Flatten(),
        nn.LayerNorm(8), nn.Hardswish(), nn.Softmax(-1),
    )  # fmt: skip
    workload = trace(model, torch.randn(1, 4, 8, 8), "pieces")
    assert kinds(workload) == [
        "batch_norm", "relu6", "max_pool2d", "gelu", "avg_pool2d", "group_norm",
        "local_response_norm", "avg_pool2d", "layer_norm", "hardswish", "softmax",
    ]  # fmt: skip
    assert workload.macs == 0 and workload.units == ()
    assert [layer.name for layer in workload.layers] == [str(k) for k in range(12) if k != 8]
    counts = {layer.name: (layer.weight_count, layer.bias_count) for layer in workload.layers}
    assert counts["0"] == (4, 4) and counts["5"] == (4, 4) and counts["9"] == (8, 8)
    pool, adaptive = workload.layer("4"), workload.layer("7")
    assert (pool.kernel, pool.stride, pool.padding) == ((2, 2), (1, 1), (1, 1))
    assert (adaptive.kernel, adaptive.stride, adaptive.padding) == ((5, 3), (5, 2), (0, 0))
    check_consistency(workload)


def test_views_and_dropout_are_seen_through() -> None:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        x = functional.dropout(x.transpose(1, 2).reshape(1, 6, 2)[:, 1:], training=False)
        x = x.unsqueeze(0).expand(2, -1, -1, -1)[0].permute(0, 2, 1)
        return torch.relu(x.flatten(1).detach())

    # the reshape of a transposed tensor and the flattening of a permuted one must copy
    workload = trace(Lambda(forward), torch.randn(1, 3, 4), "views")
    assert flow(workload) == [("copy", (INPUT,)), ("copy_2", ("copy",)), ("relu", ("copy_2",))]
    assert workload.layer("copy_2").input_shapes == ((1, 2, 5),), "only what the slice left is read"


def test_an_unknown_operator_keeps_its_aten_name() -> None:
    workload = trace(Lambda(lambda _, x: torch.erfinv(x.cumsum(1))), torch.rand(1, 3), "odd")
    assert kinds(workload) == ["cumsum", "erfinv"]


def test_precision_as_traced() -> None:
    workload = trace(nn.Linear(4, 2).half(), torch.randn(1, 4).half(), "half")
    assert workload.layer("linear").element_bytes == 2


# --- data flow -----------------------------------------------------------------------------------


def test_residual_network() -> None:
    def forward(self: Any, x: Tensor) -> Tensor:
        return functional.relu(self.conv(x) + x)

    workload = trace(Lambda(forward, conv=nn.Conv2d(3, 3, 1)), torch.randn(1, 3, 4, 4), "residual")
    assert flow(workload) == [
        ("conv", (INPUT,)),
        ("add", ("conv", INPUT)),
        ("relu", ("add",)),
    ]


def test_in_place_operators_are_what_they_are_out_of_place() -> None:
    def plain(self: Any, x: Tensor) -> Tensor:
        hidden = self.fc(x)
        return torch.sigmoid(functional.relu(hidden) * 2 + x)

    def in_place(self: Any, x: Tensor) -> Tensor:
        hidden = self.fc(x)
        functional.relu(hidden, inplace=True)
        hidden[:].mul_(2)
        hidden += x
        return hidden.sigmoid_()

    example = torch.randn(1, 4)
    before = example.clone()
    fc = nn.Linear(4, 4)
    assert trace(Lambda(in_place, fc=fc), example, "net") == trace(
        Lambda(plain, fc=fc), example, "net"
    )
    assert torch.equal(example, before), "the caller's example is not written to"


def test_products_in_place_have_their_macs() -> None:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        return (x * 2).baddbmm_(x, x)

    workload = trace(Lambda(forward), torch.randn(1, 3, 3), "net")
    assert flow(workload) == [("mul", (INPUT,)), ("matmul", ("mul", INPUT))]
    assert workload.macs == 27


def test_the_input_changed_in_place() -> None:
    workload = trace(Lambda(lambda _, x: torch.exp(x.relu_())), -torch.ones(1, 2), "net")
    assert flow(workload) == [("relu", (INPUT,)), ("exp", ("relu",))]


def test_parts_of_a_tensor_written_one_by_one() -> None:
    def forward(_: nn.Module, x: Tensor) -> Tensor:
        rows = torch.zeros(1, 3, 4)
        rows[:, 0] = torch.relu(x)
        rows[:, 1] = x
        rows[:, 0].mul_(2)
        return rows[:, :2].sum(1), rows[:, 2] + x  # type: ignore[return-value]

    workload = trace(Lambda(forward), torch.randn(1, 4), "rows")
    assert flow(workload) == [
        ("relu", (INPUT,)),
        ("copy", ("relu",)),
        ("copy_2", (INPUT,)),
        ("mul", ("copy",)),
        ("sum", ("copy_2", "mul")),
        ("add", (INPUT,)),  # the third row is still constant
    ]
    assert workload.layer("sum").input_shapes == ((1, 4), (1, 4))


def test_operands_in_order_and_each_view_once() -> None:
    def forward(_: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        a, b = torch.relu(x), torch.tanh(y)
        return torch.cat([b, a, b * b], 1) @ a.transpose(1, 2)

    workload = trace(Lambda(forward), (torch.randn(1, 2, 3), torch.randn(1, 2, 3)), "net")
    assert flow(workload)[2:] == [
        ("mul", ("tanh",)),
        ("cat", ("tanh", "relu", "mul")),
        ("matmul", ("cat", "relu")),
    ]
    assert workload.macs == 6 * 3 * 2


NORMS: dict[str, nn.Module] = {
    "batch_norm": nn.BatchNorm2d(4),
    "group_norm": nn.GroupNorm(2, 4),
    "instance_norm": nn.InstanceNorm2d(4),
    "layer_norm": nn.LayerNorm([4, 6, 6]),
    "rms_norm": nn.RMSNorm([4, 6, 6]),
    "local_response_norm": nn.LocalResponseNorm(3),
}


@pytest.mark.parametrize("kind", NORMS)
def test_what_a_norm_reads_and_what_reads_a_norm(kind: str) -> None:
    """Used twice; its results are read by a convolution, by itself and by an addition."""

    def forward(self: Any, x: Tensor) -> Tensor:
        first = self.norm(self.conv(x))
        second = self.norm(first)
        return self.last(second) + first

    convolutions = {name: nn.Conv2d(4, 4, 1) for name in ("conv", "last")}
    network = Lambda(forward, norm=NORMS[kind], **convolutions)
    workload = trace(network, torch.randn(1, 4, 6, 6), "norms")
    assert flow(workload) == [
        ("conv", (INPUT,)),
        ("norm", ("conv",)),
        ("norm_2", ("norm",)),
        ("last", ("norm_2",)),
        ("add", ("last", "norm")),
    ]
    assert kinds(workload)[1:3] == [kind, kind]
    check_consistency(workload)


# --- properties ----------------------------------------------------------------------------------


@st.composite
def convolutional_networks(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, int, int]]:
    channels, side = draw(st.integers(1, 6)), draw(st.integers(4, 9))
    shape = (channels, side, side)
    layers: list[nn.Module] = []
    for _ in range(draw(st.integers(1, 4))):
        kernel = draw(st.integers(1, min(3, side)))
        padding = draw(st.integers(0, 1))
        groups = draw(st.sampled_from([n for n in range(1, channels + 1) if channels % n == 0]))
        width = groups * draw(st.integers(1, 3))
        bias = draw(st.booleans())
        layers.append(nn.Conv2d(channels, width, kernel, padding=padding, groups=groups, bias=bias))
        channels, side = width, side + 2 * padding - kernel + 1
        layers += draw(
            st.lists(
                st.sampled_from(
                    [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Dropout(), nn.Tanh()]
                ),
                unique=True,
                max_size=3,
            )
        )
    layers += [nn.Flatten(), nn.Linear(channels * side * side, draw(st.integers(1, 5)))]
    return nn.Sequential(*layers), shape


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(convolutional_networks())
def test_any_convolutional_network(case: tuple[nn.Module, tuple[int, int, int]]) -> None:
    model, shape = case
    example = torch.randn(1, *shape)
    workload = trace(model, example, "random")
    check_consistency(workload)
    assert workload.macs == counted_macs(model, example)
    weighted = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    assert [unit.name for unit in workload.units] == list(weighted)
    for name, module in weighted.items():
        layer = workload.layer(name)
        assert layer.weight_count == module.weight.numel()
        assert layer.bias_count == (0 if module.bias is None else module.bias.numel())
        is_grouped = isinstance(module, nn.Conv2d) and module.groups > 1
        is_depthwise = is_grouped and module.weight.shape[1] == 1
        assert (layer.mvm is None) == is_depthwise
    n_layers = sum(
        not isinstance(m, nn.Dropout | nn.Flatten | nn.Sequential) for m in model.modules()
    )
    assert len(workload.layers) == n_layers
    chain = [INPUT, *(layer.name for layer in workload.layers)]
    assert [layer.inputs for layer in workload.layers] == [(name,) for name in chain[:-1]]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 4))
def test_macs_of_a_perceptron_scale_with_tokens(widths: list[int], tokens: int) -> None:
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in pairwise(widths)))
    single = trace(model, torch.randn(1, 1, widths[0]), "single")
    many = trace(model, torch.randn(1, tokens, widths[0]), "many")
    assert many.macs == tokens * single.macs == tokens * single.weight_count
    assert many.weight_count == single.weight_count == sum(a * b for a, b in pairwise(widths))
