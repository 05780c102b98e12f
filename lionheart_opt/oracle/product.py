"""A product of activations with what may be a weight matrix, as tiles compute it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

from lionheart_opt.oracle.window import Window


def unchanged(y: Tensor) -> Tensor:
    """Finish a product whose outputs are what the function returns."""
    return y


class Product(NamedTuple):
    """A product of activations with an operand that may be a weight matrix.

    Attributes:
        x: Vectors, shape (..., n_inputs), or with a window feature maps (n, channels, height, width).
        weight: Shape (n_outputs, n_inputs, ...).
        bias: What is added to the outputs, shape (n_outputs,); None adds nothing.
        window: The window of a convolution; None for vectors.
        finish: From outputs of shape (..., n_outputs) or (n, n_outputs, height, width), bias included, to
            what the function returns.
        source: The operand that `weight` is made of, and its dimensions that are those of the outputs;
            None if it is a view of the operand.
        groups: Groups of a convolution; the weights of a group multiply with its own channels only.
    """

    x: Tensor
    weight: Tensor
    bias: Tensor | None = None
    window: Window | None = None
    finish: Callable[[Tensor], Tensor] = unchanged
    source: tuple[Tensor, tuple[int, ...]] | None = None
    groups: int = 1

    def plain(self, rows: slice) -> Tensor:
        """Some of its outputs in floating point, without bias."""
        if self.window is None:
            return F.linear(self.x, self.weight[rows].flatten(1))
        window = self.window
        # the outputs of a group need their place among all of them
        weight = self.weight if self.groups > 1 else self.weight[rows]
        weight = weight.view(len(weight), -1, *window.kernel)
        x, dilation = window.pad(self.x), window.dilation
        y = F.conv2d(x, weight, None, window.stride, 0, dilation, self.groups)
        return y[:, rows] if self.groups > 1 else y

    def with_bias(self, y: Tensor) -> Tensor:
        """All outputs, with the bias."""
        if self.bias is None:
            return y
        return y + (self.bias if self.window is None else self.bias.view(-1, 1, 1))
