"""An analog layer of the fast engine: its trained and programmed weights, and its forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.util import find_spec
from math import inf, prod
from typing import TYPE_CHECKING, Any, cast

import torch
from aihwkit.simulator.parameters.enums import WeightClipType, WeightModifierType, WeightRemapType
from torch import nn
from torch.func import functional_call

from lionheart_opt.oracle.engine import INPUT_RANGES, SMALLEST
from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.physics import ProgrammedTile
from lionheart_opt.oracle.fast.ranges import InputRanges
from lionheart_opt.oracle.fast.tiles import Converters, Tiling, Window
from lionheart_opt.oracle.seeds import derive, seeded

if TYPE_CHECKING:
    from lionheart_opt.oracle.fast.cpu import CpuProducts, Packed


class FastLayer(nn.Module):
    """An analog `nn.Linear`, `nn.Conv1d` or `nn.Conv2d`.

    The parameters are those of aihwkit's tiles, so that optimisers treat both alike: weights on the
    scale of the tiles, learned output scales, digital bias, learned input ranges.

    Attributes:
        weight: Trained weights in units of the largest conductance, shape (n_outputs, n_inputs).
        mapping_scales: Digital factors of the tiles' outputs, shape (n_input_ranges, n_outputs).
        out_scaling: Learned factors, shape (n_input_ranges, n_outputs), or (n_input_ranges,
            n_output_ranges) if each tile has a single one; None if they are not learned.
        bias: Digital bias, shape (n_outputs,), or None.
        ranges: Input ranges, or None.
        ideal: Compute as the floating-point module does (see `AnalogNetwork.set_ideal`).
        uses: See `AnalogLayer`.
    """

    mapping_scales: torch.Tensor

    def __init__(self, module: nn.Linear | nn.Conv1d | nn.Conv2d, rpu_config: Any) -> None:
        super().__init__()
        mapping = rpu_config.mapping
        weight = module.weight.detach().flatten(1).clone()
        self.rpu_config = rpu_config
        self.two_dimensional = isinstance(module, nn.Conv2d)
        self.tiling = Tiling.of(mapping, *weight.shape)
        n_in, n_out = len(self.tiling.inputs), len(self.tiling.outputs)
        self.weight = nn.Parameter(weight)
        self.register_buffer("mapping_scales", weight.new_ones(n_in, len(weight)))
        self.out_scaling: nn.Parameter | None = None
        if mapping.learn_out_scaling:
            n_scales = len(weight) if mapping.out_scaling_columnwise else n_out
            self.out_scaling = nn.Parameter(weight.new_ones(n_in, n_scales))
        self.bias = None if module.bias is None else nn.Parameter(module.bias.detach().clone())
        if mapping.weight_scaling_omega is not None and mapping.weight_scaling_omega > 0:
            self._rescale(mapping.weight_scaling_columnwise, mapping.weight_scaling_omega)
        self.ranges: InputRanges | None = None
        if rpu_config.pre_post.input_range.enable:
            saved = getattr(module, INPUT_RANGES, None)
            ranges = InputRanges(rpu_config.pre_post.input_range, self.tiling, saved)
            self.ranges = ranges.to(weight.device)
        self.products = Products(
            self.tiling,
            Converters.of(rpu_config.forward),
            None if isinstance(module, nn.Linear) else Window.of(module),
            self.ranges,
        )
        self.ideal = False
        self.uses = 0
        self._original = [module]  # in a list: its parameters are not this layer's
        self._shape = module.weight.shape
        self._tiles: list[ProgrammedTile] = []
        self._hardware: Hardware | None = None
        self._cpu: CpuProducts | None = None

    def tensors(self) -> dict[str, torch.Tensor]:
        """Trained weight, bias and input ranges of the floating-point module, differentiably."""
        tensors = {"weight": (self._weight() * self._spread(self._scales())).view(self._shape)}
        if self.bias is not None:
            tensors["bias"] = self.bias
        if self.ranges is not None:
            tensors[INPUT_RANGES] = self.ranges.saved()
        return tensors

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
                # a single weight has no spread to be clipped by
                bound = float(tile.std() * clip.sigma) if tile.numel() > 1 else inf
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
        weight: torch.Tensor = _per_scale(self.weight, self._spread(self.mapping_scales))
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
        """See `AnalogLayer.rewind`."""
        if self._hardware is not None:
            self._hardware.batch, self._hardware.uses = (first, count), 0

    def _read(self, seed: int) -> None:
        """Read the weights and compensations from the tiles."""
        weight, gain = torch.empty_like(self.weight.detach()), self._scales().detach().clone()
        for tile, (t, _, rows, columns) in zip(self._tiles, self.tiling.blocks(), strict=True):
            weight[rows, columns] = tile.weight
            gain[t, rows] *= tile.compensation
        self._hardware = Hardware(weight, gain, seed)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The analog forward pass, or the floating-point module's if `ideal`.

        Raises:
            RuntimeError: The layer is in evaluation mode and was not programmed after training.
        """
        self.uses += 1
        if self.ideal and not self.training:
            return cast(torch.Tensor, self._original[0](x))
        if self.ideal:
            tensors = self.tensors()
            tensors.pop(INPUT_RANGES, None)
            return cast(torch.Tensor, functional_call(self._original[0], tensors, x))
        window = self.products.window
        if window is None:
            return self._analog(x)
        image = x.shape[-2:] if self.two_dimensional else (1, x.shape[-1])
        y = self._analog(x.reshape(-1, window.channels, *image))
        if not self.two_dimensional:
            y = y.squeeze(2)
        return y if x.dim() == y.dim() else y.squeeze(0)

    def _analog(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs with bias, for vectors or for feature maps (n, channels, height, width)."""
        hardware = None if self.training else self._hardware
        if hardware is not None:
            weight, gain = hardware.weight, hardware.gain
        elif self.training:
            weight, gain = self._modified()
        else:
            raise RuntimeError("an analog layer in evaluation mode must be programmed first")
        kernels = self._kernels(x)
        if kernels is not None:
            packed = None
            if hardware is None:
                noise = int(torch.randint(2**62, ())), 0
            else:
                packed = hardware.packed = hardware.packed or kernels.pack(weight, gain)
                noise = hardware.noise(self._rows(x))
            return kernels(x, weight, gain, self.bias, noise, packed)
        y = self.products(x, weight, gain, hardware.generator() if hardware else None)
        if self.bias is None:
            return y
        return y + (self.bias if self.products.window is None else self.bias.view(-1, 1, 1))

    def _rows(self, x: torch.Tensor) -> int:
        """Number of input vectors that the tiles see."""
        window = self.products.window
        if window is None:
            return x.numel() // x.shape[-1]
        left, right, top, bottom = window.padding
        height, width = x.shape[2] + top + bottom, x.shape[3] + left + right
        return len(x) * prod(window.output_size(height, width))

    def _kernels(self, x: torch.Tensor) -> CpuProducts | None:
        """The CPU kernels, if they can compute on this input."""
        if x.device.type != "cpu" or x.dtype != torch.float32 or not _numba_works():
            return None
        if self._cpu is None:
            from lionheart_opt.oracle.fast.cpu import CpuProducts

            self._cpu = CpuProducts(self.products)
        return self._cpu

    def _modified(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights with the noise of hardware-aware training, and digital factors."""
        weight = self._weight()
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
    """What a layer computes with in evaluation mode, and where its output noise is.

    Args:
        weight: Weights in units of the largest conductance, shape (n_outputs, n_inputs).
        gain: Digital factors of the tiles' outputs, shape (n_input_ranges, n_outputs).
        seed: Seed of the output noise.
        rows: Number of input vectors since the noise was seeded.
        batch: Number of the first example and number of examples of the batch that decides the noise
            of the next pass (see `AnalogLayer.rewind`); None if `rows` decides it.
        uses: How often the layer has been used since the batch began.
        packed: Weights and factors for the CPU kernels, once they have been needed.
    """

    weight: torch.Tensor
    gain: torch.Tensor
    seed: int
    rows: int = 0
    batch: tuple[int, int] | None = None
    uses: int = 0
    packed: Packed | None = None

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


@lru_cache(maxsize=1)
def _numba_works() -> bool:
    return find_spec("numba") is not None


def _widths(ranges: tuple[tuple[int, int], ...], like: torch.Tensor) -> torch.Tensor:
    return torch.tensor([end - start for start, end in ranges], device=like.device)


class _PerScale(torch.autograd.Function):
    """Identity whose gradient is divided by the square of the scales.

    A step on tile weights `w = W / s` then moves `W` as a step on `W` itself would. aihwkit has a hook
    for it in `TorchInferenceTile.set_scales`.
    """

    @staticmethod
    def forward(ctx: Any, weight: torch.Tensor, scales: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(scales)
        return weight.view_as(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        (scales,) = ctx.saved_tensors
        return gradients[0] / scales**2, None


_per_scale: Any = _PerScale.apply
