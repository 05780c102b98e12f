"""Numbers of few bits in floating point: what weights and inputs become, and gradients through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: Weights of ternary matrices below this share of the mean magnitude are zero (Li and Liu, "Ternary
#: Weight Networks", arXiv 1605.04711, equation 6).
TERNARY_THRESHOLD = 0.7


class _StraightThrough(torch.autograd.Function):
    """Values whose gradient is that of the tensor that they are made from."""

    @staticmethod
    def forward(_: Any, exact: Tensor, rounded: Tensor) -> Tensor:
        return rounded.view_as(exact)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    """`rounded`, with the gradient of `exact`: the straight-through estimator.

    Args:
        exact: What was rounded.
        rounded: The same shape, without a gradient.
    """
    if not (torch.is_grad_enabled() and exact.requires_grad):
        return rounded
    through: Tensor = _StraightThrough.apply(exact, rounded)  # type: ignore[no-untyped-call]
    return through


@torch.no_grad()
def integer_weights(weight: Tensor, axes: tuple[int, ...], largest: int) -> Tensor:
    """Weights rounded to whole multiples, from -`largest` to `largest`, of a scale of each output.

    Args:
        weight: The weights.
        axes: Axes of the inputs of an output: the weights along them share a scale.
        largest: 127 for 8 bit, 7 for 4 bit.
    """
    scale = weight.abs().amax(axes, keepdim=True) / largest
    scale = torch.where(scale > 0, scale, 1.0)  # also where it is too small for floating point
    return (weight / scale).round_().clamp_(-largest, largest).mul_(scale)


@torch.no_grad()
def ternary_weights(weight: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Weights that are 0 or, up to the sign, the scale of their output.

    Weights below `TERNARY_THRESHOLD` of the mean magnitude are 0; the scale is the mean magnitude of
    the others, which is nearest to them in the least squares.

    Args:
        weight: The weights.
        axes: As in `integer_weights`.
    """
    magnitude = weight.abs()
    kept = magnitude > TERNARY_THRESHOLD * magnitude.mean(axes, keepdim=True)
    count = kept.sum(axes, keepdim=True).clamp_(min=1)
    scale = (magnitude * kept).sum(axes, keepdim=True) / count
    return torch.where(kept, weight.sign() * scale, 0.0)


@dataclass(frozen=True)
class InputRange:
    """Levels of the inputs of a product: whole multiples of a step, zero among them.

    Args:
        step: Distance of two levels; a number, or a tensor of shape (), like the others.
        lowest: Number of the lowest level, at most 0.
        highest: Number of the highest level, at least 0.
    """

    step: Any
    lowest: Any
    highest: Any

    @classmethod
    def of(cls, low: Tensor, high: Tensor, levels: int) -> InputRange:
        """The range of so many levels that reaches from `low` to `high`, and to zero.

        Args:
            low: Smallest input, shape ().
            high: Largest input, shape ().
            levels: 256 for 8 bit.
        """
        low, high = low.clamp(max=0.0), high.clamp(min=0.0)
        step = (high - low) / (levels - 1)
        step = torch.where(step > 0, step, 1.0)
        lowest = (low / step).round()
        return cls(step, lowest, lowest + (levels - 1))

    def as_numbers(self) -> InputRange:
        """The same range in plain numbers, which are faster to compute with than tensors."""
        return InputRange(float(self.step), float(self.lowest), float(self.highest))

    @torch.no_grad()
    def rounded(self, x: Tensor) -> Tensor:
        """Inputs at the nearest level; those outside of the range at its ends. NaN stays NaN."""
        y: Tensor = (x / self.step).round_().clamp_(self.lowest, self.highest).mul_(self.step)
        return y
