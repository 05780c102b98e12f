"""Products of digital targets, held against plain torch on weights and inputs rounded by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from weight_uses import networks

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.uses import unfused

NAMES = list(networks())
LEVELS = {"int8": 256, "int4": 256, "ternary": 128}


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_hand(weight: Tensor, numerics: str) -> Tensor:
    """Weights with their outputs first, rounded row by row."""
    rows = []
    for row in weight.flatten(1):
        if numerics == "fp16":
            rows.append(row.half().float())
        elif numerics == "ternary":
            kept = row.abs() > 0.7 * row.abs().mean()
            rows.append(torch.where(kept, row.sign() * row.abs()[kept].mean(), 0.0))
        else:
            step = row.abs().max() / {"int8": 127, "int4": 7}[numerics]
            rows.append((row / step).round() * step)
    return torch.stack(rows).view_as(weight)


def input_by_hand(x: Tensor, seen: Tensor, numerics: str) -> Tensor:
    """Inputs of a matrix that has seen others while it was calibrated."""
    if numerics == "fp16":
        return x.half().float()
    low, high = min(0.0, float(seen.min())), max(0.0, float(seen.max()))
    step = torch.tensor(high) - torch.tensor(low)
    step = step / (LEVELS[numerics] - 1)
    zero = (torch.tensor(low) / step).round()
    return (x / step).round().clamp(zero, zero + LEVELS[numerics] - 1) * step


def out_by_hand(y: Tensor, numerics: str) -> Tensor:
    return y.half().float() if numerics == "fp16" else y


LAYERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(7, 5), (4, 7)),
    "tokens": (lambda: nn.Linear(7, 5, bias=False), (4, 3, 7)),
    "convolution": (lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1), (4, 4, 8, 8)),
    "same": (lambda: nn.Conv2d(4, 6, 2, padding="same"), (4, 4, 8, 8)),
    "depthwise": (lambda: nn.Conv2d(6, 6, 3, padding=1, groups=6), (4, 6, 8, 8)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2, dilation=2), (4, 4, 8, 8)),
    "one axis": (lambda: nn.Conv1d(4, 6, 3, padding=1), (4, 4, 9)),
    "grouped, one axis": (lambda: nn.Conv1d(4, 6, 3, groups=2), (4, 4, 9)),
}


def function_of(layer: Any, x: Tensor, weight: Tensor) -> Tensor:
    """What a layer computes, with other weights."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight, layer.bias)
    function = F.conv1d if isinstance(layer, nn.Conv1d) else F.conv2d
    if layer.padding == "same":
        x = F.pad(x, (0, 1, 0, 1))
    padding = 0 if layer.padding == "same" else layer.padding
    return function(x, weight, layer.bias, layer.stride, padding, layer.dilation, layer.groups)  # type: ignore[no-any-return]


