"""The reference engine: aihwkit's own analog layers on its torch tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from typing import Any, cast

import torch
from aihwkit.nn import AnalogConv2d, AnalogLinear
from aihwkit.simulator.parameters.enums import WeightClipType
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from lionheart_opt.oracle.engine import INPUT_RANGES, SMALLEST, AnalogNetwork, with_analog_layers
from lionheart_opt.oracle.seeds import derive, seeded, sow


class AnalogModule(nn.Module):
    """An aihwkit layer in the place of an `nn.Linear`, `nn.Conv1d` or `nn.Conv2d`.

    It adds what aihwkit's two-dimensional layer on torch tiles lacks (one dimension, paddings other
    than zeros) and, for one-shot training, the ideal forward pass.

    Args:
        module: The floating-point module.
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
    """

    def __init__(self, module: nn.Module, rpu_config: Any) -> None:
        super().__init__()
        self.ideal = False
        self.uses = 0
        self._original = [module]  # in a list: its parameters are not this module's
        self._seed = 0  # of the last drift
        self._converters: int | None = None  # seed of their noise in the next pass
        self.one_dimensional = isinstance(module, nn.Conv1d)
        self.padding: list[int] = []  # as torch pads: last dimension first, both sides
        # what aihwkit draws here (initial weights, spread of output noise) is the same every time
        with seeded(0, torch.device("cpu")):
            self.layer = self._layer(module, rpu_config)
        for tile in self.tiles:
            _without_tiny_scales(tile)
            _without_clipping_by_spread(tile)
        ranges = getattr(module, INPUT_RANGES, None)
        if ranges is not None:
            for tile, (value, batches) in zip(self.tiles, ranges.tolist(), strict=True):
                tile.set_input_range(value)
                tile.input_range_update_idx.data.fill_(batches)

    def _layer(self, module: nn.Module, rpu_config: Any) -> Any:
        if isinstance(module, nn.Linear):
            return AnalogLinear.from_digital(module, rpu_config)
        convolution = cast("nn.Conv1d | nn.Conv2d", module)
        self.padding = list(convolution._reversed_padding_repeated_twice)
        self.mode = convolution.padding_mode.replace("zeros", "constant")
        row = (1,) if self.one_dimensional else ()
        layer = AnalogConv2d(
            convolution.in_channels,
            convolution.out_channels,
            (*row, *convolution.kernel_size),
            stride=(*row, *convolution.stride),
            dilation=(*row, *convolution.dilation),
            bias=convolution.bias is not None,
            rpu_config=rpu_config,
        )
        layer.set_weights(convolution.weight, convolution.bias)
        return layer.to(convolution.weight.device)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The analog forward pass, or the floating-point one if `ideal` (see `AnalogLayer`)."""
        self.uses += 1
        if self.ideal and not self.training:
            return cast(torch.Tensor, self._original[0](x))
        if self.ideal:
            return cast(torch.Tensor, functional_call(self._original[0], self._parameters_now(), x))
        tiny = (x.detach().abs() < SMALLEST) & (x.detach() != 0)
        if bool(tiny.any()):
            x = x - torch.where(tiny, x.detach(), 0.0)  # gradients pass through
        if self._converters is not None and not self.training:
            sow(self._converters, x.device)
            self._converters = None
        if self.padding:
            x = F.pad(x, self.padding, mode=self.mode)
        if self.one_dimensional:
            return cast(torch.Tensor, self.layer(x.unsqueeze(-2)).squeeze(-2))
        return cast(torch.Tensor, self.layer(x))

    @property
    def tiles(self) -> list[Any]:
        """The aihwkit tiles, input splits first."""
        return list(self.layer.analog_tiles())

    def _parameters_now(self) -> dict[str, torch.Tensor]:
        """Weight and bias as differentiable functions of tile weights and digital scales."""
        array = getattr(self.layer.analog_module, "array", None)
        grid = array if array is not None else [[self.layer.analog_module]]
        weight = torch.cat([torch.cat([_scaled(tile) for tile in row]) for row in grid], dim=1)
        parameters = {"weight": weight.view_as(cast(torch.Tensor, self._original[0].weight))}
        if self.layer.analog_module.bias is not None:
            parameters["bias"] = self.layer.analog_module.bias
        return parameters

    def tensors(self) -> dict[str, torch.Tensor]:
        """Trained weight, bias and input ranges, whatever is programmed at the moment."""
        with self._trained_weights():
            tensors = self._parameters_now()
        ranges = [
            torch.cat([tile.input_range, tile.input_range_update_idx])
            for tile in self.tiles
            if tile.input_range is not None
        ]
        return tensors | ({INPUT_RANGES: torch.stack(ranges)} if ranges else {})

    @contextmanager
    def _trained_weights(self) -> Iterator[None]:
        """Put the trained weights on the tiles for the time of a `with` block."""
        programmed = [t for t in self.tiles if t.reference_combined_weights is not None]
        now = [tile.tile.get_weights() for tile in programmed]
        for tile in programmed:
            tile.tile.set_weights(tile.reference_combined_weights)
        yield
        for tile, weights in zip(programmed, now, strict=True):
            tile.tile.set_weights(weights)

    def restore(self) -> None:
        """Put the trained weights back on the tiles and forget what was programmed.

        Otherwise aihwkit would keep its first programming for good, and training would go on from
        drifted weights.
        """
        for tile in self.tiles:
            if tile.reference_combined_weights is not None:
                tile.tile.set_weights(tile.reference_combined_weights)
                tile.reference_combined_weights = None
                tile.programmed_weights = None
                tile.drift_noise_parameters = None

    def after_step(self) -> None:
        """Clip and re-map the weights."""
        for tile in self.tiles:
            _after_step(tile)

    def program(self, seed: int) -> None:
        """Program every tile afresh."""
        with seeded(seed, self.tiles[0].device):
            for tile in self.tiles:
                tile.program_weights()

    def drift(self, time_s: float, seed: int) -> None:
        """Set every tile to its state `time_s` after programming."""
        self._seed = seed
        with seeded(seed, self.tiles[0].device):
            for tile in self.tiles:
                tile.drift_weights(time_s)

    def rewind(self, first: int, count: int) -> None:
        """See `AnalogLayer.rewind`."""
        self._converters = derive(self._seed, "converters", first, count)


