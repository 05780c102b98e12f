"""An analog matrix of the fast engine: its trained and programmed weights, and its products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, prod
from typing import TYPE_CHECKING, Any

import torch
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType
from torch import nn

from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.physics import ProgrammedTile, numba_works
from lionheart_opt.oracle.fast.ranges import InputRanges
from lionheart_opt.oracle.fast.tiles import Converters, Tiling
from lionheart_opt.oracle.quantise import straight_through, ternary_weights
from lionheart_opt.oracle.seeds import derive, seeded
from lionheart_opt.oracle.ternary import TernaryTile
from lionheart_opt.oracle.tiny import SMALLEST
from lionheart_opt.oracle.window import Window

if TYPE_CHECKING:
    from lionheart_opt.oracle.fast.cpu import CpuProducts, Packed


class FastMatrix(nn.Module):
    """An analog weight matrix; see `AnalogMatrix`.

    The parameters are those of aihwkit's tiles, so that optimisers treat both alike: weights on the
    scale of the tiles, learned output scales, learned input ranges.

    Args:
        weight: The weights, shape (n_outputs, n_inputs).
        ranges: Input ranges to start from; see `INPUT_RANGES`.
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.

    Attributes:
        weight: Trained weights in units of the largest conductance, shape (n_outputs, n_inputs).
        mapping_scales: Digital factors of the tiles' outputs, shape (n_input_ranges, n_outputs).
        out_scaling: Learned factors, shape (n_input_ranges, n_outputs), or (n_input_ranges,
            n_output_ranges) if each tile has a single one; None if they are not learned.
        ranges: Input ranges, or None.
        ideal: See `AnalogMatrix`.
        uses: See `AnalogMatrix`.
    """

    mapping_scales: torch.Tensor

    def __init__(self, weight: torch.Tensor, ranges: torch.Tensor | None, rpu_config: Any) -> None:
        super().__init__()
        mapping = rpu_config.mapping
        weight = weight.detach().clone(memory_format=torch.contiguous_format)
        self.rpu_config = rpu_config
        self.tiling = Tiling.of(mapping, *weight.shape)
        n_in, n_out = len(self.tiling.inputs), len(self.tiling.outputs)
        self.weight = nn.Parameter(weight)
        self.register_buffer("mapping_scales", weight.new_ones(n_in, len(weight)))
        self.out_scaling: nn.Parameter | None = None
        if mapping.learn_out_scaling:
            n_scales = len(weight) if mapping.out_scaling_columnwise else n_out
            self.out_scaling = nn.Parameter(weight.new_ones(n_in, n_scales))
        if mapping.weight_scaling_omega is not None and mapping.weight_scaling_omega > 0:
            self._rescale(mapping.weight_scaling_columnwise, mapping.weight_scaling_omega)
        self.ranges: InputRanges | None = None
        if rpu_config.pre_post.input_range.enable:
            made = InputRanges(rpu_config.pre_post.input_range, self.tiling, ranges)
            self.ranges = made.to(weight.device)
        self.ideal = False
        self.uses = 0
        self._cells: torch.Tensor | None = None  # where weights are trained; None is everywhere
        self._products: dict[Window | None, Products] = {}
        self._kernels: dict[Window | None, CpuProducts] = {}
        self._tiles: list[ProgrammedTile] = []
        self._hardware: Hardware | None = None

    def value(self) -> torch.Tensor:
        """The trained weights in floating point, shape (n_outputs, n_inputs), differentiably."""
        return self._weight() * self._spread(self._scales())

    def input_ranges(self) -> torch.Tensor | None:
        """See `INPUT_RANGES`."""
        return None if self.ranges is None else self.ranges.saved()

    def freeze(self) -> None:
        """Let training leave the weights as they are."""
        self.weight.requires_grad_(False)
        if self.out_scaling is not None:
            self.out_scaling.requires_grad_(False)

    def keep_zeros(self, cells: torch.Tensor) -> None:
        """See `AnalogMatrix.keep_zeros`."""
        self._cells = cells.bool()
        self.weight.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: gradient * cells.to(gradient.device)
        )

    def restore(self) -> None:
        """Forget what was programmed, because the weights are about to change."""
        self._tiles, self._hardware = [], None

    @torch.no_grad()
    def after_step(self) -> None:
        """Clip the weights on the tiles, then scale them anew, as aihwkit's `post_update_step` does."""
        clip, remap = self.rpu_config.clip, self.rpu_config.remap
        if clip.type == WeightClipType.FIXED_VALUE:
            self.weight.clamp_(-clip.fixed_value, clip.fixed_value)
        elif clip.type == WeightClipType.LAYER_GAUSSIAN:
            for _, _, rows, columns in self.tiling.blocks():
                tile = self.weight[rows, columns]
                values = tile if self._cells is None else tile[self._cells[rows, columns]]
                # a single weight has no spread to be clipped by
                bound = float(values.std() * clip.sigma) if values.numel() > 1 else inf
                if clip.fixed_value > 0:
                    bound = min(bound, clip.fixed_value)
                tile.clamp_(-bound, bound)
        if remap.type != WeightRemapType.NONE:
            self.weight.mul_(self._spread(self._scales()))
            self._rescale(remap.type == WeightRemapType.CHANNELWISE_SYMMETRIC, 1.0)

    @torch.no_grad()
    def _rescale(self, columnwise: bool, largest: float) -> None:
        """Scale weights so that the largest becomes `largest`, and outputs to make up for it."""
        for t, _, rows, columns in self.tiling.blocks():
            magnitude = self.weight[rows, columns].abs()
            magnitude = magnitude.amax(1) if columnwise else magnitude.max()
            self.mapping_scales[t, rows] = magnitude / largest
        tiny = self.mapping_scales < SMALLEST
        if bool(tiny.any()):
            self.mapping_scales[tiny] = 1
            self.weight.masked_fill_(self._spread(tiny), 0.0)
        self.weight.div_(self._spread(self.mapping_scales))
        if self.out_scaling is not None:
            self.out_scaling.fill_(1)

    def _weight(self) -> torch.Tensor:
        """The weights, with the gradient of aihwkit's tiles."""
        weight: torch.Tensor = _per_scale(self.weight, self.mapping_scales, self._spread)
        return weight

    def _scales(self) -> torch.Tensor:
        """Digital factors of the tiles' outputs, shape (n_input_ranges, n_outputs)."""
        if self.out_scaling is None:
            return self.mapping_scales
        learned: torch.Tensor = self.out_scaling
        if learned.shape != self.mapping_scales.shape:  # each tile has a single one
            learned = learned.repeat_interleave(_widths(self.tiling.outputs, learned), dim=1)
        return self.mapping_scales * learned

    def _spread(self, scales: torch.Tensor) -> torch.Tensor:
        """Expand factors of the tiles' outputs to the weights, shape (n_outputs, n_inputs)."""
        return scales.repeat_interleave(_widths(self.tiling.inputs, scales), dim=0).T

    def program(self, seed: int) -> None:
        """Write the trained weights to the tiles, with the programming noise of that seed."""
        with seeded(seed, self.weight.device), torch.no_grad():
            self._tiles = [
                ProgrammedTile(self.weight[rows, columns].detach().clone(), self.rpu_config)
                for _, _, rows, columns in self.tiling.blocks()
            ]
        self._read(seed)

    def drift(self, time_s: float, seed: int) -> None:
        """Set weights and compensation to `time_s` after programming; restart the output noise."""
        with seeded(seed, self.weight.device), torch.no_grad():
            for tile in self._tiles:
                tile.drift(time_s)
        self._read(seed)

    def rewind(self, first: int, count: int) -> None:
        """See `AnalogMatrix.rewind`."""
        if self._hardware is not None:
            self._hardware.batch, self._hardware.uses = (first, count), 0

    def _read(self, seed: int) -> None:
        """Read the weights and compensations from the tiles."""
        weight, gain = torch.empty_like(self.weight.detach()), self._scales().detach().clone()
        for tile, (t, _, rows, columns) in zip(self._tiles, self.tiling.blocks(), strict=True):
            weight[rows, columns] = tile.weight
            gain[t, rows] *= tile.compensation
        self._hardware = Hardware(weight, gain, seed)

    def forward(
        self, x: torch.Tensor, bias: torch.Tensor | None, window: Window | None
    ) -> torch.Tensor:
        """The analog product; see `AnalogMatrix`.

        Raises:
            RuntimeError: The matrix is in evaluation mode and was not programmed after training.
        """
        hardware = None if self.training else self._hardware
        if hardware is not None:
            weight, gain = hardware.weight, hardware.gain
        elif self.training:
            weight, gain = self._modified()
        else:
            raise RuntimeError("an analog matrix in evaluation mode must be programmed first")
        kernels = self._cpu(x, window)
        if kernels is not None:
            packed = None
            if hardware is None:
                noise = int(torch.randint(2**62, ())), 0
            else:
                if window not in hardware.packed:
                    hardware.packed[window] = kernels.pack(weight, gain, exact=False)
                packed = hardware.packed[window]
                noise = hardware.noise(_n_rows(x, window))
            return kernels(x, weight, gain, bias, noise, packed)
        y = self.products(window)(x, weight, gain, hardware.generator() if hardware else None)
        if bias is None:
            return y
        return y + (bias if window is None else bias.view(-1, 1, 1))

    def products(self, window: Window | None) -> Products:
        """What is fixed about products that walk over their input in that way."""
        if window not in self._products:
            converters = Converters.of(self.rpu_config.forward)
            self._products[window] = Products(self.tiling, converters, window, self.ranges)
        return self._products[window]

    def _cpu(self, x: torch.Tensor, window: Window | None) -> CpuProducts | None:
        """The CPU kernels, if they can compute on this input."""
        if x.device.type != "cpu" or x.dtype != torch.float32 or not numba_works():
            return None
        if window not in self._kernels:
            from lionheart_opt.oracle.fast.cpu import CpuProducts

            self._kernels[window] = CpuProducts(self.products(window))
        return self._kernels[window]

    def _modified(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights with the noise of hardware-aware training, and digital factors."""
        weight = self._weight()
        if self.rpu_config.simulator_tile_class is TernaryTile:
            with torch.no_grad():
                cells = torch.empty_like(weight)
                for _, _, rows, columns in self.tiling.blocks():
                    cells[rows, columns] = ternary_weights(weight[rows, columns], (1,))
            return straight_through(weight, cells), self._scales()
        modifier = self.rpu_config.modifier
        if modifier.type not in {WeightModifierType.MULT_NORMAL, WeightModifierType.ADD_NORMAL}:
            return weight, self._scales()
        with torch.no_grad():
            noise = torch.randn_like(weight) * modifier.std_dev
            if modifier.type == WeightModifierType.MULT_NORMAL:
                noise *= (
                    weight  # aihwkit's torch tile does not make it relative to the largest weight
                )
            elif not modifier.rel_to_actual_wmax:
                noise *= modifier.assumed_wmax
            else:
                for _, _, rows, columns in self.tiling.blocks():
                    noise[rows, columns] *= weight[rows, columns].abs().max()
        return weight + noise, self._scales()


@dataclass(eq=False)
class Hardware:
    """What a matrix computes with in evaluation mode, and where its output noise is.

    Args:
        weight: Weights in units of the largest conductance, shape (n_outputs, n_inputs).
        gain: Digital factors of the tiles' outputs, shape (n_input_ranges, n_outputs).
        seed: Seed of the output noise.
        rows: Number of input vectors since the noise was seeded.
        batch: Number of the first example and number of examples of the batch that decides the noise
            of the next pass (see `AnalogMatrix.rewind`); None if `rows` decides it.
        uses: How often the matrix has been used since the batch began.
        packed: Weights and factors for the CPU kernels, for every window that has been needed.
    """

    weight: torch.Tensor
    gain: torch.Tensor
    seed: int
    rows: int = 0
    batch: tuple[int, int] | None = None
    uses: int = 0
    packed: dict[Window | None, Packed] = field(default_factory=dict)

    def noise(self, rows: int) -> tuple[int, int]:
        """Key of the next pass's output noise, and number of its first input vector in that noise.

        Args:
            rows: Number of input vectors in the pass.
        """
        if self.batch is None:
            self.rows += rows
            return self.seed, self.rows - rows
        first, count = self.batch
        key = self.seed if self.uses == 0 else derive(self.seed, "used again", self.uses)
        self.uses += 1
        return key, first * (rows // max(count, 1))

    def generator(self) -> torch.Generator:
        """Random generator of the output noise where the CPU kernels do not draw it."""
        if self.batch is not None and self.uses == 0:
            self._stream.manual_seed(derive(self.seed, "rewound", *self.batch))
            self.uses = 1
        return self._stream

    @cached_property
    def _stream(self) -> torch.Generator:
        return torch.Generator(self.weight.device).manual_seed(self.seed)


def _n_rows(x: torch.Tensor, window: Window | None) -> int:
    """Number of input vectors that the tiles see."""
    if window is None:
        return x.numel() // x.shape[-1]
    return len(x) * prod(window.output_size(*window.padded_size(*x.shape[2:])))


def _widths(ranges: tuple[tuple[int, int], ...], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor([end - start for start, end in ranges], device=like.device)


class _PerScale(torch.autograd.Function):
    """Identity whose gradient is divided by the square of the scales.

    A step on tile weights `w = W / s` then moves `W` as a step on `W` itself would. aihwkit has a hook
    for it in `TorchInferenceTile.set_scales`.
    """

    @staticmethod
    def forward(
        ctx: Any,
        weight: torch.Tensor,
        scales: torch.Tensor,
        spread: Callable[[torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        ctx.save_for_backward(scales)
        ctx.spread = spread  # what it returns is as large as the weights
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (scales,) = ctx.saved_tensors
        return gradients[0] / ctx.spread(scales**2), None, None


_per_scale: Any = _PerScale.apply
