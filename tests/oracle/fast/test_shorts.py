"""Products of 16-bit numbers give the outputs of exact ones, but for what output noise hides."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest
import torch
from fast_setup import random_linear, tiling, window_of
from torch import nn

from lionheart_opt.oracle.fast.cpu import CpuProducts
from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.tiles import Converters, Tiling
from lionheart_opt.oracle.window import Window

NOISE = (5, 0)
DAC = {"input_step": 2 / 254, "input_bound": 1.0, "output_noise": 0.06}
CASES: dict[str, dict[str, Any]] = {
    "dynamic": {"dynamic": True},
    "limited": {"dynamic": True, "scale_limit": 1.5},
    "static": {},
    "clipping": {"dynamic": True, "output_bound": 2.0, "output_scale": 0.7},
    "repeated": {"dynamic": True, "output_bound": 0.5, "retry_limit": 1000.0},
    "with an ADC": {"dynamic": True, "output_bound": 4.0, "output_step": 8 / 254},
}


def both(
    products: Products, numbers: dict[str, torch.Tensor], x: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs with exact weights, and with weights in 16 bits."""
    ys = []
    for exact in (True, False):
        kernels = CpuProducts(products)
        packed = kernels.pack(numbers["weight"], numbers["gain"], exact=exact)
        assert (len(packed.shorts) == 0) == exact
        with torch.no_grad():
            ys.append(kernels(x, **numbers, noise=NOISE, packed=packed))
    return ys[0], ys[1]


def assert_alike(exact: torch.Tensor, short: torch.Tensor, step: float) -> None:
    """A few inputs may be a step of the DAC away, and a few outputs a step of the ADC."""
    difference = (exact - short).abs()
    scale = float(exact.abs().max())
    assert float(difference.median()) < 2e-4 * scale
    assert float(difference.max()) < max(0.02 * scale, 1.5 * step)


@pytest.mark.parametrize("n_rows", [1, 23, 100])
@pytest.mark.parametrize("n_inputs", [3, 40, 41, 300])
@pytest.mark.parametrize("case", CASES)
def test_outputs_of_linear_layers(case: str, n_inputs: int, n_rows: int) -> None:
    tiles = tiling(25, n_inputs, 12, 128)
    products, numbers = random_linear(25, n_inputs, tiles, **DAC, **CASES[case])
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(n_rows, n_inputs, generator=generator)
    if n_rows > 2:
        x[1], x[2] = 0, 1e-42
    exact, short = both(products, numbers, x)
    step = CASES[case].get("output_step", 0.0) * float(numbers["gain"].abs().max()) * 5
    assert_alike(exact, short, step)


@pytest.mark.parametrize("channels", [3, 8, 22])
@pytest.mark.parametrize("dynamic", [True, False])
def test_outputs_of_convolutions(dynamic: bool, channels: int) -> None:
    convolution = nn.Conv2d(channels, 20, 3, padding=1)
    cut: Tiling = tiling(20, 9 * channels, 0, 4 * channels)
    converters: Converters = random_linear(1, 1, dynamic=dynamic, **DAC)[0].converters
    window: Window = window_of(convolution)
    products = Products(cut, converters, window, None)
    generator = torch.Generator().manual_seed(7)
    numbers = {
        "weight": 0.3 * torch.randn(20, 9 * channels, generator=generator).clamp(-3, 3),
        "gain": torch.ones(len(cut.inputs), 20),
        "bias": torch.zeros(20),
    }
    x = torch.randn(5, channels, 6, 7, generator=generator).clamp(-1.5, 1.5)
    assert_alike(*both(products, numbers, x), 0.0)


@pytest.mark.parametrize("n_inputs", [3, 40])
@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize("case", ["dynamic", "limited", "static"])
def test_what_is_no_number_stays_visible(case: str, value: float, n_inputs: int) -> None:
    """Whole numbers are neither infinite nor NaN."""
    products, numbers = random_linear(5, n_inputs, **DAC, **CASES[case])
    x = torch.randn(30, n_inputs, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    x[4, 2] = value
    exact, short = both(products, numbers, x)
    assert torch.equal(exact.isnan(), short.isnan())
    assert short[4].isnan().all() and not short[5].isnan().any()


def test_a_batch_that_is_no_number_at_all() -> None:
    products, numbers = random_linear(5, 40, **DAC, dynamic=True)
    for y in both(products, numbers, torch.full((3, 40), nan)):
        assert y.isnan().all()


def test_a_row_does_not_depend_on_a_row_beside_it_that_clips() -> None:
    """The inputs are just beside the middle of two steps: rounded twice, they would go the wrong way."""
    middles = torch.arange(0, 126, dtype=torch.float64).add(0.5) / 127
    x = torch.cat([torch.nextafter(middles.float(), torch.tensor(end)) for end in (0.0, 1.0)])
    x = torch.cat([x, middles.float()])
    products, numbers = random_linear(len(x), len(x), **DAC)
    numbers |= {"weight": torch.eye(len(x)), "bias": torch.zeros(len(x))}
    kernels = CpuProducts(products)
    packed = kernels.pack(numbers["weight"], numbers["gain"], exact=False)
    loud = torch.stack([x, torch.full_like(x, 5.0)])
    with torch.no_grad():
        alone = kernels(x[None], **numbers, noise=NOISE, packed=packed)
        beside = kernels(loud, **numbers, noise=NOISE, packed=packed)
    assert torch.equal(alone[0], beside[0])
