"""Read-outs of drift compensation, whose vectors are one-hot: an ADC sees a weight and noise."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import uint32

from lionheart_opt.oracle.fast.compiling import compiled_alone, kernel
from lionheart_opt.oracle.fast.inputs import clip, round_to
from lionheart_opt.oracle.fast.simd import (
    LANES,
    bits,
    both,
    fma,
    larger_words,
    largest_word,
    load,
    multiply,
    number_of,
    splat,
    splat_word,
    store,
)
from lionheart_opt.oracle.fast.tiles import Converters


def columns_read(weight: torch.Tensor, converters: Converters) -> torch.Tensor:
    """What the ADCs of a tile put out for one-hot vectors; noise follows torch's global generator.

    Results and random numbers are those of `tile_product` with a matrix of these vectors.

    Args:
        weight: Weights of the tile, shape (n_outputs, n_inputs).
        converters: The converters of the tile.

    Returns:
        Outputs, shape (n_inputs, n_outputs).
    """
    shape = weight.shape[1], weight.shape[0]
    n, noise = weight.numel(), np.float32(converters.output_noise)
    columns, numbers, outputs = (weight.new_zeros(-(-n // LANES) * LANES) for _ in range(3))
    columns[:n].view(shape).copy_(weight.T)
    step, bound = np.float32(converters.output_step), np.float32(converters.output_bound)
    factor, one = 1.0, np.float32(1.0)
    scale = one
    if converters.dynamic and converters.scale_limit > 0:
        scale = one / np.float32(min(1.0, converters.scale_limit))
    while True:
        divided = scale / np.float32(factor)
        level = divided
        if converters.input_step > 0:
            input_step = np.float32(converters.input_step)
            level = np.rint(divided / input_step) * input_step
        level = min(level, np.float32(converters.input_bound))
        if converters.output_noise > 0:
            numbers[:n].normal_()
        with compiled_alone(_digitise):
            largest = _digitise(
                columns.numpy(),
                numbers.numpy(),
                (level, noise, step, one / step if step > 0 else step, bound),
                np.float32(converters.output_scale) / divided,
                outputs.numpy(),
            )
        if factor > converters.retry_limit or largest <= bound:
            return outputs[:n].view(shape)
        factor *= 2


@kernel
def _digitise(columns: Any, numbers: Any, converters: Any, back: Any, outputs: Any) -> Any:
    """Read all weights once.

    Args:
        columns: Weights.
        numbers: Normal numbers.
        converters: Output of the DAC, standard deviation of noise, step of the ADC and its inverse (0
            does not round), and its bound.
        back: Factor behind the ADC.
        outputs: Outputs, which are overwritten.

    Returns:
        Largest magnitude that an ADC has seen; NaN if one is.
    """
    level, noise, step, inverse, bound = converters
    mask, most = splat_word(uint32(0x7FFFFFFF)), splat_word(uint32(0))
    for i in range(0, len(columns), LANES):
        seen = multiply(load(columns, i), splat(level))
        seen = fma(load(numbers, i), splat(noise), seen)
        if step > 0:
            seen = round_to(seen, splat(step), splat(inverse))
        most = larger_words(both(bits(seen), mask), most)
        store(outputs, i, multiply(clip(seen, splat(bound)), splat(back)))
    return number_of(largest_word(most))
