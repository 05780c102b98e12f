"""Convolutions as products with a weight matrix."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.oracle.product import Product
from lionheart_opt.oracle.window import Window
from lionheart_opt.tracing.matrices import has_matrix

#: Says whether an operand may be a weight.
IsWeight = Callable[[Any], bool]


def convolution(
    is_weight: IsWeight,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> list[Product]:
    """`torch.conv1d`, `torch.conv2d` or `torch.conv3d`."""
    if not is_weight(weight) or not has_matrix(groups, weight):
        return []
    n_axes = weight.dim() - 2
    if n_axes == 3 and groups > 1:
        return []
    if n_axes == 3:
        return [_volumes(input, weight, bias, (stride, padding, dilation))]
    is_single = input.dim() == n_axes + 1
    x = input.unsqueeze(0) if is_single else input

    def finish(y: Tensor) -> Tensor:
        y = y.squeeze(2) if n_axes == 1 else y
        return y.squeeze(0) if is_single else y

    channels = weight.shape[1] * groups
    window = Window.of((len(weight), channels, *weight.shape[2:]), stride, padding, dilation)
    x = x.unsqueeze(2) if n_axes == 1 else x
    return [Product(x, weight, bias, window, finish, groups=groups)]


def _volumes(x: Tensor, weight: Tensor, bias: Tensor | None, settings: tuple[Any, ...]) -> Product:
    """A convolution of volumes as a product with vectors, one for each position of the kernel."""
    is_single = x.dim() == 4
    x = x.unsqueeze(0) if is_single else x
    kernel = weight.shape[2:]
    stride, padding, dilation = (
        (value,) if isinstance(value, int) else value for value in settings
    )
    spans = [d * (k - 1) for d, k in zip(_three(dilation), kernel, strict=True)]
    if isinstance(padding, str):
        margins = [(s // 2, s - s // 2) if padding == "same" else (0, 0) for s in spans]
    else:
        margins = [(p, p) for p in _three(padding)]
    x = F.pad(x, [size for margin in reversed(margins) for size in margin])
    steps = zip(spans, _three(stride), _three(dilation), strict=True)
    for axis, (span, step, gap) in enumerate(steps):
        x = x.unfold(axis + 2, span + 1, step)[..., ::gap]
    vectors = x.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4)

    def finish(y: Tensor) -> Tensor:
        y = y.movedim(-1, 1)
        return y.squeeze(0) if is_single else y

    return Product(x=vectors, weight=weight, bias=bias, finish=finish)


def _three(value: Any) -> tuple[int, int, int]:
    values = tuple(value)
    return (values * 3)[:3] if len(values) == 1 else values


def transposed_convolution(
    is_weight: IsWeight,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> list[Product]:
    """`torch.conv_transpose1d`, `torch.conv_transpose2d` or `torch.conv_transpose3d`.

    It has a product for each input pixel, whose outputs are added up where their kernels overlap.
    """
    if not is_weight(weight) or groups != 1:
        return []
    n_axes = weight.dim() - 2
    is_single = input.dim() == n_axes + 1
    x = input.unsqueeze(0) if is_single else input
    channels, kernel = weight.shape[1], weight.shape[2:]
    scatter: Callable[..., Tensor] = getattr(F, f"conv_transpose{n_axes}d")

    def finish(y: Tensor) -> Tensor:
        y = y.movedim(-1, 1)
        # each output of a product goes to its own place of the kernel
        places = torch.eye(prod(kernel), dtype=y.dtype, device=y.device).view(-1, 1, *kernel)
        maps = y.reshape(len(y) * channels, len(places), *y.shape[2:])
        maps = scatter(maps, places, None, stride, padding, output_padding, 1, dilation)
        result = maps.view(len(y), channels, *maps.shape[2:])
        if bias is not None:
            result = result + bias.view(-1, *(1,) * n_axes)
        return result.squeeze(0) if is_single else result

    source = weight, tuple(range(1, weight.dim()))
    return [Product(x=x.movedim(1, -1), weight=weight.flatten(1).t(), finish=finish, source=source)]
