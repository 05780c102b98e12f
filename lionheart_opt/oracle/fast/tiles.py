"""How a layer is cut into tiles, what surrounds a tile, and how a convolution walks over its input."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from torch import nn
from torch.nn import functional as F


def _split(size: int, most: int) -> tuple[tuple[int, int], ...]:
    """Half-open ranges of nearly equal length, at most `most` long; a single range if `most` <= 0."""
    count = -(-size // most) if most > 0 else 1
    base, extra = divmod(size, count)
    starts = [i * base + min(i, extra) for i in range(count + 1)]
    return tuple(pairwise(starts))


@dataclass(frozen=True)
class Tiling:
    """How a weight matrix of shape (n_outputs, n_inputs) is cut into tiles, as aihwkit cuts it.

    Tile number `t * len(outputs) + u` has the columns `inputs[t]` and the rows `outputs[u]`.

    Args:
        inputs: Half-open ranges of columns of the weight matrix.
        outputs: Half-open ranges of its rows.
    """

    inputs: tuple[tuple[int, int], ...]
    outputs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, mapping: Any, n_outputs: int, n_inputs: int) -> Tiling:
        """The tiling of aihwkit's `TileModuleArray` for a `MappingParameter`."""
        return cls(
            _split(n_inputs, mapping.max_input_size), _split(n_outputs, mapping.max_output_size)
        )

    def blocks(self) -> list[tuple[int, int, slice, slice]]:
        """For each tile: number of its input range, of its output range, its rows and its columns."""
        return [
            (t, u, slice(*rows), slice(*columns))
            for t, columns in enumerate(self.inputs)
            for u, rows in enumerate(self.outputs)
        ]


@dataclass(frozen=True)
class Converters:
    """What surrounds the crossbar: scaling, DAC, output noise, ADC (aihwkit's `IOParameters`).

    Args:
        dynamic: Whether each input vector is divided by its largest magnitude (noise management
            ABS_MAX).
        scale_limit: Largest divisor; 0 is no limit.
        input_step: Distance of two DAC levels; 0 does not round.
        input_bound: Magnitude at which the DAC clips.
        output_noise: Standard deviation of the noise at the ADC.
        output_step: Distance of two ADC levels; 0 does not round.
        output_bound: Magnitude at which the ADC clips.
        output_scale: Fixed factor behind the ADC.
        retry_limit: While an output clips and the extra divisor is not above this limit, the divisor
            is doubled and the batch is repeated (bound management ITERATIVE); 0 never repeats.
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
        """The converters that an aihwkit `IOParameters` describes."""
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
    """Distance of two levels; in aihwkit, a resolution above 1 is a number of levels."""
    if resolution <= 0:
        return 0.0
    return (1 / resolution if resolution > 1 else resolution) * 2 * bound


@dataclass(frozen=True)
class Window:
    """How a convolution walks over its input. A one-dimensional convolution has height 1.

    Args:
        channels: Number of input channels.
        kernel: Height and width of the kernel.
        stride: Distance of two outputs, (height, width).
        dilation: Distance of two elements of the kernel, (height, width).
        padding: Left, right, top and bottom, as `torch.nn.functional.pad` takes it.
        padding_mode: Mode of `torch.nn.functional.pad`.
    """

    channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int, int, int]
    padding_mode: str

    @classmethod
    def of(cls, module: nn.Conv1d | nn.Conv2d) -> Window:
        """The window of a convolution."""

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
        """Pad feature maps (n, channels, height, width)."""
        return F.pad(x, self.padding, mode=self.padding_mode) if any(self.padding) else x

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
