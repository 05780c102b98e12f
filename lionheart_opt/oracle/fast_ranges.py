"""Static and learned input ranges of tiles."""

from __future__ import annotations

from typing import Any

import torch
from aihwkit.simulator.tiles.inference_torch import InputRangeForward
from torch import nn

from lionheart_opt.oracle.fast_tiles import Tiling


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

    @property
    def needs_vectors(self) -> bool:
        """Whether values are about to change, which depends on input vectors, not feature maps."""
        changing = self.settings.learn_input_range or self.batches.min() < self._initial_batches
        return self.training and bool(changing)

    @property
    def _initial_batches(self) -> int:
        return int(self.settings.init_from_data)

    def clip(self, x: torch.Tensor, t: int, u: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs of tile (t, u), clipped and divided by its range; and the range, shape (1,)."""
        if self.training and self.batches[t, u] < self._initial_batches:
            self._initialise(x.detach(), t, u)
        bound = abs(float(self.values[t, u].detach()))
        value = self.values[t, u : u + 1].clone()  # the next tile may change the original in place
        x = x.clamp(-bound, bound)
        if self.training:  # the gradient of a learned range
            x = _with_gradient(x, value, self.settings)
        return x / value, value

    @torch.no_grad()
    def _initialise(self, x: torch.Tensor, t: int, u: int) -> None:
        """Running mean of a multiple of the inputs' standard deviation."""
        deviation, n = x.std(), self.batches[t, u]
        if deviation > 0:
            seen = self.values[t, u] * n + self.settings.init_std_alpha * deviation
            self.values[t, u] = (seen / (n + 1)).abs()
            self.batches[t, u] += 1


_with_gradient: Any = InputRangeForward.apply
