"""Recurrent layers step by step give torch's results, packed sequences and gradients included."""

from __future__ import annotations

import itertools
from typing import Any
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from lionheart_opt.oracle.recurrent import RECURRENT

KINDS: list[tuple[Any, dict[str, Any]]] = [
    (nn.LSTM, {}),
    (nn.LSTM, {"proj_size": 2}),
    (nn.GRU, {}),
    (nn.RNN, {"nonlinearity": "tanh"}),
    (nn.RNN, {"nonlinearity": "relu"}),
]


class Stepwise(torch.overrides.TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return RECURRENT.get(func, func)(*args, **(kwargs or {}))


def flat(value: Any) -> list[torch.Tensor]:
    if isinstance(value, PackedSequence):
        return [value.data]
    if isinstance(value, tuple):
        return [tensor for item in value for tensor in flat(item)]
    return [value]


def compare(layer: nn.Module, *inputs: Any) -> None:
    results = []
    for mode in (Stepwise(), mock.MagicMock()):
        layer.zero_grad()
        with mode:
            outputs = flat(layer(*inputs))
        sum(tensor.square().sum() for tensor in outputs).backward()
        gradients = [parameter.grad for parameter in layer.parameters()]
        results.append((outputs, gradients))
    for ours, torchs in zip(*results, strict=True):
        torch.testing.assert_close(ours, torchs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("kind", "arguments"), KINDS)
@pytest.mark.parametrize(
    ("layers", "both", "first", "bias"),
    list(itertools.product([1, 2], [False, True], [False, True], [True, False])),
)
def test_layers(
    kind: Any, arguments: dict[str, Any], layers: int, both: bool, first: bool, bias: bool
) -> None:
    torch.manual_seed(0)
    layer = kind(4, 3, layers, bias=bias, batch_first=first, bidirectional=both, **arguments)
    compare(layer, torch.randn(2, 5, 4))
    compare(layer, torch.randn(5, 4))  # one sequence without a batch
    packed = pack_padded_sequence(
        torch.randn(6, 3, 4), torch.tensor([3, 6, 1]), enforce_sorted=False
    )
    compare(layer, packed)


@pytest.mark.parametrize(("kind", "arguments"), KINDS)
def test_states_that_are_given(kind: Any, arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = kind(4, 3, 2, **arguments)
    hidden = torch.randn(2, 5, arguments.get("proj_size", 3))
    state = (hidden, torch.randn(2, 5, 3)) if kind is nn.LSTM else hidden
    compare(layer, torch.randn(7, 5, 4), state)


@pytest.mark.parametrize("kind", [nn.LSTMCell, nn.GRUCell, nn.RNNCell])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(kind: Any, bias: bool) -> None:
    torch.manual_seed(0)
    cell = kind(4, 5, bias=bias)
    state = torch.randn(2, 5)
    compare(cell, torch.randn(2, 4), (state, torch.randn(2, 5)) if kind is nn.LSTMCell else state)


def test_dropout_between_layers_is_there_in_training_only() -> None:
    layer, x = nn.LSTM(4, 16, 2, dropout=0.5), torch.randn(5, 2, 4)
    with Stepwise():
        assert not torch.equal(layer(x)[0], layer(x)[0])
        layer.eval()
        torch.testing.assert_close(layer(x)[0], layer(x)[0])
    compare(layer, x)
