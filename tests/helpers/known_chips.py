"""Chips whose columns have a known gain and offset, and no other flaw."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.products import Product
from lionheart_opt.oracle.window import Window


class KnownMatrix(nn.Module):
    """A weight matrix on a chip; programming draws its gains and offsets, drift changes the gains."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.ideal, self.uses, self.reads = False, 0, 0
        self.gain = self.programmed = self.offset = torch.empty(0)

    def forward(self, x: Tensor, bias: Tensor | None, window: Window | None) -> Tensor:
        self.reads += 1
        y = Product(x=x, weight=self.weight, window=window).plain(slice(None))
        shape = (-1,) if window is None else (-1, 1, 1)
        y = y * self.gain.view(shape) + self.offset.view(shape)
        return y if bias is None else y + bias.view(shape)

    def program(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed % 2**60)
        n_outputs = len(self.weight)
        self.programmed = 0.5 + torch.rand(n_outputs, generator=generator)
        self.gain, self.offset = self.programmed, torch.randn(n_outputs, generator=generator)

    def drift(self, time_s: float, seed: int) -> None:
        self.gain = self.programmed * (1.0 + time_s) ** -0.05

    def value(self) -> Tensor:
        return self.weight

    def input_ranges(self) -> None:
        return None

    def restore(self) -> None:
        pass

    def rewind(self, first: int, count: int) -> None:
        pass


class KnownChips:
    """An engine of such chips."""

    def analog(
        self,
        model: nn.Module,
        matrices: Sequence[str],
        rpu_config: object,
        digital: object = None,
    ) -> AnalogNetwork:
        return AnalogNetwork(model, matrices, lambda path, weight, ranges: KnownMatrix(weight))
