"""Analog layers on the CPU: numba kernels in several threads, differentiable."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from lionheart_opt.oracle.fast.backward import backward
from lionheart_opt.oracle.fast.backward import workspace as backward_workspace
from lionheart_opt.oracle.fast.compiling import compiled_alone
from lionheart_opt.oracle.fast.kernels import LARGEST_STEP, Work, forward, workspace
from lionheart_opt.oracle.fast.layout import PADDED, Packing, pack, unpack
from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.padding import frame, padded
from lionheart_opt.oracle.fast.panel import PANEL
from lionheart_opt.oracle.fast.rounded import rounded
from lionheart_opt.oracle.fast.structures import (
    Gradients,
    Layer,
    Layout,
    Levels,
    Pass,
    Stream,
    Transposed,
)
from lionheart_opt.oracle.fast.threads import PIECES, in_threads


class Packed(NamedTuple):
    """Weights and digital factors in the kernels' order; see `Layer`."""

    weights: np.ndarray
    shorts: np.ndarray
    units: np.ndarray
    gain: np.ndarray


def _in_steps(bound: np.float32, step: np.float32) -> np.float32:
    """A bound in steps, so that the same numbers of steps are within it, rounding errors included."""
    if step == 0 or np.isinf(bound):
        return bound
    steps = bound / step
    nearest = np.rint(steps)
    if nearest * step <= bound:
        return max(steps, nearest)
    return min(steps, np.nextafter(nearest, np.float32(0)))


