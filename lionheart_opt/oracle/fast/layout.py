"""Where the numbers of a layer are for the kernels: packed weights, runs of inputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakValueDictionary

import numpy as np
import torch

from lionheart_opt.oracle.fast.panel import PANEL
from lionheart_opt.oracle.fast.simd import LANES
from lionheart_opt.oracle.fast.structures import Frame, Layout
from lionheart_opt.oracle.fast.tiles import Tiling
from lionheart_opt.oracle.window import Window

#: The frame of images that are padded already.
PADDED = Frame(0, 0, 0, 0)

#: Packings that a layer uses, by how it is cut and the area of its kernel.
_PACKINGS: WeakValueDictionary[tuple[Tiling, int], Packing] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class Packing:
    """Indices that bring a layer's weights and factors into the kernels' order and back.

    An index that points one behind the last number of its source stands for 0.

    Args:
        segments: The inputs in the order in which they are gathered, as (range of inputs, position in
            the kernel, first channel, number of channels).
        columns: Column of the weight matrix of each input, tile after tile.
        tiles: For each range of inputs: number of inputs, first panel, behind the last panel.
        panels: As in `Layout`.
        weights: Indices of packed weights in the flat weight matrix.
        transposed: Indices of weights packed for products with output gradients, likewise.
        transposed_at: Index in `transposed` of each tile, shape (n_input_ranges, n_output_ranges).
        outputs: Indices of the panels' outputs in a flat (n_input_ranges, n_outputs) array.
    """

    segments: list[tuple[int, int, int, int]]
    columns: np.ndarray
    tiles: list[tuple[int, int, int]]
    panels: np.ndarray
    weights: torch.Tensor
    transposed: torch.Tensor
    transposed_at: np.ndarray
    outputs: torch.Tensor

    @classmethod
    def of(cls, tiling: Tiling, area: int) -> Packing:
        """The packing of a layer whose kernel has `area` positions (1 for a linear layer).

        Layers that are cut alike share it: its indices are several times as large as the weights.
        """
        packing = _PACKINGS.get((tiling, area))
        if packing is None:
            packing = _PACKINGS[tiling, area] = cls._made(tiling, area)
        return packing

    @classmethod
    def _made(cls, tiling: Tiling, area: int) -> Packing:
        n_outputs, n_inputs = tiling.outputs[-1][1], tiling.inputs[-1][1]
        nothing = n_outputs * n_inputs
        segments: list[tuple[int, int, int, int]] = []
        tiles: list[tuple[int, int, int]] = []
        panels: list[tuple[int, int, int, int]] = []
        columns, weights, transposed, outputs = [], [], [], []
        transposed_at = np.zeros((len(tiling.inputs), len(tiling.outputs)), np.int64)
        packed = packed_transposed = 0
        for t, (start, end) in enumerate(tiling.inputs):
            order: list[int] = []
            for position in range(area):
                # columns are channel by channel, inputs are position by position
                first, behind = -(-(start - position) // area), -(-(end - position) // area)
                segments.append((t, position, first, behind - first))
                order += [channel * area + position for channel in range(first, behind)]
            inputs = np.array(order, np.int64)
            columns.append(inputs)
            first_panel = len(panels)
            for u, rows in enumerate(tiling.outputs):
                numbers = np.arange(rows[0], -(-(rows[1] - rows[0]) // PANEL) * PANEL + rows[0])
                exists = numbers < rows[1]
                index = np.where(exists, numbers * n_inputs + inputs[:, None], nothing)
                even = np.pad(index, ((0, len(inputs) % 2), (0, 0)), constant_values=nothing)
                for output in range(0, len(numbers), PANEL):
                    count = int(exists[output : output + PANEL].sum())
                    panels.append((u, rows[0] + output, count, packed))
                    weights.append(even[:, output : output + PANEL].ravel())
                    packed += weights[-1].size
                outputs.append(
                    np.where(exists, t * n_outputs + numbers, len(tiling.inputs) * n_outputs)
                )
                transposed_at[t, u] = packed_transposed
                padding = -len(inputs) % PANEL
                square = np.pad(index, ((0, padding), (0, 0)), constant_values=nothing)
                square = square.reshape(-1, PANEL, len(numbers)).transpose(0, 2, 1)
                transposed.append(square.ravel())
                packed_transposed += square.size
            tiles.append((len(inputs), first_panel, len(panels)))
        return cls(
            segments=segments,
            columns=np.concatenate(columns),
            tiles=tiles,
            panels=np.array(panels, np.int64),
            weights=torch.from_numpy(np.concatenate(weights)),
            transposed=torch.from_numpy(np.concatenate(transposed)),
            transposed_at=transposed_at,
            outputs=torch.from_numpy(np.concatenate(outputs)),
        )

    @cached_property
    def pairs(self) -> torch.Tensor:
        """`weights`, with the two weights of a pair of inputs beside each other for each output."""
        return self.weights.view(-1, 2, PANEL).transpose(1, 2).reshape(-1)

    def layout(
        self, window: Window | None, height: int, width: int, frame: Frame = PADDED
    ) -> Layout:
        """The layout for input images of a size, padding included (1 x 1 for a linear layer).

        Args:
            window: The window of a convolution; None for a linear layer.
            height: Height of the images.
            width: Their width.
            frame: Where images are in their padding, if they come without.
        """
        n_channels = len(self.columns)
        starts = np.zeros(1, np.int64)
        offsets = [0]
        if window is not None:
            n_channels = window.channels
            out_y, out_x = window.output_size(height, width)
            y = np.arange(out_y, dtype=np.int64)[:, None] * window.stride[0]
            x = np.arange(out_x, dtype=np.int64) * window.stride[1]
            starts = ((y * width + x) * n_channels).ravel()
            offsets = [
                (ky * window.dilation[0] * width + kx * window.dilation[1]) * n_channels
                for ky in range(window.kernel[0])
                for kx in range(window.kernel[1])
            ]
        runs: list[tuple[int, int]] = []
        vectors: list[int] = []
        tiles, vectors_at = [], []
        for t, (n_inputs, first_panel, behind_panel) in enumerate(self.tiles):
            first_run = len(runs)
            for tile, position, channel, count in self.segments:
                if tile != t or count == 0:
                    continue
                source = offsets[position] + channel
                if len(runs) > first_run and sum(runs[-1]) == source:
                    runs[-1] = (runs[-1][0], runs[-1][1] + count)
                else:
                    runs.append((source, count))
            tiles.append((first_run, len(runs), n_inputs, first_panel, behind_panel))
            here, place = runs[first_run:], 0
            short = any(count < LANES for _, count in here)
            vectors_at.append((len(vectors), len(vectors)))
            if not short:
                for source, count in here:
                    # the last vector of a run begins early enough to end with it
                    for i in range(0, count, LANES):
                        first = min(i, count - LANES)
                        vectors += [source + first, place + first]
                    place += count
                vectors_at[-1] = vectors_at[-1][0], len(vectors)
        return Layout(
            image_size=height * width * n_channels,
            frame=frame,
            starts=starts,
            runs=np.array(runs, np.int64),
            vectors=np.array(vectors, np.int64),
            vectors_at=np.array(vectors_at, np.int64),
            tiles=np.array(tiles, np.int64),
            panels=self.panels,
            n_outputs=int(self.panels[-1, 1] + self.panels[-1, 2]),
        )


def pack(values: torch.Tensor, index: torch.Tensor) -> np.ndarray:
    """Collect the numbers that an index array of a `Packing` points to."""
    source = torch.cat([values.detach().reshape(-1), values.new_zeros(1)])
    packed: np.ndarray = source.index_select(0, index).numpy()  # faster than indexing
    return packed


def unpack(packed: np.ndarray, index: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Reverse `pack`: the numbers in the shape of `like`."""
    values = like.new_zeros(like.numel() + 1)
    values[index] = torch.from_numpy(packed)
    return values[:-1].view(like.shape)
