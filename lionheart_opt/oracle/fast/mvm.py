"""Analog layers in plain torch operations, for any device and differentiable.

The results are those of aihwkit's `AnalogMVM` on torch tiles, and so are the gradients: rounding passes
them through, clipping stops them, and the dynamic scale of an input vector is part of the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch.nn import functional as F

from lionheart_opt.oracle.fast.ranges import InputRanges, clipped
from lionheart_opt.oracle.fast.tiles import Converters, Tiling
from lionheart_opt.oracle.tiny import SMALLEST
from lionheart_opt.oracle.window import Window


@dataclass(frozen=True)
class Products:
    """What is fixed about the products of a layer's inputs with its weights.

    Args:
        tiling: How the weight matrix is cut into tiles.
        converters: The converters of every tile.
        window: The window of a convolution; None for a linear layer.
        ranges: The input ranges; None if inputs are not clipped.
    """

    tiling: Tiling
    converters: Converters
    window: Window | None
    ranges: InputRanges | None

    def __call__(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        gain: torch.Tensor,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Sum of the tiles' outputs.

        Args:
            x: Vectors of shape (..., n_inputs), or feature maps (n, channels, height, width).
            weight: Weights in units of the largest conductance, shape (n_outputs, n_inputs).
            gain: Digital factors of the tiles' outputs, shape (n_input_ranges, n_outputs).
            generator: Random generator of the output noise; None is torch's own.

        Returns:
            Shape (..., n_outputs), or feature maps (n, n_outputs, height, width).
        """
        window, ranges = self.window, self.ranges
        padded = x if window is None else window.pad(x)
        if ranges is not None:
            ranges.initialise(padded, window)
        if window is None:
            return self._sum(padded, weight, gain, generator, None)
        # the gradient of a learned range depends on input vectors, not on feature maps
        learning = ranges is not None and ranges.training and ranges.settings.learn_input_range
        if not self.converters.dynamic and not learning:
            return self._sum(padded, weight, gain, generator, window)
        y = self._sum(
            window.vectors(padded).transpose(1, 2), weight, gain, generator, None
        ).transpose(1, 2)
        return y.reshape(*y.shape[:2], *window.output_size(padded.shape[2], padded.shape[3]))

    def _sum(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        gain: torch.Tensor,
        generator: torch.Generator | None,
        window: Window | None,
    ) -> torch.Tensor:
        """Sum of the tiles' outputs for padded feature maps, or for vectors if there is no window."""
        outputs = []
        for u, rows in enumerate(self.tiling.outputs):
            total: torch.Tensor | None = None
            for t, columns in enumerate(self.tiling.inputs):
                tile = weight[slice(*rows), slice(*columns)]
                factor = gain[t, slice(*rows)]
                if window is None:
                    inputs, product = x[..., slice(*columns)], _linear(tile)
                else:
                    channels, product = _convolution(tile, columns, window)
                    inputs, factor = x[:, channels], factor.view(-1, 1, 1)
                out = self._tile(inputs, product, generator, t, u) * factor
                total = out if total is None else total + out
            outputs.append(cast(torch.Tensor, total))
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1 if window is None else 1)

    def _tile(
        self,
        x: torch.Tensor,
        product: Callable[[torch.Tensor], torch.Tensor],
        generator: torch.Generator | None,
        t: int,
        u: int,
    ) -> torch.Tensor:
        """Outputs of the tile (t, u), whose product of inputs and weights is `product`."""
        value = None
        if self.ranges is not None:
            x, value = self.ranges.clip(x, t, u)
        scale = input_scale(x, self.converters)
        out = tile_product(x, product, scale, self.converters, generator)
        return out if value is None else out * value


def _linear(weight: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: F.linear(x, weight)


def _convolution(
    weight: torch.Tensor, columns: tuple[int, int], window: Window
) -> tuple[slice, Callable[[torch.Tensor], torch.Tensor]]:
    """A tile as a convolution: the channels that it has weights for, and the convolution of them."""
    area = window.kernel[0] * window.kernel[1]
    first, last = columns[0] // area, -(-columns[1] // area)
    kernel = F.pad(weight, (columns[0] - first * area, last * area - columns[1]))
    kernel = kernel.view(len(weight), last - first, *window.kernel)
    return slice(first, last), lambda x: F.conv2d(
        x, kernel, stride=window.stride, dilation=window.dilation
    )


def input_scale(x: torch.Tensor, converters: Converters) -> torch.Tensor | None:
    """What input vectors are multiplied with.

    Args:
        x: Input vectors, shape (..., n_inputs).
        converters: The converters of the tile.

    Returns:
        1 where the scale is static. Otherwise the inverse of each vector's largest magnitude, shape
        (..., 1); 1 for a vector of zeros (see `SMALLEST`). None if all vectors are zero.
    """
    if not converters.dynamic:
        return x.new_ones(())
    largest = x.abs().max(dim=-1, keepdim=True)[0]
    if converters.scale_limit > 0:
        largest = largest.clamp(max=converters.scale_limit)
    is_zero = largest < SMALLEST
    if bool(is_zero.all()):
        return None
    return 1 / torch.where(is_zero, 1, largest)


def tile_product(
    x: torch.Tensor,
    product: Callable[[torch.Tensor], torch.Tensor],
    scale: torch.Tensor | None,
    converters: Converters,
    generator: torch.Generator | None,
) -> torch.Tensor:
    """Scale, DAC, product, noise and ADC; repeated at half the scale while an output clips.

    Args:
        x: Inputs of one tile.
        product: The product with the tile's weights.
        scale: Scale of the inputs, which broadcasts with inputs and outputs. None gives zeros without
            noise, as aihwkit does for a batch of zeros.
        converters: The converters of the tile.
        generator: Random generator of the output noise; None is torch's own.

    Returns:
        The outputs, scaled back.
    """
    if scale is None:
        return product(x)
    bound, step = converters.output_bound, converters.output_step
    factor = 1.0
    while True:
        divided = scale / factor
        inputs = x * divided
        if converters.input_step > 0:
            inputs = _round(inputs, converters.input_step)
        z = product(clipped(inputs, converters.input_bound))
        if converters.output_noise > 0:
            noise = torch.empty_like(z).normal_(generator=generator)
            z = z.add(noise, alpha=converters.output_noise)
        if step > 0:
            z = _round(z, step)
        if factor > converters.retry_limit or bool((z.abs() <= bound).all()):
            return clipped(z, bound) * (converters.output_scale / divided)
        factor *= 2


class _Round(torch.autograd.Function):
    """Round to multiples of a step; the gradient passes through."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, step: float) -> torch.Tensor:  # noqa: ARG004
        return (x / step).round_().mul_(step)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ARG004
        return gradients[0], None


_round: Any = _Round.apply
