"""How convolutions walk over their input."""

from __future__ import annotations

import pytest
import torch
from fast_setup import window_of
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.window import _vectors_on_gpu


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        nn.Conv2d(4, 6, (2, 5), padding="same", dilation=(3, 1)),
        nn.Conv2d(4, 6, 3, padding="valid"),
        nn.Conv1d(4, 6, 3, stride=2, padding=1),
    ],
)
def test_slices_are_the_inputs_of_columns(layer: nn.Conv1d | nn.Conv2d) -> None:
    window = window_of(layer)
    x = torch.randn(2, 4, 1 if isinstance(layer, nn.Conv1d) else 9, 8)
    padded = window.pad(x)
    rows = F.unfold(padded, window.kernel, dilation=window.dilation, stride=window.stride)
    n_columns = rows.shape[1]
    assert n_columns == layer.weight[0].numel()
    for columns in ((0, n_columns), (0, 5), (3, n_columns - 1)):
        views = window.slices(padded, columns)
        numbers = torch.cat([view.flatten() for view in views]).sort().values
        expected = rows[:, slice(*columns)].flatten().sort().values
        assert torch.equal(numbers, expected)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2)),
        nn.Conv2d(4, 6, (2, 5), padding="same", dilation=(3, 1)),
        nn.Conv1d(4, 6, 3, stride=2, padding=1),
        nn.Conv2d(4, 6, 1, stride=3),
    ],
)
def test_vectors_and_gradients_on_a_gpu_are_those_of_unfold(layer: nn.Conv1d | nn.Conv2d) -> None:
    window = window_of(layer)
    x = torch.randn(2, 4, 1 if isinstance(layer, nn.Conv1d) else 9, 8, requires_grad=True)
    padded = window.pad(x)
    expected = window.vectors(padded)
    vectors = _vectors_on_gpu(padded, window)
    assert torch.equal(vectors, expected)
    weights = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad((vectors * weights).sum(), x)
    (theirs,) = torch.autograd.grad((expected * weights).sum(), x)
    assert torch.equal(gradient, theirs)


def test_output_sizes_are_torchs() -> None:
    layer = nn.Conv2d(2, 3, (3, 5), stride=(2, 3), padding=(1, 2), dilation=(2, 1))
    window, x = window_of(layer), torch.randn(1, 2, 17, 19)
    padded = window.pad(x)
    assert window.output_size(*padded.shape[2:]) == tuple(layer(x).shape[2:])


@pytest.mark.parametrize("kernel", [(2, 3), (4, 4), (1, 2)])
@pytest.mark.parametrize("dilation", [1, (2, 3)])
def test_same_padding_is_torchs(kernel: tuple[int, int], dilation: int | tuple[int, int]) -> None:
    layer, x = nn.Conv2d(1, 1, kernel, padding="same", dilation=dilation), torch.randn(2, 1, 9, 8)
    window = window_of(layer)
    y = F.conv2d(window.pad(x), layer.weight, layer.bias, dilation=window.dilation)
    torch.testing.assert_close(y, layer(x))
    assert window.output_size(*window.pad(x).shape[2:]) == (9, 8)
