"""How a layer lies on tiles and what surrounds a tile: the constants of the fast engine."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from torch import nn
from torch.nn import functional as F


def _split(size: int, most: int) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of nearly equal length, at most `most` long; one range if `most` <= 0."""
    count = -(-size // most) if most > 0 else 1
    base, extra = divmod(size, count)
    starts = [i * base + min(i, extra) for i in range(count + 1)]
    return tuple(pairwise(starts))


@dataclass(frozen=True)
class Tiling:
    """How a weight matrix of shape (n_outputs, n_inputs) is cut into tiles, as aihwkit cuts it.

    Tiles are counted input ranges first: tile `t * len(outputs) + u` has `inputs[t]`, `outputs[u]`.

    Args:
        inputs: half-open ranges of columns of the weight matrix.
        outputs: half-open ranges of its rows.
    """

    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, mapping: Any, n_outputs: int, n_inputs: int) -> Tiling:
        """The tiling that an aihwkit `MappingParameter` gives (`TileModuleArray`)."""
        return cls(
            _split(n_inputs, mapping.max_input_size), _split(n_outputs, mapping.max_output_size)
        )

    def blocks(self) -> list[tuple[int, int, slice, slice]]:
        """Input range number, output range number, rows and columns of the matrix, for each tile."""
        return [
            (t, u, slice(*rows), slice(*columns))
            for t, columns in enumerate(self.inputs)
            for u, rows in enumerate(self.outputs)
        ]


@dataclass(frozen=True)
class Converters:
    """What surrounds the crossbar: scaling, DAC, output noise, ADC (aihwkit's `IOParameters`).

    Args:
        dynamic: each input vector is divided by its largest magnitude (noise management ABS_MAX).
        scale_limit: largest divisor; 0 is none.
        input_step: distance of two DAC levels; 0 does not round.
        input_bound: the DAC clips there.
        output_noise: standard deviation at the ADC.
        output_step: distance of two ADC levels; 0 does not round.
        output_bound: the ADC clips there.
        output_scale: fixed factor behind the ADC.
        retry_limit: while an output clips and the extra divisor is not above this limit, the divisor
            is doubled and the batch is done again (bound management ITERATIVE); 0 never retries.
    """

    dynamic: bool
    scale_limit: float
    input_step: float
    input_bound: float
    output_noise: float
    output_step: float
    output_bound: float
    output_scale: float
    retry_limit: float

    @classmethod
    def of(cls, io: Any) -> Converters:
        """Those of an aihwkit `IOParameters`."""
        input_step = _step(io.inp_res, io.inp_bound)
        retry_limit = 0.0
        if io.bound_management == BoundManagementType.ITERATIVE:
            retry_limit = float(io.max_bm_factor)
            if input_step > 0:
                retry_limit = min(retry_limit, io.max_bm_res / input_step)
        return cls(
            dynamic=io.noise_management == NoiseManagementType.ABS_MAX,
            scale_limit=max(io.nm_thres, 0.0),
            input_step=input_step,
            input_bound=io.inp_bound if io.inp_bound > 0 else float("inf"),
            output_noise=max(io.out_noise, 0.0),
            output_step=_step(io.out_res, io.out_bound),
            output_bound=io.out_bound if io.out_bound > 0 else float("inf"),
            output_scale=io.out_scale,
            retry_limit=retry_limit,
        )


def _step(resolution: float, bound: float) -> float:
    """Distance of two levels; aihwkit takes a resolution above 1 as a number of levels."""
    if resolution <= 0:
        return 0.0
    return (1 / resolution if resolution > 1 else resolution) * 2 * bound


@dataclass(frozen=True)
class Window:
    """How a convolution walks over its input; one-dimensional ones have height 1.

    Args:
        channels: of the input.
        kernel: (height, width), and so are the others.
        stride: between two outputs.
        dilation: between two elements of the kernel.
        padding: left, right, top, bottom, as `torch.nn.functional.pad` takes it.
        padding_mode: as `torch.nn.functional.pad` calls it.
    """

    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    padding_mode: str

    @classmethod
    def of(cls, module: nn.Conv1d | nn.Conv2d) -> Window:
        """That of a convolution."""

        def pair(values: tuple[int, ...], missing: int) -> tuple[int, int]:
            return (values[0], values[1]) if len(values) == 2 else (missing, values[0])

        padding = list(module._reversed_padding_repeated_twice)
        left, right, top, bottom = padding if len(padding) == 4 else [*padding, 0, 0]
        return cls(
            channels=module.in_channels,
            kernel=pair(module.kernel_size, 1),
            stride=pair(module.stride, 1),
            dilation=pair(module.dilation, 1),
            padding=(left, right, top, bottom),
            padding_mode="constant" if module.padding_mode == "zeros" else module.padding_mode,
        )

    def pad(self, x: torch.Tensor) -> torch.Tensor:
        """Feature maps (n, channels, height, width) with the padding around them."""
        return F.pad(x, self.padding, mode=self.padding_mode) if any(self.padding) else x

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output for an input of that size, padding included."""
        rows, columns = (
            (size - d * (k - 1) - 1) // s + 1
            for size, k, s, d in zip(
                (height, width), self.kernel, self.stride, self.dilation, strict=True
            )
        )
        return rows, columns

    def slices(self, x: torch.Tensor, columns: tuple[int, int]) -> list[torch.Tensor]:
        """What some columns of the weight matrix see, for each position in the kernel that they have.

        Args:
            x: padded feature maps, shape (n, channels, height, width).
            columns: first one, and the one behind the last.

        Returns:
            Views of the same kind of shape.
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