class AihwkitEngine:
    """`Engine` on aihwkit's `AnalogLinear` and `AnalogConv2d`; `TorchInferenceRPUConfig` only."""

    def analog(self, model: nn.Module, modules: Sequence[str], rpu_config: Any) -> AnalogNetwork:
        """See `Engine.analog`."""
        return with_analog_layers(model, modules, lambda _, module: self.layer(module, rpu_config))

    def layer(self, module: nn.Module, rpu_config: Any) -> AnalogModule:
        """The analog layer that takes the place of a module."""
        return AnalogModule(module, rpu_config)


def _scaled(tile: Any) -> torch.Tensor:
    """A tile's weights with its digital scales applied, shape (out, in); differentiable."""
    weight: torch.Tensor = tile.tile.weight
    for scale in (tile.mapping_scales, tile.out_scaling_alpha):
        if scale is not None:
            weight = weight * scale.view(-1, 1)
    return weight


def _after_step(tile: Any) -> None:
    """Clip and re-map; unlike aihwkit, without dividing by zero for a column whose weights are all 0."""
    tile.post_update_step()
    _without_tiny_scales(tile)


def _without_clipping_by_spread(tile: Any) -> None:
    """Do not clip a tile of a single weight by the spread of its weights, which is not a number."""
    clip = tile.rpu_config.clip
    if clip.type == WeightClipType.LAYER_GAUSSIAN and tile.tile.weight.numel() == 1:
        kind = WeightClipType.FIXED_VALUE if clip.fixed_value > 0 else WeightClipType.NONE
        tile.rpu_config = copy(tile.rpu_config)
        tile.rpu_config.clip = replace(clip, type=kind)


def _without_tiny_scales(tile: Any) -> None:
    """Replace weights whose scale is below `SMALLEST` by zeros of the scale 1."""
    scales = tile.mapping_scales
    if scales is None:
        return
    tiny = scales < SMALLEST
    if bool(tiny.any()):
        tile.tile.weight.data[tiny.expand(tile.out_size)] = 0.0
        tile.set_scales(torch.where(tiny, 1.0, scales))
