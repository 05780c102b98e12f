"""Analog layers on the CPU: numba kernels in several threads, differentiable."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch

from lionheart_opt.oracle.fast.backward import backward
from lionheart_opt.oracle.fast.kernels import Layout, Levels, forward
from lionheart_opt.oracle.fast.layout import Packing, pack, unpack
from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.threads import in_threads


@dataclass(frozen=True, eq=False)
class Packed:
    """Weights and digital factors in the kernels' order."""

    weights: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True, eq=False)
class Rows:
    """Inputs of one pass.

    Args:
        x: padded feature maps, channels last, or vectors; flat.
        layout: of the layer for inputs of that size.
        ranges: where each tile clips its inputs, shape (n_input_ranges, n_output_ranges), or zeros.
    """

    x: np.ndarray
    layout: Layout
    ranges: np.ndarray

    @property
    def number(self) -> int:
        """How many rows."""
        return len(self.x) // self.layout.image_size * len(self.layout.starts)


@dataclass(frozen=True, eq=False)
class Pass:
    """What a forward pass leaves for the backward pass.

    Args:
        factors: extra divisor of each tile's inputs, shape (n_input_ranges, n_output_ranges); 0 where
            all inputs were 0.
        kept: outputs of the ADC before clipping, or empty.
        y: outputs, flat.
    """

    factors: np.ndarray
    kept: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class CpuProducts:
    """`Products` in single precision on the CPU."""

    products: Products
    _layouts: dict[tuple[int, int], Layout] = field(default_factory=dict)

    @cached_property
    def packing(self) -> Packing:
        """Of the weights."""
        window = self.products.window
        area = 1 if window is None else window.kernel[0] * window.kernel[1]
        return Packing.of(self.products.tiling, area)

    @cached_property
    def levels(self) -> Levels:
        """Of the converters."""
        c = self.products.converters
        step, output_step = np.float32(c.input_step), np.float32(c.output_step)
        return Levels(
            dynamic=c.dynamic,
            scale_limit=np.float32(c.scale_limit),
            input_step=step,
            input_inverse=np.float32(1) / step if step > 0 else step,
            input_bound=np.float32(c.input_bound),
            output_noise=np.float32(c.output_noise),
            output_step=output_step,
            output_inverse=np.float32(1) / output_step if output_step > 0 else output_step,
            output_bound=np.float32(c.output_bound),
            output_scale=np.float32(c.output_scale),
            retry_limit=np.float32(c.retry_limit),
        )

    @cached_property
    def _clipping(self) -> np.ndarray:
        """Which tiles clipped in the last pass: says where to look first, and changes no result."""
        return np.zeros(self.packing.transposed_at.shape, bool)

    @cached_property
    def _noise(self) -> np.ndarray:
        """Standard deviation of each output's noise, packed like panels."""
        tiling = self.products.tiling
        exists = self.packing.outputs < len(tiling.inputs) * tiling.outputs[-1][1]
        noise: np.ndarray = (exists * self.products.converters.output_noise).float().numpy()
        return noise

    def pack(self, weight: torch.Tensor, gain: torch.Tensor) -> Packed:
        """Weights and factors for the kernels; see `__call__`."""
        gain = self._with_ranges(gain)
        return Packed(pack(weight, self.packing.weights), pack(gain, self.packing.outputs))

    def __call__(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        gain: torch.Tensor,
        bias: torch.Tensor | None,
        noise: tuple[int, int],
        packed: Packed | None = None,
    ) -> torch.Tensor:
        """Sum of the tiles' outputs and the bias, differentiable.

        Args:
            x: vectors of shape (..., n_inputs), or feature maps (n, channels, height, width).
            weight: shape (n_outputs, n_inputs), in units of the largest conductance.
            gain: digital factor of the tiles' outputs, shape (n_input_ranges, n_outputs).
            bias: shape (n_outputs,).
            noise: 64-bit key of the output noise, and number of the first row in its streams.
            packed: of weight and gain, if known.

        Returns:
            Shape (..., n_outputs), or feature maps (n, n_outputs, height, width).
        """
        window, ranges = self.products.window, self.products.ranges
        if window is not None:
            x = window.pad(x.contiguous(memory_format=torch.channels_last))
        values = None
        if ranges is not None:
            ranges.initialise(x, window)
            values = ranges.values
        if bias is None:
            bias = gain.new_zeros(gain.shape[1])
        packed = packed or self.pack(weight, gain)
        apply: Any = _Rows.apply
        gain = self._with_ranges(gain)
        return cast(torch.Tensor, apply(x, weight, gain, bias, values, self, packed, noise))

    def _with_ranges(self, gain: torch.Tensor) -> torch.Tensor:
        """Inputs are divided by their range; outputs are multiplied by it."""
        ranges = self.products.ranges
        if ranges is None:
            return gain
        widths = [end - start for start, end in self.products.tiling.outputs]
        return gain * ranges.values.repeat_interleave(torch.tensor(widths), dim=1)

    def rows(self, x: torch.Tensor) -> Rows:
        """Of padded inputs."""
        window, ranges = self.products.window, self.products.ranges
        size = (1, 1) if window is None else (x.shape[2], x.shape[3])
        if size not in self._layouts:
            self._layouts[size] = self.packing.layout(window, *size)
        shape = self.packing.transposed_at.shape
        return Rows(
            _flat(x if window is None else x.permute(0, 2, 3, 1)),
            self._layouts[size],
            np.zeros(shape, np.float32) if ranges is None else ranges.values.detach().numpy(),
        )

    def forward(
        self, rows: Rows, packed: Packed, bias: np.ndarray, noise: tuple[int, int], keep: bool
    ) -> Pass:
        """All rows, again with half the scale where an output clips.

        Tiles that had clipped the last time are tried alone first: most clip again, and soon.
        """
        numbers = rows.number * rows.layout.n_outputs
        done = Pass(
            factors=np.ones_like(rows.ranges),
            kept=np.empty(len(rows.ranges) * numbers * keep, np.float32),
            y=np.empty(numbers, np.float32),
        )
        if self._clipping.any():
            clipped, _ = self._try(rows, packed, bias, noise, done, leave_out=~self._clipping)
            done.factors[clipped & self._clipping] *= 2
        while True:
            clipped, seen = self._try(rows, packed, bias, noise, done)
            unseen = ~seen & done.factors.any(axis=1)
            if clipped.any():
                done.factors[clipped] *= 2
            elif unseen.any():
                done.factors[unseen] = 0
            else:
                self._clipping[:] = done.factors > 1
                return done

    def _try(
        self,
        rows: Rows,
        packed: Packed,
        bias: np.ndarray,
        noise: tuple[int, int],
        done: Pass,
        leave_out: bool | np.ndarray = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """One attempt: which tiles clip and must not, and which ranges of inputs are not all 0.

        Tiles that are left out count as clipping.
        """
        key, offset = (np.uint64(number % 2**64) for number in noise)
        clipped = np.broadcast_to(leave_out, done.factors.shape).astype(np.int64)
        seen = np.zeros(len(clipped), np.int64)

        def piece(first: int, last: int) -> list[np.ndarray]:
            forward(
                rows.x,
                rows.layout,
                self.levels,
                packed.weights,
                self._noise,
                packed.gain,
                bias,
                rows.ranges,
                done.factors,
                key,
                offset,
                first,
                last,
                clipped,
                seen,
                done.kept,
                done.y,
            )
            return []

        in_threads(piece, rows.number, 1, len(packed.weights))
        return clipped != 0, seen != 0

    def backward(
        self,
        rows: Rows,
        weight: torch.Tensor,
        packed: Packed,
        done: Pass,
        dy: np.ndarray,
        needs_dx: bool,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of packed weights, packed factors and inputs, and sums for input ranges."""
        packing = self.packing
        transposed = pack(weight, packing.transposed)
        dx = np.zeros(len(rows.x) if needs_dx else 0, np.float32)

        def piece(first: int, last: int) -> list[np.ndarray]:
            dweights, dgain = np.zeros_like(packed.weights), np.zeros_like(packed.gain)
            range_sums = np.zeros((*rows.ranges.shape, 4))
            backward(
                rows.x,
                rows.layout,
                self.levels,
                packing.columns,
                transposed,
                packing.transposed_at,
                packed.gain,
                rows.ranges,
                done.factors,
                done.kept,
                dy,
                first,
                last,
                needs_dx,
                dweights,
                dgain,
                dx,
                range_sums,
            )
            return [dweights, dgain, range_sums]

        unit = len(rows.layout.starts)
        dweights, dgain, range_sums = in_threads(piece, rows.number, unit, len(packed.weights))
        return dweights, dgain, dx, range_sums


class _Rows(torch.autograd.Function):
    """Rows of a layer, and their gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        gain: torch.Tensor,
        bias: torch.Tensor,
        values: torch.Tensor | None,  # noqa: ARG004  in the graph for its gradient
        products: CpuProducts,
        packed: Packed,
        noise: tuple[int, int],
    ) -> torch.Tensor:
        rows = products.rows(x)
        keep = any(ctx.needs_input_grad)
        done = products.forward(rows, packed, bias.detach().numpy(), noise, keep)
        if keep:
            ctx.save_for_backward(x, weight, gain)
            ctx.state = products, packed, done
        y = torch.from_numpy(done.y)
        window = products.products.window
        if window is None:
            return y.view(*x.shape[:-1], len(weight))
        size = window.output_size(x.shape[2], x.shape[3])
        return y.view(len(x), *size, len(weight)).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, gain = ctx.saved_tensors
        products, packed, done = ctx.state
        maps, ranges = products.products.window is not None, products.products.ranges
        dy = gradients[0].permute(0, 2, 3, 1) if maps else gradients[0]
        rows = products.rows(x)
        learned = ctx.needs_input_grad[4]
        needs_dx = ctx.needs_input_grad[0] or learned
        dweights, dgain, dx, sums = products.backward(
            rows, weight, packed, done, _flat(dy), needs_dx
        )
        x_gradient = values_gradient = None
        if ctx.needs_input_grad[0]:
            shape = x.permute(0, 2, 3, 1).shape if maps else x.shape
            x_gradient = torch.from_numpy(dx).view(shape)
            x_gradient = x_gradient.permute(0, 3, 1, 2) if maps else x_gradient
        if learned:
            widths = [[end - start] for start, end in products.products.tiling.inputs]
            sums[..., :3] *= products.products.converters.output_scale
            n_inputs = torch.tensor(widths) * rows.number
            values_gradient = ranges.gradient(torch.from_numpy(sums).float(), n_inputs)
        return (
            x_gradient,
            unpack(dweights, products.packing.weights, weight),
            unpack(dgain, products.packing.outputs, gain),
            dy.reshape(-1, len(weight)).sum(0),
            values_gradient,
            None,
            None,
            None,
        )


def _flat(x: torch.Tensor) -> np.ndarray:
    numbers: np.ndarray = x.detach().contiguous().view(-1).numpy()
    return numbers
