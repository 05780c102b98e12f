"""Read-outs with one-hot vectors: what products with a matrix of them put out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from lionheart_opt.oracle.fast.mvm import input_scale, tile_product
from lionheart_opt.oracle.fast.readout import columns_read
from lionheart_opt.oracle.fast.tiles import Converters
from lionheart_opt.oracle.rpu import lionheart

USUAL = Converters.of(lionheart().forward)


def by_products(weight: Tensor, converters: Converters) -> Tensor:
    """The read-out as a product of matrices."""
    vectors = torch.eye(weight.shape[1])
    scale = input_scale(vectors, converters)
    return tile_product(vectors, lambda x: x @ weight.T, scale, converters, None)


CHANGES: dict[str, dict[str, Any]] = {
    "usual": {},
    "static": {"dynamic": False},
    "a small limit of the scale": {"scale_limit": 0.3},
    "a large limit of the scale": {"scale_limit": 7.0},
    "no DAC": {"input_step": 0.0},
    "coarse DAC": {"input_step": 2 / 14},
    "an input that clips": {"input_bound": 0.7},
    "no ADC": {"output_step": 0.0},
    "coarse ADC": {"output_step": 24 / 14},
    "no noise": {"output_noise": 0.0},
    "much noise": {"output_noise": 2.0},
    "a factor behind the ADC": {"output_scale": 0.5},
    "outputs that clip": {"output_bound": 0.6, "retry_limit": 0.0},
    "outputs that clip and are read again": {"output_bound": 0.6},
    "outputs that clip until the end": {"output_bound": 0.1, "retry_limit": 3.0},
}


@pytest.mark.parametrize("shape", [(20, 30), (3, 5), (1, 1), (64, 256)])
@pytest.mark.parametrize("name", CHANGES)
def test_results_and_random_numbers_are_those_of_products(
    name: str, shape: tuple[int, int]
) -> None:
    converters = replace(USUAL, **CHANGES[name])
    weight = torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.manual_seed(2)
    expected = by_products(weight, converters)
    after = torch.rand(())
    torch.manual_seed(2)
    read = columns_read(weight, converters)
    assert read.shape == expected.shape and after == torch.rand(())
    # where a sum is halfway between two steps of the ADC, rounding errors decide
    step = converters.output_step * converters.output_scale / 0.3
    off = (read - expected).abs() > 1e-5
    assert float(off.float().mean()) < 1e-3
    assert not off.any() or float((read - expected).abs().max()) < 2 * step


def test_a_weight_that_is_not_a_number_stays_visible() -> None:
    weight = torch.ones(4, 6)
    weight[2, 3] = torch.nan
    read = columns_read(weight, USUAL)
    assert read.isnan().nonzero().tolist() == [[3, 2]]


def test_a_part_of_other_weights() -> None:
    whole = torch.rand(8, 10)
    quiet = replace(USUAL, output_noise=0.0, output_step=0.0)
    torch.testing.assert_close(columns_read(whole[2:5, 1:8], quiet), whole[2:5, 1:8].T)
