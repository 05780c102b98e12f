"""What the numba kernels are given: where numbers are, what converters do, results of a pass.

All arrays are flat unless a shape is stated. "Packed like panels" means one number for each output
that a panel has room for, panel after panel; places without an output hold 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Block(NamedTuple):
    """Rows of numbers at equal distances in an array.

    Args:
        numbers: The array.
        first: Index of the first number of the first row.
        stride: Distance between the beginnings of two rows.
    """

    numbers: np.ndarray
    first: int
    stride: int


class Frame(NamedTuple):
    """Where an image lies in the same image with its padding.

    Args:
        first: Index of its first number.
        stride: Distance of two rows of pixels.
        height: Number of its rows of pixels; 0 if all inputs are padded already.
        width: Numbers in a row of pixels.
    """

    first: int
    stride: int
    height: int
    width: int


class Layout(NamedTuple):
    """Where the numbers of a layer are, for inputs of one size.

    Args:
        image_size: Numbers in one input image, padding included.
        frame: Where the image is in it.
        starts: Index in an image of the first input of each output position.
        runs: Runs of neighbouring inputs, as (index relative to the start, length).
        vectors: The runs cut into vectors, two numbers for each: index of the first input relative to
            the start, and its number in the tile. They overlap where a run is not whole vectors.
        vectors_at: For each range of inputs, where its vectors begin and end in `vectors`; equal where a
            run is shorter than a vector.
        tiles: For each range of inputs: first run, behind the last run, number of inputs, first
            panel, behind the last panel.
        panels: For each panel of up to `PANEL` outputs: range of outputs, first output, number of
            outputs, index of the first weight. Weights are packed input by input; where the number of
            inputs is odd, an input follows whose weights are 0.
        n_outputs: Outputs of the layer.
    """

    image_size: int
    frame: Frame
    starts: np.ndarray
    runs: np.ndarray
    vectors: np.ndarray
    vectors_at: np.ndarray
    tiles: np.ndarray
    panels: np.ndarray
    n_outputs: int


class Levels(NamedTuple):
    """`Converters` for the kernels: single precision, with inverses; a step of 0 does not round.

    `input_unit` is what outputs of the DAC are counted in: its step, or 1 where it does not round.
    `input_bound` is counted in it, too.
    """

    dynamic: bool
    scale_limit: np.float32
    input_step: np.float32
    input_inverse: np.float32
    input_unit: np.float32
    input_bound: np.float32
    output_noise: np.float32
    output_step: np.float32
    output_inverse: np.float32
    output_bound: np.float32
    output_scale: np.float32
    retry_limit: np.float32


class Layer(NamedTuple):
    """A layer as it is during one pass.

    Args:
        layout: Where its numbers are.
        levels: What its converters do.
        ranges: Where each tile clips its inputs, shape (n_input_ranges, n_output_ranges); 0 does
            not clip.
        weights: Weights, packed as `layout.panels` says; empty where `shorts` has them.
        shorts: Weights in 16 bits, packed in pairs of inputs (see `rounded`); empty where that would
            not be exact enough.
        units: What sums of products are multiplied with, packed like panels.
        gain: Digital factor of each output, packed like panels.
        noise: Standard deviation of each output's noise, packed like panels.
        bias: Digital bias, shape (n_outputs,).
    """

    layout: Layout
    levels: Levels
    ranges: np.ndarray
    weights: np.ndarray
    shorts: np.ndarray
    units: np.ndarray
    gain: np.ndarray
    noise: np.ndarray
    bias: np.ndarray


class Stream(NamedTuple):
    """Which normal numbers are the output noise of a pass.

    Args:
        key: Key of the layer's noise, uint64.
        offset: Number of the first row in the streams of that key, uint64.
    """

    key: np.uint64
    offset: np.uint64


class Pass(NamedTuple):
    """Inputs and results of a pass through a layer. Arrays of tiles have the shape of `ranges`.

    Args:
        x: Input vectors, or channels-last feature maps; with their padding if `Layout.frame` is empty.
        factors: Extra divisor of each tile's inputs; 0 leaves the tile out.
        clipped: Set to 1 for tiles with an output that clips and must not. Such tiles are left out
            from then on.
        seen: Set to 1 for each range of inputs that has an input other than 0, shape
            (n_input_ranges,).
        kept: Outputs of the ADC before clipping, shape (n_panels, n_rows, PANEL); empty where no
            gradient is needed, or where `steps` has them.
        steps: The same in steps of the ADC, as `LARGEST_STEP` says, where that loses nothing.
        outputs: Outputs, or in the backward pass their gradient; shape (n_rows, n_outputs).
    """

    x: np.ndarray
    factors: np.ndarray
    clipped: np.ndarray
    seen: np.ndarray
    kept: np.ndarray
    steps: np.ndarray
    outputs: np.ndarray


class Transposed(NamedTuple):
    """Weights for the product with output gradients.

    Args:
        weights: Weights, packed as `Packing.transposed` says.
        starts: Index in them of each tile, shape (n_input_ranges, n_output_ranges).
        columns: Column of the weight matrix of each input, tile after tile.
    """

    weights: np.ndarray
    starts: np.ndarray
    columns: np.ndarray


class Gradients(NamedTuple):
    """Sums that a backward pass adds to.

    Args:
        weights: Gradient of the weights, packed like them.
        gain: Gradient of the digital factors, packed like panels.
        x: Gradient of the inputs; empty where it is not needed.
        ranges: What the gradients of input ranges are made of (see `range_gradients`), shape
            (n_input_ranges, n_output_ranges, 4).
    """

    weights: np.ndarray
    gain: np.ndarray
    x: np.ndarray
    ranges: np.ndarray


class Reading(NamedTuple):
    """How a row of inputs is read in.

    Args:
        limit: Where inputs are clipped, or 0.
        scale: What they are multiplied with.
        most: Their largest magnitude.
    """

    limit: float
    scale: float
    most: float


class Rows(NamedTuple):
    """Some consecutive rows of a layer.

    Args:
        first: Number of the first one.
        n: How many.
    """

    first: int
    n: int
