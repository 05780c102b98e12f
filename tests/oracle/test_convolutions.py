"""Grouped and transposed convolutions are products with a matrix, and give torch's result."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from doubled_products import Doubled
from torch import nn

from lionheart_opt.tracing.matrices import Matrix

torch.manual_seed(0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(4, 4, 3, groups=4),
        nn.Conv2d(4, 8, 3, groups=4),
        nn.Conv3d(4, 6, 1, groups=2),
        nn.ConvTranspose1d(4, 6, 3, groups=2),
        nn.ConvTranspose2d(4, 4, 3, groups=4),
    ],
)
def test_convolutions_without_a_matrix_form_are_left_to_torch(layer: Any) -> None:
    x = torch.randn(1, 4, 3, 3, 3)[(...,) + (0,) * (5 - layer.weight.dim())]
    mode = Doubled(layer.weight)
    with mode:
        result = layer(x)
    assert torch.equal(result, layer(x)) and mode.seen == []


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv1d(4, 6, 3, groups=2, padding=1, dilation=2),
        nn.Conv2d(6, 6, (3, 2), groups=3, stride=2, padding="valid"),
        nn.Conv2d(4, 6, 1, groups=2, bias=False),
        nn.Conv2d(4, 2, 3, groups=2, padding=1, padding_mode="circular"),
    ],
)
def test_grouped_convolutions(layer: Any, single: bool) -> None:
    x = torch.randn(*([] if single else [3]), layer.in_channels, *([9] * (layer.weight.dim() - 2)))
    mode = Doubled(layer.weight)
    with mode:
        result = layer(x)
    torch.testing.assert_close(result, 2 * layer(x))
    assert mode.seen == [Matrix("w0", 0, layer.out_channels, True, groups=layer.groups)]


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    ("layer", "size"),
    [
        (nn.ConvTranspose1d(3, 2, 4, stride=2, padding=1, output_padding=1), None),
        (nn.ConvTranspose1d(3, 2, 1, stride=3), None),
        (nn.ConvTranspose2d(3, 2, (3, 2), stride=(1, 3), dilation=2), None),
        (nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1), (10, 11)),
        (nn.ConvTranspose3d(3, 2, 2, stride=(2, 1, 3), padding=(0, 1, 0)), None),
    ],
)
def test_transposed_convolutions(layer: Any, size: Any, single: bool) -> None:
    """The bias is added once, and not where kernels overlap."""
    layer.bias.data.zero_()  # it is not doubled
    n_axes = layer.weight.dim() - 2
    x = torch.randn(*([] if single else [4]), 3, *([5, 6, 4][:n_axes]))
    mode = Doubled(layer.weight)
    with mode:
        result = layer(x, size)
    torch.testing.assert_close(result, 2 * layer(x, size))
    assert mode.seen == [Matrix("w0", 0, 3, True, transposed=True)]
    layer.bias.data.normal_()
    exact = Doubled(layer.weight, factor=1.0)
    with exact:
        result = layer(x, size)
    torch.testing.assert_close(result, layer(x, size))