@pytest.mark.parametrize("numerics", ["fp16", "int8", "int4", "ternary"])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_with_rounded_numbers_bit_for_bit(name: str, numerics: Any) -> None:
    make, shape = LAYERS[name]
    torch.manual_seed(1)
    layer: Any = make()
    seen, x = drawn(*shape), 2 * drawn(*shape, seed=3)  # some are outside of the range
    digital = Digital(host=numerics, inputs=seen)
    expected = out_by_hand(
        function_of(layer, input_by_hand(x, seen, numerics), by_hand(layer.weight, numerics)),
        numerics,
    )
    for tool in ("fast", "aihwkit"):
        network = engine(tool).analog(nn.Sequential(layer), [], {}, digital).eval()  # type: ignore[arg-type]
        with torch.no_grad():
            y = network(x)
        if name == "one axis" or numerics == "ternary":  # a map of height 1; the order of a sum
            torch.testing.assert_close(y, expected, rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(y, expected), tool
            assert not torch.equal(y, layer(x))


def test_transposed_convolutions_and_matrices_of_many_heads() -> None:
    torch.manual_seed(1)
    layer = nn.ConvTranspose2d(4, 6, 3, stride=2)
    x = drawn(2, 4, 5, 5)
    network = engine("fast").analog(nn.Sequential(layer), [], {}, Digital(host="int8", inputs=x))
    weight = by_hand(layer.weight.transpose(0, 1), "int8").transpose(0, 1)
    with torch.no_grad():
        expected = F.conv_transpose2d(input_by_hand(x, x, "int8"), weight, layer.bias, 2)
        assert torch.equal(network.eval()(x), expected)

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(drawn(3, 7, 5))

        def forward(self, x: Tensor) -> Tensor:
            return torch.matmul(x, self.weight)

    heads, x = Heads(), drawn(2, 3, 4, 7)
    network = engine("fast").analog(heads, [], {}, Digital(host="int8", inputs=x)).eval()
    weights = [by_hand(head.T, "int8").T for head in heads.weight.detach()]
    expected = torch.matmul(input_by_hand(x, x, "int8"), torch.stack(weights))
    with torch.no_grad():
        assert torch.equal(network(x), expected)


def test_a_tied_weight_has_one_state_and_one_range() -> None:
    network, x = networks()["tied"]
    analog = engine("fast").analog(network, [], {}, Digital(host="int8", inputs=x)).eval()
    tied: Any = network
    weight = by_hand(tied.a.weight, "int8")
    with torch.no_grad():
        between = torch.tanh(tied.a(x))  # in floating point, as when it is calibrated
        seen = torch.cat([x.flatten(), between.flatten()])
        h = torch.tanh(F.linear(input_by_hand(x, seen, "int8"), weight, tied.a.bias))
        expected = F.linear(input_by_hand(h, seen, "int8"), weight, tied.b.bias)
        assert torch.equal(analog(x), expected)


def test_attention_rounds_the_operands_of_its_projections() -> None:
    torch.manual_seed(1)
    layer = nn.MultiheadAttention(8, 2, batch_first=True)

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.layer(x, x, x, need_weights=False)[0]
            return result

    x = drawn(2, 5, 8)
    network = engine("fast").analog(Attention(), [], {}, Digital(host="int8", inputs=x)).eval()

    def attend(packed: Tensor) -> Tensor:
        q, k, v = (part.view(2, 5, 2, 4).transpose(1, 2) for part in packed.chunk(3, -1))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(2, 5, 8)

    into, out = layer.in_proj_weight, layer.out_proj
    with torch.no_grad(), unfused():
        seen = attend(F.linear(x, into, layer.in_proj_bias))
        packed = F.linear(input_by_hand(x, x, "int8"), by_hand(into, "int8"), layer.in_proj_bias)
        y = input_by_hand(attend(packed), seen, "int8")
        expected = F.linear(y, by_hand(out.weight, "int8"), out.bias)
        torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-6)
        assert float((network(x) - layer(x, x, x)[0]).abs().max()) > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_every_network_computes_with_rounded_numbers(name: str) -> None:
    """8 bits are near floating point and differ from it, whatever uses the weights."""
    network, inputs = networks()[name]
    digital = Digital(host="int8", inputs=inputs)
    analog = engine("fast").analog(network, [], {}, digital).eval()
    with torch.no_grad(), unfused():
        expected, y = network.eval()(inputs.clone()), analog(inputs.clone())
    error = float((y - expected).norm() / expected.norm())
    assert 1e-4 < error < 0.05


