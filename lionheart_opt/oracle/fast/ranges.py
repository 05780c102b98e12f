"""Static and learned input ranges of tiles."""

from __future__ import annotations

from typing import Any

import torch
from aihwkit.simulator.tiles.inference_torch import InputRangeForward
from torch import nn

from lionheart_opt.oracle.fast.tiles import Tiling
from lionheart_opt.oracle.window import Window

#: Whether `torch.clamp` stops the gradient of numbers that are at an end of the range themselves.
_STOPS_AT_ENDS = torch.__version__ >= "2.14"


def clipped(x: torch.Tensor, bound: float) -> torch.Tensor:
    """Numbers clipped to a magnitude; as in aihwkit, gradients pass where that changes nothing.

    The largest input of a vector is at the end of the range of its DAC, for example.
    """
    y = x.clamp(-bound, bound)
    if not _STOPS_AT_ENDS or not x.requires_grad:
        return y
    return torch.where(x.abs() <= bound, x, y.detach())


class InputRanges(nn.Module):
    """Where each tile of a layer clips its inputs (aihwkit's `InputRangeParameter`).

    Args:
        settings: The `InputRangeParameter`.
        tiling: How the weight matrix is cut into tiles.
        saved: What `saved` returned, to start from.

    Attributes:
        values: The ranges, shape (n_input_ranges, n_output_ranges); a parameter if they are learned.
        batches: Number of batches of training data that each was initialised from, same shape.
    """

    values: torch.Tensor
    batches: torch.Tensor

    def __init__(self, settings: Any, tiling: Tiling, saved: torch.Tensor | None) -> None:
        super().__init__()
        self.settings = settings
        self.tiling = tiling
        shape = len(tiling.inputs), len(tiling.outputs)
        values = torch.full(shape, float(settings.init_value))
        batches = torch.zeros(shape)
        if saved is not None:
            values, batches = saved[:, 0].abs().view(shape), saved[:, 1].view(shape)
        if settings.learn_input_range:
            self.values = nn.Parameter(values.clone())
        else:
            self.register_buffer("values", values.clone())
        self.register_buffer("batches", batches.clone())

    def saved(self) -> torch.Tensor:
        """Range and number of batches of each tile, shape (n_tiles, 2); see `INPUT_RANGES`."""
        return torch.stack([self.values.detach().flatten(), self.batches.flatten()], dim=1)

    @torch.no_grad()
    def initialise(self, x: torch.Tensor, window: Window | None) -> None:
        """Initialise ranges from inputs, in the first batches of training.

        A range is the running mean of a multiple of the inputs' standard deviation.

        Args:
            x: Vectors of shape (..., n_inputs), or padded feature maps if there is a window.
            window: The window of a convolution; None for a linear layer.
        """
        missing = self.batches < self.settings.init_from_data
        if not self.training or not bool(missing.any()):
            return
        for t, columns in enumerate(self.tiling.inputs):
            deviation = _deviation(x, columns, window)
            if deviation > 0:
                n = self.batches[t]
                seen = self.values[t] * n + self.settings.init_std_alpha * deviation
                self.values[t] = torch.where(missing[t], (seen / (n + 1)).abs(), self.values[t])
                self.batches[t] += missing[t]

    def clip(self, x: torch.Tensor, t: int, u: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Clip inputs of tile (t, u) and divide them by its range; also returns the range, shape (1,)."""
        value = self.values[t, u : u + 1]
        bound = abs(float(value.detach()))
        x = clipped(x, bound)
        if self.training:  # aihwkit's gradient of a learned range
            x = _with_gradient(x, value, self.settings)
        return x / value, value

    def gradient(self, sums: torch.Tensor, n_inputs: torch.Tensor) -> torch.Tensor:
        """Gradient of the values: that of aihwkit's `InputRangeForward` and that of the division.

        Args:
            sums: Sums of each tile from the kernels (see `range_gradients`), shape (n_input_ranges,
                n_output_ranges, 4).
            n_inputs: Number of inputs of each range of inputs in all vectors, shape (n_input_ranges,
                1).
        """
        values, settings = self.values.detach(), self.settings
        upper, lower, products, inside = sums.unbind(-1)
        gradient = upper - lower
        if settings.gradient_relative:
            gradient = gradient * values * settings.gradient_scale
        if settings.decay > 0:
            shrink = inside / n_inputs > settings.input_min_percentage
            gradient = gradient + settings.decay * values * shrink
        return gradient - products / values


def _deviation(x: torch.Tensor, columns: tuple[int, int], window: Window | None) -> torch.Tensor:
    """Standard deviation of a tile's inputs over all vectors, without storing the vectors."""
    if window is None:
        return x[..., slice(*columns)].std()
    parts = window.slices(x, columns)
    n = sum(part.numel() for part in parts)
    mean = torch.stack([part.sum(dtype=torch.float64) for part in parts]).sum() / n
    squares = [(part - mean).square().sum(dtype=torch.float64) for part in parts]
    return (torch.stack(squares).sum() / (n - 1)).sqrt().to(x.dtype)


_with_gradient: Any = InputRangeForward.apply
