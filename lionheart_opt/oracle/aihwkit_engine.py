"""The reference engine: aihwkit's own torch tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from math import inf
from typing import Any

import torch
from aihwkit.nn import AnalogLinear
from aihwkit.optim.context import AnalogContext
from aihwkit.simulator.parameters.enums import WeightClipType
from torch import nn

from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import config_of
from lionheart_opt.oracle.seeds import derive, seeded, sow
from lionheart_opt.oracle.tiny import SMALLEST
from lionheart_opt.oracle.window import Window


class AihwkitMatrix(nn.Module):
    """A weight matrix on the tiles of aihwkit's `AnalogLinear`; see `AnalogMatrix`.

    Feature maps are unfolded, as in aihwkit's own convolutions.

    Args:
        weight: The weights, shape (n_outputs, n_inputs).
        ranges: Input ranges to start from; see `INPUT_RANGES`.
        rpu_config: An aihwkit `TorchInferenceRPUConfig`.
    """

    def __init__(self, weight: torch.Tensor, ranges: torch.Tensor | None, rpu_config: Any) -> None:
        super().__init__()
        self.ideal = False
        self.uses = 0
        self._seed = 0  # of the last drift
        self._converters: int | None = None  # seed of their noise in the next pass
        # what aihwkit draws here (initial weights, spread of output noise) is the same every time
        with seeded(0, torch.device("cpu")):
            self.layer = AnalogLinear(weight.shape[1], weight.shape[0], False, rpu_config)
            self.layer.set_weights(weight)
            self.layer = self.layer.to(weight.device)
        for tile in self.tiles:
            _without_context(tile)
            _without_tiny_scales(tile)
            _without_clipping_by_spread(tile)
        if ranges is not None:
            for tile, (value, batches) in zip(self.tiles, ranges.tolist(), strict=True):
                tile.set_input_range(value)
                tile.input_range_update_idx.data.fill_(batches)

    def forward(
        self, x: torch.Tensor, bias: torch.Tensor | None, window: Window | None
    ) -> torch.Tensor:
        """The analog product; see `AnalogMatrix`."""
        tiny = (x.detach().abs() < SMALLEST) & (x.detach() != 0)
        if bool(tiny.any()):
            x = x - torch.where(tiny, x.detach(), 0.0)  # gradients pass through
        if self._converters is not None and not self.training:
            sow(self._converters, x.device)
            self._converters = None
        if window is None:
            y: torch.Tensor = self.layer(x)
            return y if bias is None else y + bias
        x = window.pad(x)
        y = self.layer(window.vectors(x).transpose(1, 2))
        y = (y if bias is None else y + bias).transpose(1, 2)
        return y.reshape(*y.shape[:2], *window.output_size(x.shape[2], x.shape[3]))

    @property
    def tiles(self) -> list[Any]:
        """The aihwkit tiles, input splits first."""
        return list(self.layer.analog_tiles())

    def value(self) -> torch.Tensor:
        """The trained weights as a differentiable function of those on the tiles and digital scales."""
        with self._trained_weights():
            array = getattr(self.layer.analog_module, "array", None)
            grid = array if array is not None else [[self.layer.analog_module]]
            return torch.cat([torch.cat([_scaled(tile) for tile in row]) for row in grid], dim=1)

    def input_ranges(self) -> torch.Tensor | None:
        """See `INPUT_RANGES`."""
        ranges = [
            torch.cat([tile.input_range, tile.input_range_update_idx])
            for tile in self.tiles
            if tile.input_range is not None
        ]
        return torch.stack(ranges) if ranges else None

    @contextmanager
    def _trained_weights(self) -> Iterator[None]:
        """Put the trained weights on the tiles for the time of a `with` block."""
        programmed = [t for t in self.tiles if t.reference_combined_weights is not None]
        now = [tile.tile.get_weights() for tile in programmed]
        for tile in programmed:
            _write(tile, tile.reference_combined_weights)
        yield
        for tile, weights in zip(programmed, now, strict=True):
            _write(tile, weights)

    def freeze(self) -> None:
        """Let training leave the weights as they are."""
        for tile in self.tiles:
            tile.tile.weight.requires_grad_(False)
            if tile.out_scaling_alpha is not None:
                tile.out_scaling_alpha.requires_grad_(False)

    def keep_zeros(self, cells: torch.Tensor) -> None:
        """See `AnalogMatrix.keep_zeros`."""
        # tiles lie one input range after the other
        array = getattr(self.layer.analog_module, "array", None)
        grid = array if array is not None else [[self.layer.analog_module]]
        column = 0
        for tiles in grid:
            row, width = 0, tiles[0].in_size
            for tile in tiles:
                part = cells[row : row + tile.out_size, column : column + width]
                tile.tile.weight.register_hook(partial(_masked, part))
                _clipped_by_spread_of(tile, part.bool())
                row += tile.out_size
            column += width

    def restore(self) -> None:
        """Put the trained weights back on the tiles and forget what was programmed.

        Otherwise aihwkit would keep its first programming for good, and training would go on from
        drifted weights.
        """
        for tile in self.tiles:
            if tile.reference_combined_weights is not None:
                _write(tile, tile.reference_combined_weights)
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
                with_own_memory(tile)
                tile.program_weights()

    def drift(self, time_s: float, seed: int) -> None:
        """Set every tile to its state `time_s` after programming."""
        self._seed = seed
        with seeded(seed, self.tiles[0].device):
            for tile in self.tiles:
                with_own_memory(tile)
                tile.drift_weights(time_s)

    def rewind(self, first: int, count: int) -> None:
        """See `AnalogLayer.rewind`."""
        self._converters = derive(self._seed, "converters", first, count)


class AihwkitEngine:
    """`Engine` on aihwkit's `AnalogLinear`; `TorchInferenceRPUConfig` only."""

    def analog(
        self,
        model: nn.Module,
        matrices: Sequence[str],
        rpu_config: Any,
        digital: Digital | None = None,
    ) -> AnalogNetwork:
        """See `Engine.analog`."""

        def make(path: str, weight: torch.Tensor, ranges: torch.Tensor | None) -> AihwkitMatrix:
            return AihwkitMatrix(weight, ranges, config_of(rpu_config, path))

        return AnalogNetwork(model, matrices, make, digital)