def test_targets_of_other_numerics_hold_their_rows() -> None:
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(7, 6), nn.Linear(6, 5), nn.Linear(5, 3))
    x = drawn(4, 7)
    digital = Digital(host="fp32", others={"1": "ternary"}, inputs=x)
    analog = engine("fast").analog(network, [], {}, digital).eval()
    with torch.no_grad():
        h = network[0](x)
        rounded = by_hand(network[1].weight, "ternary")  # type: ignore[arg-type]
        h = F.linear(input_by_hand(h, h, "ternary"), rounded, network[1].bias)  # type: ignore[arg-type]
        assert torch.equal(analog(x), network[2](h))
    slices, x = networks()["attention"]
    path = "attention.in_proj_weight[8:16]"
    some = Digital(host="fp32", others={path: "int8"}, inputs=x)
    everything = Digital(host="int8", others={"attention.out_proj": "fp32"}, inputs=x)
    with torch.no_grad(), unfused():
        exact = slices.eval()(x)
        errors = [
            float((engine("fast").analog(slices, [], {}, each).eval()(x) - exact).norm())
            for each in (some, everything)
        ]
    assert 0 < errors[0] < errors[1]


@pytest.mark.parametrize("numerics", ["fp16", "int8", "ternary"])
def test_gradients_are_those_at_the_rounded_numbers(numerics: Any) -> None:
    """Straight-through: of a product of rounded operands, as if rounding had been the identity."""
    torch.manual_seed(1)
    layer, x = nn.Linear(7, 5), drawn(4, 7).requires_grad_()
    analog = engine("fast").analog(nn.Sequential(layer), [], {}, Digital(host=numerics, inputs=x))
    analog.train()
    slope = drawn(4, 5, seed=5)
    y = analog(x)
    y.backward(slope)
    w, inputs = (
        by_hand(layer.weight.detach(), numerics),
        input_by_hand(x.detach(), x.detach(), numerics),
    )
    torch.testing.assert_close(y, out_by_hand(F.linear(inputs, w, layer.bias), numerics))
    [trained] = [p for p in analog.parameters() if p.dim() == 2]
    torch.testing.assert_close(x.grad, slope @ w)
    torch.testing.assert_close(trained.grad, slope.T @ inputs)


@pytest.mark.parametrize("tool", ["fast", "aihwkit"])
def test_analog_and_digital_rows_of_a_network(tool: Any) -> None:
    """What is not on tiles computes in 8 bit, in the order in which mappings choose it."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 5))
    x = drawn(4, 7)
    digital = Digital(host="int8", inputs=x)
    both = engine(tool).analog(network, ["0", "2"], lionheart(), digital).eval()
    both.program({"0": 1, "2": 2})
    both.drift(60.0, {"0": 3, "2": 4})
    none = engine(tool).analog(network, [], {}, digital).eval()
    with torch.no_grad():
        both.set_ideal(["0", "2"])
        assert torch.equal(both(x), none(x))
        both.set_ideal(["2"])
        both.rewind(0, 4)
        h = torch.relu(both.analog["0"](x, network[0].bias, None))
        both.rewind(0, 4)
        seen = network[:2](x)
        w = by_hand(network[2].weight, "int8")  # type: ignore[arg-type]
        expected = F.linear(input_by_hand(h, seen, "int8"), w, network[2].bias)  # type: ignore[arg-type]
        torch.testing.assert_close(both(x), expected, rtol=1e-5, atol=1e-5)


def test_weights_follow_training() -> None:
    torch.manual_seed(1)
    network, x = nn.Sequential(nn.Linear(7, 5)), drawn(4, 7)
    analog = engine("fast").analog(network, [], {}, Digital(host="int8", inputs=x)).eval()
    with torch.no_grad():
        before = analog(x)
        analog.train()
        analog.network[0].weight.mul_(2.0)  # type: ignore[operator, union-attr]
        analog.eval()
        bias = network[0].bias
        torch.testing.assert_close(analog(x) - bias, 2 * (before - bias))


def test_weights_that_no_calibration_has_seen_are_refused() -> None:
    class Forks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.a(x) if float(x.sum()) > 0 else self.b(x)
            return y

    digital = Digital(host="int8", inputs=torch.ones(2, 4))
    analog = engine("fast").analog(Forks(), [], {}, digital).eval()
    with (
        torch.no_grad(),
        pytest.raises(InputError, match="weights of 'b', but not on the training"),
    ):
        analog(-torch.ones(2, 4))
