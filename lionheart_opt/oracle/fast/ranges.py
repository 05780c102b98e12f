"""Static and learned input ranges of tiles."""

from __future__ import annotations

from typing import Any

import torch
from aihwkit.simulator.tiles.inference_torch import InputRangeForward
from torch import nn

from lionheart_opt.oracle.fast.tiles import Tiling, Window


class InputRanges(nn.Module):
    """Where each tile of a layer clips its inputs (aihwkit's `InputRangeParameter`).

    Attributes:
        values: shape (n_input_ranges, n_output_ranges); a parameter if learned.
        batches: same shape; how many batches of training data they were initialised from.
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
        """Values and batches of each tile, shape (n_tiles, 2)."""
        return torch.stack([self.values.detach().flatten(), self.batches.flatten()], dim=1)

    @torch.no_grad()
    def initialise(self, x: torch.Tensor, window: Window | None) -> None:
        """In the first batches of training: running mean of a multiple of inputs' deviation.

        Args:
            x: vectors of shape (..., n_inputs); with a window padded feature maps.
            window: of the layer.
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
        """Inputs of tile (t, u), clipped and divided by its range; and the range, shape (1,)."""
        value = self.values[t, u : u + 1]
        bound = abs(float(value.detach()))
        x = x.clamp(-bound, bound)
        if self.training:  # the gradient of a learned range
            x = _with_gradient(x, value, self.settings)
        return x / value, value

    def gradient(self, sums: torch.Tensor, n_inputs: torch.Tensor) -> torch.Tensor:
        """Gradient of the values: aihwkit's `InputRangeForward.backward` and that of the division.

        Args:
            sums: of each tile, as the kernels gather them (`range_gradients`), shape (n_input_ranges,
                n_output_ranges, 4).
            n_inputs: of each range of inputs, in all vectors, shape (n_input_ranges, 1).
        """
        values, settings = self.values.detach(), self.settings
        upper, lower, products, inside = sums.unbind(-1)
        found = upper - lower
        if settings.gradient_relative:
            found = found * values * settings.gradient_scale
        if settings.decay > 0:
            shrink = inside / n_inputs > settings.input_min_percentage
            found = found + settings.decay * values * shrink
        return found - products / values


def _deviation(x: torch.Tensor, columns: tuple[int, int], window: Window | None) -> torch.Tensor:
    """Standard deviation of a tile's inputs over all vectors, without making the vectors."""
    if window is None:
        return x[..., slice(*columns)].std()
    parts = window.slices(x, columns)
    n = sum(part.numel() for part in parts)
    mean = torch.stack([part.sum(dtype=torch.float64) for part in parts]).sum() / n
    squares = [(part - mean).square().sum(dtype=torch.float64) for part in parts]
    return (torch.stack(squares).sum() / (n - 1)).sqrt().to(x.dtype)


_with_gradient: Any = InputRangeForward.apply