def share_memory(tile: Any, weights: torch.Tensor) -> None:
    """Let a tile hold a tensor itself, not a copy of it, until something else is written on the tile.

    Raises:
        RuntimeError: The tile of this version of aihwkit holds something else.
    """
    tile.tile.weight.data = weights
    if tile.tile.weight.data_ptr() != weights.data_ptr():
        raise RuntimeError(
            f"aihwkit {version('aihwkit')}: a tile does not hold the weights given to it"
        )


def with_own_memory(tile: Any) -> None:
    """Let a tile hold a copy of its weights.

    What others hold as well then stays as it is when weights are written: aihwkit 1.1.0 replaces the
    tensor, but 1.2.0 writes into it.
    """
    share_memory(tile, tile.tile.weight.data.clone())


def _write(tile: Any, weights: torch.Tensor) -> None:
    """Write weights on a tile."""
    share_memory(tile, weights.to(tile.tile.weight.device, copy=True))


def _without_context(tile: Any) -> None:
    """Take aihwkit's own optimisers' view of a tile's weights from the parameters.

    torch tiles are trained through their weights. The view has no gradient; in aihwkit 1.2.0 it refuses
    to be read, and would keep the first weights in memory.
    """
    context = AnalogContext(tile, nn.Parameter(tile.tile.weight.new_ones(())))
    del tile.analog_ctx
    vars(tile)["analog_ctx"] = context


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


def _masked(cells: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    return gradient * cells.to(gradient.device)


def _clipped_by_spread_of(tile: Any, cells: torch.Tensor) -> None:
    """Where a tile is clipped by the spread of its weights, let it be that of some cells."""
    clip = tile.rpu_config.clip
    if clip.type != WeightClipType.LAYER_GAUSSIAN:
        return

    def clip_weights(_: Any) -> None:
        weights = tile.tile.weight.data
        values = weights[cells]
        bound = float(values.std() * clip.sigma) if values.numel() > 1 else inf
        if clip.fixed_value > 0:
            bound = min(bound, clip.fixed_value)
        tile.tile.weight.data = weights.clamp(-bound, bound)

    tile.tile.clip_weights = clip_weights


def _without_tiny_scales(tile: Any) -> None:
    """Replace weights whose scale is below `SMALLEST` by zeros of the scale 1."""
    scales = tile.mapping_scales
    if scales is None:
        return
    tiny = scales < SMALLEST
    if bool(tiny.any()):
        tile.tile.weight.data[tiny.expand(tile.out_size)] = 0.0
        tile.set_scales(torch.where(tiny, 1.0, scales))
