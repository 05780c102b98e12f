"""How a convolution walks over its input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch.nn import functional as F


@dataclass(frozen=True)
class Window:
    """How a convolution walks over its input. A one-dimensional convolution has height 1.

    Args:
        channels: Number of input channels.
        kernel: Height and width of the kernel.
        stride: Distance of two outputs, (height, width).
        dilation: Distance of two elements of the kernel, (height, width).
        padding: Zeros on the left, right, top and bottom, as `torch.nn.functional.pad` takes it.
    """

    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]

    @classmethod
    def of(cls, weight: Sequence[int], stride: Any, padding: Any, dilation: Any) -> Window:
        """The window of a call of `torch.conv1d` or `torch.conv2d`.

        Args:
            weight: Shape of the kernels, (n_outputs, channels, width) or with a height before the width.
            stride: As the function takes it: a number, or one for each axis.
            padding: Likewise, or `valid` or `same`.
            dilation: As `stride`.
        """
        settings = (
            value if isinstance(value, int | str) else tuple(value)
            for value in (stride, padding, dilation)
        )
        return _window(tuple(weight), *settings)

    def pad(self, x: torch.Tensor) -> torch.Tensor:
        """Pad feature maps (n, channels, height, width)."""
        return F.pad(x, self.padding) if any(self.padding) else x

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of an input with its padding."""
        left, right, top, bottom = self.padding
        return top + height + bottom, left + width + right

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output for an input of a size that includes the padding."""
        rows, columns = (
            (size - d * (k - 1) - 1) // s + 1
            for size, k, s, d in zip(
                (height, width), self.kernel, self.stride, self.dilation, strict=True
            )
        )
        return rows, columns

    def slices(self, x: torch.Tensor, columns: tuple[int, int]) -> list[torch.Tensor]:
        """The inputs of some columns of the weight matrix, for each of their positions in the kernel.

        Args:
            x: Padded feature maps, shape (n, channels, height, width).
            columns: The first column, and the one behind the last.

        Returns:
            Views of `x` of shape (n, some channels, output height, output width).
        """
        height, width = self.output_size(x.shape[2], x.shape[3])
        area = self.kernel[0] * self.kernel[1]
        views = []
        for position in range(area):
            # a column is a channel times the area plus a position
            channels = slice(*(-(-(column - position) // area) for column in columns))
            y = position // self.kernel[1] * self.dilation[0]
            x0 = position % self.kernel[1] * self.dilation[1]
            rows = slice(y, y + (height - 1) * self.stride[0] + 1, self.stride[0])
            views.append(
                x[:, channels, rows, x0 : x0 + (width - 1) * self.stride[1] + 1 : self.stride[1]]
            )
        return [view for view in views if view.numel()]

    def vectors(self, x: torch.Tensor) -> torch.Tensor:
        """The input vectors of all outputs, shape (n, n_inputs, outputs), from padded feature maps."""
        if x.is_cuda:
            return _vectors_on_gpu(x, self)  # type: ignore[no-any-return]
        return F.unfold(x, self.kernel, dilation=self.dilation, stride=self.stride)


class _Vectors(torch.autograd.Function):
    """`torch.nn.functional.unfold`, which starts a kernel for every image on a GPU; this starts one."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, window: Window) -> torch.Tensor:
        ctx.window, ctx.size = window, x.shape[2:]
        n_columns = window.channels * window.kernel[0] * window.kernel[1]
        return torch.stack(window.slices(x, (0, n_columns)), 2).flatten(3).flatten(1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        window = ctx.window
        how = {"dilation": window.dilation, "stride": window.stride}
        return F.fold(gradients[0], ctx.size, window.kernel, **how), None


_vectors_on_gpu: Any = _Vectors.apply


@lru_cache(maxsize=1024)
def _window(
    weight: tuple[int, ...],
    stride: int | tuple[int, ...],
    padding: int | str | tuple[int, ...],
    dilation: int | tuple[int, ...],
) -> Window:
    n_axes = len(weight) - 2

    def pair(value: Any, missing: int) -> tuple[int, int]:
        values = (value,) if isinstance(value, int) else tuple(value)
        values = values * n_axes if len(values) == 1 else values
        return (values[0], values[1]) if n_axes == 2 else (missing, values[0])

    kernel, steps = pair(tuple(weight[2:]), 1), pair(dilation, 1)
    if isinstance(padding, str):
        spans = [
            d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, steps, strict=True)
        ]
        before = [span // 2 for span in spans]
        after = [span - first for span, first in zip(spans, before, strict=True)]
    else:
        before = after = list(pair(padding, 0))
    return Window(
        channels=int(weight[1]),
        kernel=kernel,
        stride=pair(stride, 1),
        dilation=steps,
        padding=(before[1], after[1], before[0], after[0]),
    )
