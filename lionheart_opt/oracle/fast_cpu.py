"""Analog layers on the CPU: numba kernels in several threads, differentiable."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar, cast

import numpy as np
import torch
from torch.nn import functional as F

from lionheart_opt.oracle.fast_backward import backward
from lionheart_opt.oracle.fast_kernels import Layout, Levels, forward
from lionheart_opt.oracle.fast_layout import Packing, pack, unpack
from lionheart_opt.oracle.fast_noise import tile_keys
from lionheart_opt.oracle.fast_tiles import Converters, Tiling, Window

#: Pieces of a layer's work for each thread: enough to even out what else the machine does.
PIECES = 4


@dataclass(frozen=True, eq=False)
class Packed:
    """Weights and digital factors in the kernels' order."""

    weights: np.ndarray
    gain: np.ndarray


@dataclass(eq=False)
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
    """`Products` whose input vectors are scaled dynamically, in single precision on the CPU.

    Args:
        tiling: of the weight matrix.
        converters: of every tile.
        window: None for a linear layer.
    """

    tiling: Tiling
    converters: Converters
    window: Window | None

    @cached_property
    def packing(self) -> Packing:
        """Of the weights."""
        kernel = (1, 1) if self.window is None else self.window.kernel
        return Packing.of(self.tiling, kernel[0] * kernel[1])

    @cached_property
    def levels(self) -> Levels:
        """Of the converters."""
        c = self.converters
        step, output_step = np.float32(c.input_step), np.float32(c.output_step)
        return Levels(
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
    def _noise(self) -> np.ndarray:
        exists = self.packing.outputs < len(self.tiling.inputs) * self.tiling.outputs[-1][1]
        noise: np.ndarray = (exists * self.converters.output_noise).float().numpy()
        return noise

    def pack(self, weight: torch.Tensor, gain: torch.Tensor) -> Packed:
        """Weights and factors for the kernels.

        Args:
            weight: shape (n_outputs, n_inputs), in units of the largest conductance.
            gain: digital factor of the tiles' outputs, shape (n_input_ranges, n_outputs).
        """
        packing = self.packing
        return Packed(pack(weight, packing.weights), pack(gain, packing.outputs))

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
        if self.window is not None:
            x = x.contiguous(memory_format=torch.channels_last)
            if any(self.window.padding):
                x = F.pad(x, self.window.padding, mode=self.window.padding_mode)
        if bias is None:
            bias = gain.new_zeros(gain.shape[1])
        packed = packed or self.pack(weight, gain)
        apply: Any = _Rows.apply
        return cast(torch.Tensor, apply(x, weight, gain, bias, self, packed, noise))

    def rows(self, x: torch.Tensor) -> tuple[np.ndarray, Layout, int]:
        """Padded inputs as a flat array, their layout, and the number of rows."""
        if self.window is None:
            layout = self._layout(1, 1)
            return _flat(x), layout, x.numel() // layout.image_size
        layout = self._layout(x.shape[2], x.shape[3])
        return _flat(x.permute(0, 2, 3, 1)), layout, len(x) * len(layout.starts)

    def _layout(self, height: int, width: int) -> Layout:
        return _layout(self.packing, self.window, height, width)

    def forward(
        self,
        x: np.ndarray,
        layout: Layout,
        n_rows: int,
        packed: Packed,
        bias: np.ndarray,
        noise: tuple[int, int],
        keep: bool,
    ) -> Pass:
        """All rows, again with half the scale where an output clips."""
        shape = len(self.tiling.inputs), len(self.tiling.outputs)
        done = Pass(
            factors=np.ones(shape, np.float32),
            kept=np.empty(shape[0] * n_rows * layout.n_outputs * keep, np.float32),
            y=np.empty(n_rows * layout.n_outputs, np.float32),
        )
        while True:
            clipped, seen = self._try(x, layout, n_rows, packed, bias, noise, done)
            unseen = ~seen & done.factors.any(axis=1)
            if clipped.any():
                done.factors[clipped] *= 2
            elif unseen.any():
                done.factors[unseen] = 0
            else:
                return done

    def _try(
        self,
        x: np.ndarray,
        layout: Layout,
        n_rows: int,
        packed: Packed,
        bias: np.ndarray,
        noise: tuple[int, int],
        done: Pass,
    ) -> tuple[np.ndarray, np.ndarray]:
        """One attempt: which tiles clip and must not, and which ranges of inputs are not all 0."""
        keys, offset = tile_keys(noise[0], done.factors), np.uint64(noise[1])
        clipped = np.zeros(done.factors.shape, np.int64)
        seen = np.zeros(len(clipped), np.int64)

        def piece(first: int, last: int) -> None:
            forward(
                x,
                layout,
                self.levels,
                packed.weights,
                self._noise,
                packed.gain,
                bias,
                done.factors,
                keys,
                offset,
                first,
                last,
                clipped,
                seen,
                done.kept,
                done.y,
            )

        _in_threads(piece, n_rows, 1)
        return clipped != 0, seen != 0

    def backward(
        self,
        x: np.ndarray,
        layout: Layout,
        weight: torch.Tensor,
        packed: Packed,
        done: Pass,
        dy: np.ndarray,
        needs_dx: bool,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Gradients of packed weights, packed factors and inputs."""
        packing = self.packing
        transposed = pack(weight, packing.transposed)
        dx = np.zeros(len(x) if needs_dx else 0, np.float32)

        def piece(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
            dweights, dgain = np.zeros_like(packed.weights), np.zeros_like(packed.gain)
            backward(
                x,
                layout,
                self.levels,
                packing.columns,
                transposed,
                packing.transposed_at,
                packed.gain,
                done.factors,
                done.kept,
                dy,
                first,
                last,
                needs_dx,
                dweights,
                dgain,
                dx,
            )
            return dweights, dgain

        pieces = _in_threads(piece, len(dy) // layout.n_outputs, len(layout.starts))
        dweights, dgain = (sum(parts[1:], start=parts[0]) for parts in zip(*pieces, strict=True))
        return dweights, dgain, dx


class _Rows(torch.autograd.Function):
    """Rows of a layer, and their gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        gain: torch.Tensor,
        bias: torch.Tensor,
        products: CpuProducts,
        packed: Packed,
        noise: tuple[int, int],
    ) -> torch.Tensor:
        inputs, layout, n_rows = products.rows(x)
        keep = any(ctx.needs_input_grad)
        done = products.forward(inputs, layout, n_rows, packed, bias.detach().numpy(), noise, keep)
        if keep:
            ctx.save_for_backward(x, weight, gain)
            ctx.state = products, packed, done
        y = torch.from_numpy(done.y)
        if products.window is None:
            return y.view(*x.shape[:-1], layout.n_outputs)
        size = products.window.output_size(x.shape[2], x.shape[3])
        return y.view(len(x), *size, layout.n_outputs).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, gain = ctx.saved_tensors
        products, packed, done = ctx.state
        dy = gradients[0] if products.window is None else gradients[0].permute(0, 2, 3, 1)
        inputs, layout, _ = products.rows(x)
        dweights, dgain, dx = products.backward(
            inputs, layout, weight, packed, done, _flat(dy), ctx.needs_input_grad[0]
        )
        packing = products.packing
        x_gradient = None
        if ctx.needs_input_grad[0]:
            x_gradient = torch.from_numpy(dx)
            if products.window is None:
                x_gradient = x_gradient.view(x.shape)
            else:
                n, channels, height, width = x.shape
                x_gradient = x_gradient.view(n, height, width, channels).permute(0, 3, 1, 2)
        return (
            x_gradient,
            unpack(dweights, packing.weights, weight),
            unpack(dgain, packing.outputs, gain),
            dy.reshape(-1, layout.n_outputs).sum(0),
            None,
            None,
            None,
        )


def _flat(x: torch.Tensor) -> np.ndarray:
    numbers: np.ndarray = x.detach().contiguous().view(-1).numpy()
    return numbers


@lru_cache(maxsize=1024)
def _layout(packing: Packing, window: Window | None, height: int, width: int) -> Layout:
    return packing.layout(window, height, width)


@lru_cache(maxsize=1)
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads)


_Result = TypeVar("_Result")


def _in_threads(piece: Callable[[int, int], _Result], n: int, unit: int) -> list[_Result]:
    """Results of `piece(first, last)` for ranges that cover `range(n)`, each of whole units."""
    n_threads = torch.get_num_threads()
    if n_threads == 1 or n <= unit:
        return [piece(0, n)]
    size = -(-n // (n_threads * PIECES * unit)) * unit
    ranges = [(first, min(first + size, n)) for first in range(0, n, size)]
    return list(_pool(n_threads).map(lambda each: piece(*each), ranges))
