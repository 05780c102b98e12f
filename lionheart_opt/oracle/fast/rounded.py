"""Weights in 16 bits, for products of whole numbers, where output noise hides the rounding.

Outputs of a DAC are whole numbers of its steps. Where weights are whole numbers, too, a processor
computes twice as many products at once as in single precision, and their sums are exact.
"""

from __future__ import annotations

from math import isclose, isinf
from typing import NamedTuple

import torch

from lionheart_opt.oracle.fast.tiles import Converters, Tiling
from lionheart_opt.oracle.tiny import SMALLEST

#: How much larger the standard deviation of output noise must be than that of the rounding error, with
#: all inputs at full scale.
HIDDEN = 100.0

#: The largest number of 16 bits, and the largest sum.
LARGEST, LARGEST_SUM = 2**15 - 1, 2**31 - 1


class Rounded(NamedTuple):
    """Weights as whole numbers.

    Args:
        weights: Shape (n_outputs, n_inputs), int16.
        units: The weight that 1 stands for, for each output of each range of inputs, shape
            (n_input_ranges, n_outputs).
    """

    weights: torch.Tensor
    units: torch.Tensor


def largest_input(converters: Converters) -> int:
    """The largest output of the DAC in steps; 0 if that is not a whole number."""
    if converters.input_step <= 0 or isinf(converters.input_bound):
        return 0
    steps = converters.input_bound / converters.input_step
    return round(steps) if isclose(steps, round(steps), rel_tol=1e-6) else 0


def rounded(weight: torch.Tensor, tiling: Tiling, converters: Converters) -> Rounded | None:
    """Round the weights of each output of each tile to 16 bits.

    Args:
        weight: Weights, shape (n_outputs, n_inputs).
        tiling: How the matrix is cut.
        converters: The converters of every tile.

    Returns:
        None where inputs are not whole numbers, where sums could be too large, or where the rounding
        error is not much smaller than the output noise.
    """
    most = largest_input(converters)
    if not 0 < most <= LARGEST or converters.output_noise <= 0:
        return None
    units = weight.new_empty(len(tiling.inputs), len(weight))
    scaled = torch.empty_like(weight)
    for t, (first, last) in enumerate(tiling.inputs):
        columns, depth = weight[:, first:last], last - first
        magnitude = columns.abs()
        unit = magnitude.amax(1) / LARGEST
        if depth * most * LARGEST > LARGEST_SUM:
            # whole numbers are up to half of one larger than what is rounded
            room = LARGEST_SUM / most - depth / 2
            if room <= 0:
                return None
            unit = torch.maximum(unit, magnitude.sum(1) / room)
        error = float(unit.max()) * converters.input_bound * (depth / 12) ** 0.5
        if not error * HIDDEN <= converters.output_noise:  # NaN, too
            return None
        units[t] = torch.where(unit < SMALLEST, 1, unit)
        torch.mul(columns, (1 / units[t])[:, None], out=scaled[:, first:last])
    return Rounded(scaled.round_().to(torch.int16), units)