class CpuProducts:
    """`Products` in single precision on the CPU.

    It remembers the layout for every size of input, and which tiles clipped in the last pass.

    Args:
        products: What is computed.
    """

    def __init__(self, products: Products) -> None:
        self.products = products
        self._layouts: dict[tuple[int, int, bool], Layout] = {}
        shape = len(products.tiling.inputs), len(products.tiling.outputs)
        #: Tiles that clipped in the last pass: says where to look first, and changes no result.
        self._clipping = np.zeros(shape, bool)

    @cached_property
    def packing(self) -> Packing:
        """How weights are packed."""
        window = self.products.window
        area = 1 if window is None else window.kernel[0] * window.kernel[1]
        return Packing.of(self.products.tiling, area)

    @cached_property
    def levels(self) -> Levels:
        """What the converters do."""
        c = self.products.converters
        step, output_step = np.float32(c.input_step), np.float32(c.output_step)
        return Levels(
            dynamic=c.dynamic,
            scale_limit=np.float32(c.scale_limit),
            input_step=step,
            input_inverse=np.float32(1) / step if step > 0 else step,
            input_unit=step if step > 0 else np.float32(1),
            input_bound=_in_steps(np.float32(c.input_bound), step),
            output_noise=np.float32(c.output_noise),
            output_step=output_step,
            output_inverse=np.float32(1) / output_step if output_step > 0 else output_step,
            output_bound=np.float32(c.output_bound),
            output_scale=np.float32(c.output_scale),
            retry_limit=np.float32(c.retry_limit),
        )

    @cached_property
    def _noise(self) -> np.ndarray:
        """Standard deviation of each output's noise, packed like panels."""
        tiling = self.products.tiling
        exists = self.packing.outputs < len(tiling.inputs) * tiling.outputs[-1][1]
        noise: np.ndarray = (exists * self.products.converters.output_noise).float().numpy()
        return noise

    def pack(self, weight: torch.Tensor, gain: torch.Tensor, *, exact: bool = True) -> Packed:
        """Pack weights and digital factors for the kernels.

        Args:
            weight: As for `__call__`.
            gain: As for `__call__`.
            exact: Whether weights stay as they are, even where output noise hides that they are
                rounded (see `rounded`).
        """
        packing, tiling = self.packing, self.products.tiling
        units = torch.full_like(gain, float(self.levels.input_unit))
        whole = None if exact else rounded(weight, tiling, self.products.converters)
        if whole is None:
            weights, shorts = pack(weight, packing.weights), np.empty(0, np.int16)
        else:
            weights, shorts = np.empty(0, np.float32), pack(whole.weights, packing.pairs)
            units *= whole.units
        return Packed(
            weights=weights,
            shorts=shorts,
            units=pack(units, packing.outputs),
            gain=pack(self._with_ranges(gain), packing.outputs),
        )

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
            x: Vectors of shape (..., n_inputs), or feature maps (n, channels, height, width).
            weight: Weights in units of the largest conductance, shape (n_outputs, n_inputs).
            gain: Digital factors of the tiles' outputs, shape (n_input_ranges, n_outputs).
            bias: Digital bias, shape (n_outputs,).
            noise: 64-bit key of the output noise, and number of the first row in its streams.
            packed: What `pack` returned for `weight` and `gain`; None packs them.

        Returns:
            Shape (..., n_outputs), or feature maps (n, n_outputs, height, width).
        """
        window, ranges = self.products.window, self.products.ranges
        is_bare = self._stays_bare(x)
        if window is not None and not is_bare:
            x = padded(x, window)
        values = None
        if ranges is not None:
            ranges.initialise(x, window)
            values = ranges.values
        if bias is None:
            bias = gain.new_zeros(gain.shape[1])
        layer = self.layer(x, packed or self.pack(weight, gain), bias, is_bare)
        if not torch.is_grad_enabled():
            return self.shaped(layer, x, self.forward(layer, x, noise, keep=False).outputs)
        apply: Any = _Rows.apply
        run = _Run(self, layer, noise)
        return cast(torch.Tensor, apply(x, weight, self._with_ranges(gain), bias, values, run))

    def _stays_bare(self, x: torch.Tensor) -> bool:
        """Whether the kernels pad feature maps themselves: pieces then consist of whole images."""
        window, ranges = self.products.window, self.products.ranges
        if window is None or not any(window.padding) or (ranges is not None and ranges.training):
            return False
        return not torch.is_grad_enabled() and len(x) >= PIECES * torch.get_num_threads()

    def _with_ranges(self, gain: torch.Tensor) -> torch.Tensor:
        """Digital factors times input ranges, because inputs are divided by their ranges."""
        ranges = self.products.ranges
        if ranges is None:
            return gain
        widths = [end - start for start, end in self.products.tiling.outputs]
        return gain * ranges.values.repeat_interleave(torch.tensor(widths), dim=1)

    def layer(
        self, x: torch.Tensor, packed: Packed, bias: torch.Tensor, is_bare: bool = False
    ) -> Layer:
        """The layer as the kernels see it.

        Args:
            x: Inputs; their size decides the layout.
            packed: Weights and digital factors.
            bias: Shape (n_outputs,).
            is_bare: Whether inputs come without their padding.
        """
        window, ranges = self.products.window, self.products.ranges
        height, width = (1, 1) if window is None else x.shape[2:]
        size = height, width, is_bare
        if size not in self._layouts:
            edges = PADDED
            if window is not None and is_bare:
                edges = frame(window, height, width)
                height, width = window.padded_size(height, width)
            self._layouts[size] = self.packing.layout(window, height, width, edges)
        values = np.zeros(self._clipping.shape, np.float32)
        return Layer(
            layout=self._layouts[size],
            levels=self.levels,
            ranges=values if ranges is None else ranges.values.detach().numpy(),
            weights=packed.weights,
            shorts=packed.shorts,
            units=packed.units,
            gain=packed.gain,
            noise=self._noise,
            bias=bias.detach().numpy(),
        )

    def forward(self, layer: Layer, x: torch.Tensor, noise: tuple[int, int], keep: bool) -> Pass:
        """Compute all rows, again with half the scale where an output clips.

        Tiles that clipped in the last pass are tried alone first: most clip again, and soon.

        Args:
            layer: The layer.
            x: Inputs, as for `layer`.
            noise: As for `__call__`.
            keep: Whether the backward pass will need the outputs of the ADC.
        """
        shape, n_rows = layer.ranges.shape, self.n_rows(layer, x)
        n_kept = len(layer.layout.panels) * n_rows * PANEL * keep
        in_steps = layer.levels.output_step * LARGEST_STEP > layer.levels.output_bound
        run = Pass(
            x=self.flat(x),
            factors=np.ones(shape, np.float32),
            clipped=np.zeros(shape, np.int64),
            seen=np.zeros(shape[0], np.int64),
            kept=np.empty(0 if in_steps else n_kept, np.float32),
            steps=np.empty(n_kept if in_steps else 0, np.int16),
            outputs=np.empty(n_rows * layer.layout.n_outputs, np.float32),
        )
        key, offset = (np.uint64(number % 2**64) for number in noise)
        stream = Stream(key, offset)
        if self._clipping.any():
            run.clipped[:] = ~self._clipping  # left out as if they clipped
            self._try(layer, run, stream)
            run.factors[(run.clipped != 0) & self._clipping] *= 2
        while True:
            run.clipped[:] = 0
            run.seen[:] = 0
            self._try(layer, run, stream)
            unseen = (run.seen == 0) & run.factors.any(axis=1)
            if run.clipped.any():
                run.factors[run.clipped != 0] *= 2
            elif unseen.any():
                run.factors[unseen] = 0
            else:
                self._clipping[:] = run.factors > 1
                return run

    def _try(self, layer: Layer, run: Pass, stream: Stream) -> None:
        """Compute all rows once, in several threads."""
        spaces: list[Work] = []  # a thread's next piece takes what it has put back

        def piece(first: int, last: int) -> list[np.ndarray]:
            try:
                work = spaces.pop()
            except IndexError:
                work = workspace(layer.layout)
            forward(layer, run, stream, work, first, last)
            spaces.append(work)
            return []

        n_rows = len(run.outputs) // layer.layout.n_outputs
        unit = len(layer.layout.starts) if layer.layout.frame.height else 1
        with compiled_alone(forward):
            in_threads(piece, n_rows, unit, len(self.packing.weights))

    def backward(self, layer: Layer, weight: torch.Tensor, run: Pass, needs_dx: bool) -> Gradients:
        """Gradients of a pass.

        Args:
            layer: The layer as it was in the forward pass; it needs no packed weights.
            weight: Its weights, shape (n_outputs, n_inputs).
            run: The forward pass, with the gradient of the outputs as `outputs`.
            needs_dx: Whether the gradient of the inputs is needed.
        """
        packing = self.packing
        transposed = Transposed(
            weights=pack(weight, packing.transposed),
            starts=packing.transposed_at,
            columns=packing.columns,
        )
        dx = np.zeros(len(run.x) if needs_dx else 0, np.float32)

        def piece(first: int, last: int) -> list[np.ndarray]:
            sums = Gradients(
                weights=np.zeros(len(packing.weights), np.float32),
                gain=np.zeros_like(layer.gain),
                x=dx,
                ranges=np.zeros((*layer.ranges.shape, 4)),
            )
            backward(layer, transposed, run, sums, backward_workspace(layer.layout), first, last)
            return [sums.weights, sums.gain, sums.ranges]

        n_rows = len(run.outputs) // layer.layout.n_outputs
        unit = len(layer.layout.starts)  # a piece has whole images, so that they can share `dx`
        with compiled_alone(backward):
            weights, gain, ranges = in_threads(piece, n_rows, unit, len(packing.weights))
        return Gradients(weights=weights, gain=gain, x=dx, ranges=ranges)

    def n_rows(self, layer: Layer, x: torch.Tensor) -> int:
        """Number of input vectors."""
        if self.products.window is None:
            return x.numel() // layer.layout.image_size
        return len(x) * len(layer.layout.starts)

    def shaped(self, layer: Layer, x: torch.Tensor, outputs: np.ndarray) -> torch.Tensor:
        """Outputs of all rows in the shape that `__call__` promises."""
        window, n_outputs = self.products.window, layer.layout.n_outputs
        # no view of another tensor: autograd would forbid operations in place on it
        if window is None:
            return torch.from_numpy(outputs.reshape(*x.shape[:-1], n_outputs))
        height, width = x.shape[2:]
        if layer.layout.frame.height:
            height, width = window.padded_size(height, width)
        maps = outputs.reshape(len(x), *window.output_size(height, width), n_outputs)
        return torch.from_numpy(maps.transpose(0, 3, 1, 2))

    def flat(self, x: torch.Tensor) -> np.ndarray:
        """Inputs, outputs or their gradients as the kernels take them: channels last, flat."""
        if self.products.window is not None:
            x = x.permute(0, 2, 3, 1)
        numbers: np.ndarray = x.detach().contiguous().view(-1).numpy()
        return numbers


class _Run(NamedTuple):
    """What `_Rows` computes: a layer as it is now, with its output noise."""

    products: CpuProducts
    layer: Layer
    noise: tuple[int, int]


class _Rows(torch.autograd.Function):
    """Rows of a layer, and their gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        gain: torch.Tensor,
        bias: torch.Tensor,  # noqa: ARG004  in the graph for its gradient
        values: torch.Tensor | None,  # noqa: ARG004  likewise
        run: _Run,
    ) -> torch.Tensor:
        products, layer, noise = run
        keep = any(ctx.needs_input_grad)
        done = products.forward(layer, x, noise, keep)
        if keep:
            kept = torch.from_numpy(done.kept), torch.from_numpy(done.steps)
            ctx.save_for_backward(x, weight, gain, *kept)  # freed as soon as they are not needed
            nothing = np.empty(0, np.float32)
            cleared = done._replace(x=nothing, kept=nothing, steps=nothing, outputs=nothing)
            ctx.state = products, layer._replace(weights=nothing), cleared
        return products.shaped(layer, x, done.outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, gain, kept, steps = ctx.saved_tensors
        products, layer, done = ctx.state
        dy = products.flat(gradients[0])
        learned = ctx.needs_input_grad[4]
        needs_dx = ctx.needs_input_grad[0] or learned
        done = done._replace(x=products.flat(x), kept=kept.numpy(), steps=steps.numpy(), outputs=dy)
        sums = products.backward(layer, weight, done, needs_dx)
        x_gradient = values_gradient = None
        if ctx.needs_input_grad[0]:
            maps = products.products.window is not None
            shape = x.permute(0, 2, 3, 1).shape if maps else x.shape
            x_gradient = torch.from_numpy(sums.x).view(shape)
            x_gradient = x_gradient.permute(0, 3, 1, 2) if maps else x_gradient
        if learned:
            widths = [[end - start] for start, end in products.products.tiling.inputs]
            sums.ranges[..., :3] *= products.products.converters.output_scale
            n_inputs = torch.tensor(widths) * products.n_rows(layer, x)
            values_gradient = products.products.ranges.gradient(
                torch.from_numpy(sums.ranges).float(), n_inputs
            )
        return (
            x_gradient,
            unpack(sums.weights, products.packing.weights, weight),
            unpack(sums.gain, products.packing.outputs, gain),
            torch.from_numpy(dy).view(-1, len(weight)).sum(0),
            values_gradient,
            None,
        )
