"""What a network asks of its analog matrices, with matrices that only take notes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lionheart_opt.oracle.analog_network import INPUT_RANGES, AnalogNetwork
from lionheart_opt.oracle.window import Window

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))


class Noted(nn.Module):
    """Computes ten times the product, and notes what is asked of it."""

    def __init__(self, weight: Tensor, ranges: Tensor | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())
        self.ranges, self.ideal, self.uses = ranges, False, 0
        self.asked: list[Any] = []

    def forward(self, x: Tensor, bias: Tensor | None, window: Window | None) -> Tensor:
        assert window is None
        return 10 * F.linear(x, self.weight, bias)

    def value(self) -> Tensor:
        return self.weight

    def input_ranges(self) -> Tensor | None:
        return self.ranges

    def freeze(self) -> None:
        self.asked.append("freeze")

    def restore(self) -> None:
        self.asked.append("restore")

    def after_step(self) -> None:
        self.asked.append("after_step")

    def program(self, seed: int) -> None:
        self.asked.append(("program", seed))

    def drift(self, time_s: float, seed: int) -> None:
        self.asked.append(("drift", time_s, seed))

    def rewind(self, first: int, count: int) -> None:
        self.asked.append(("rewind", first, count))


def analog_of(network: nn.Module, *paths: str) -> AnalogNetwork:
    return AnalogNetwork(network, paths, lambda _, weight, ranges: Noted(weight, ranges))


def two_layers() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))


def test_what_is_asked_of_a_network_is_asked_of_each_matrix() -> None:
    analog = analog_of(two_layers(), "0", "1", "0")
    notes = {path: layer.asked for path, layer in analog.analog.items()}
    assert list(notes) == ["0", "1"] and not notes["0"] and not notes["1"]
    analog.eval()
    assert notes == {"0": [], "1": []}, "evaluation keeps what is programmed"
    analog.program({"0": 5, "1": 6})
    analog.drift(60.0, {"0": 7, "1": 8})
    analog.rewind(16, 4)
    analog.train()
    analog.after_step()
    last = [("rewind", 16, 4), "restore", "after_step"]
    assert notes["0"] == [("program", 5), ("drift", 60.0, 7), *last]
    assert notes["1"] == [("program", 6), ("drift", 60.0, 8), *last]


def test_only_weights_that_are_frozen_are_frozen_on_tiles() -> None:
    network = two_layers()
    network[0].weight.requires_grad_(False)
    analog = analog_of(network, "0", "1")
    assert [layer.asked for layer in analog.analog.values()] == [["freeze"], []]


def test_uses_are_counted_until_the_next_batch() -> None:
    analog = analog_of(two_layers(), "0", "1").eval()
    analog.set_ideal(["1"])
    for passes in (1, 2):
        analog(X)
        assert [layer.uses for layer in analog.analog.values()] == [passes] * 2
    analog.rewind(0, 3)
    assert [layer.uses for layer in analog.analog.values()] == [0, 0]


def test_shares_of_the_analog_result_count_in_training_only() -> None:
    """The first layer computes ten times the product, to a quarter; the bias is added in both."""
    network = two_layers()
    with torch.no_grad():
        plain = network[0](X)
        hidden = 0.25 * (10 * plain) + 0.75 * plain
        mixed, analog_only = network[1](hidden), network[1](10 * plain)
    analog = analog_of(network, "0").train()
    torch.testing.assert_close(analog(X), analog_only)
    analog.shares = {"0": torch.tensor(0.25)}
    torch.testing.assert_close(analog(X), mixed)
    torch.testing.assert_close(analog.eval()(X), analog_only)


class Thirds(nn.Module):
    """Multiplies with one weight of six rows."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.weight, self.bias = nn.Parameter(torch.randn(6, 4)), nn.Parameter(torch.randn(6))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


@pytest.mark.parametrize("share", [None, 0.25])
def test_rows_of_a_product_are_computed_where_they_are(share: float | None) -> None:
    network = Thirds()
    analog = analog_of(network, "weight[0:2]", "weight[4:6]").train()
    factors = torch.tensor([10.0, 10, 1, 1, 10, 10])
    if share is not None:
        analog.shares = {"weight[4:6]": torch.tensor(share)}
        factors[4:] = 10 * share + (1 - share)
    expected = (X @ network.weight.t()) * factors + network.bias
    torch.testing.assert_close(analog(X), expected)
    analog.set_ideal(["weight[0:2]"])
    factors[:2] = 1
    torch.testing.assert_close(analog(X), (X @ network.weight.t()) * factors + network.bias)


def test_the_transposed_matrix_is_computed_by_the_host() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(4, 4, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.a(x) @ self.a.weight

    network = Both()
    analog = analog_of(network, "a").eval()
    torch.testing.assert_close(analog(X), 10 * network(X))
    assert analog.analog["a"].uses == 1


def test_weights_are_copies_under_all_names() -> None:
    network = nn.ModuleDict({"a": nn.Linear(4, 4), "norm": nn.BatchNorm1d(4)})
    network["b"] = nn.Linear(4, 4)
    network["b"].weight = network["a"].weight
    network["again"] = network["norm"]
    analog = analog_of(network, "a")
    weights = analog.weights()
    assert list(weights) == list(network.state_dict())
    for name, tensor in network.state_dict().items():
        assert torch.equal(weights[name], tensor)
        weights[name].fill_(7)
    for name, tensor in analog.weights().items():
        assert torch.equal(tensor, network.state_dict()[name])


def test_input_ranges_go_with_the_weights() -> None:
    """Also those of matrices that are digital now; they may be analog again later."""
    network = two_layers()
    ranges = {"0": torch.ones(1, 2), "1": torch.full((1, 2), 2.0)}
    vars(network)[INPUT_RANGES] = ranges
    analog = analog_of(network, "0")
    analog.analog["0"].ranges = torch.full((1, 2), 3.0)
    weights = analog.weights()
    assert set(weights) - set(network.state_dict()) == {"0.input_ranges", "1.input_ranges"}
    assert weights["0.input_ranges"].tolist() == [[3.0, 3.0]]
    assert weights["1.input_ranges"].tolist() == [[2.0, 2.0]]
    assert set(analog_of(two_layers(), "0").weights()) == set(network.state_dict())
    vars(alone := nn.Linear(4, 2))[INPUT_RANGES] = {"": ranges["0"]}
    assert set(analog_of(alone, "").weights()) == {"weight", "bias", INPUT_RANGES}


def test_errors_of_the_network_itself_are_not_taken_for_checkpointing() -> None:
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            raise TypeError("a mistake of its own")

    class Network(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return Broken.apply(super().forward(x))  # type: ignore[no-any-return, no-untyped-call]

    analog = analog_of(Network(nn.Linear(4, 2)), "0").train()
    with pytest.raises(TypeError, match="a mistake of its own"):
        analog.backward(analog(X).sum())
