"""Products in plain torch operations, against products written down by hand."""

from __future__ import annotations

import pytest
import torch
from aihwkit.simulator.parameters.pre_post import InputRangeParameter
from fast_setup import random_linear, tiling, window_of
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.fast.mvm import Products
from lionheart_opt.oracle.fast.ranges import InputRanges


def inputs() -> torch.Tensor:
    return torch.randn(9, 40, generator=torch.Generator().manual_seed(2))


def test_tiles_have_their_own_digital_factors() -> None:
    tiles = tiling(25, 40, 10, 15)
    products, numbers = random_linear(25, 40, tiles)
    weight, gain, x = numbers["weight"], numbers["gain"], inputs()
    assert len(tiles.inputs) == 3
    expected = sum(
        x[:, slice(*columns)] @ weight[:, slice(*columns)].T * gain[t]
        for t, columns in enumerate(tiles.inputs)
    )
    torch.testing.assert_close(products(x, weight, gain, None), expected)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("most_inputs", [0, 11])
def test_ideal_convolutions_are_torchs(dynamic: bool, most_inputs: int) -> None:
    layer = nn.Conv2d(5, 7, (3, 2), stride=2, padding=1, bias=False)
    linear, _ = random_linear(7, 30, dynamic=dynamic)
    tiles = tiling(7, 30, 0, most_inputs)
    products = Products(tiles, linear.converters, window_of(layer), None)
    x = torch.randn(2, 5, 9, 8)
    y = products(x, layer.weight.flatten(1), torch.ones(len(tiles.inputs), 7), None)
    torch.testing.assert_close(y, layer(x), rtol=1e-4, atol=1e-5)


def test_converters_round_and_clip() -> None:
    products, numbers = random_linear(
        5, 40, input_step=0.5, input_bound=1.0, output_step=0.25, output_bound=2.0, output_scale=3.0
    )
    weight, gain, x = numbers["weight"], numbers["gain"], inputs()
    a = ((x / 0.5).round() * 0.5).clamp(-1, 1)
    z = ((a @ weight.T / 0.25).round() * 0.25).clamp(-2, 2)
    torch.testing.assert_close(products(x, weight, gain, None), z * 3 * gain[0])


def test_clipping_outputs_are_repeated_at_half_the_scale() -> None:
    products, numbers = random_linear(5, 40, output_bound=1.0, retry_limit=1e6)
    weight, gain, x = numbers["weight"], torch.ones(1, 5), inputs()
    torch.testing.assert_close(products(x, weight, gain, None), x @ weight.T)
    once, _ = random_linear(5, 40, output_bound=1.0, retry_limit=1.0)
    y = once(x, weight, gain, None)
    torch.testing.assert_close(y, (x @ weight.T / 2).clamp(-1, 1) * 2)


def test_dynamic_scales_are_limited() -> None:
    products, numbers = random_linear(
        5, 40, dynamic=True, scale_limit=2.0, input_bound=1.0, input_step=0.1
    )
    x = inputs()
    x[0] *= 0.1
    scale = 1 / x.abs().amax(1, keepdim=True).clamp(max=2.0)
    a = ((x * scale / 0.1).round() * 0.1).clamp(-1, 1)
    expected = a @ numbers["weight"].T / scale * numbers["gain"][0]
    y = products(x, numbers["weight"], numbers["gain"], None)
    torch.testing.assert_close(y, expected, rtol=1e-4, atol=1e-5)


def test_noise_comes_from_the_generator_and_spares_batches_of_zeros() -> None:
    products, numbers = random_linear(5, 40, dynamic=True, output_noise=0.5)
    weight, gain = numbers["weight"], torch.ones(1, 5)

    def noisy(seed: int) -> torch.Tensor:
        return products(inputs(), weight, gain, torch.Generator().manual_seed(seed))

    assert torch.equal(noisy(1), noisy(1))
    assert not torch.isclose(noisy(1), noisy(2)).any()
    scaled = (noisy(1) - inputs() @ weight.T) / inputs().abs().amax(1, keepdim=True)
    assert 0.3 < float(scaled.std()) < 0.7
    assert not products(torch.zeros(3, 40), weight, gain, None).any()


def test_rounding_passes_gradients_and_clipping_stops_them() -> None:
    products, numbers = random_linear(5, 40, input_step=0.5, input_bound=1.0)
    weight, gain = numbers["weight"], torch.ones(1, 5)
    x = inputs().requires_grad_()
    products(x, weight, gain, None).sum().backward()
    is_inside = ((x.detach() / 0.5).round() * 0.5).abs() <= 1
    assert is_inside.any() and not is_inside.all()
    torch.testing.assert_close(x.grad, torch.where(is_inside, weight.sum(0), 0.0))


def test_only_tiles_that_clip_are_repeated_at_half_the_scale() -> None:
    """Two tiles below each other. Repeated at another scale, the outputs round to other levels."""
    products, numbers = random_linear(
        5, 40, tiling(5, 40, 0, 20), output_bound=2.0, output_step=0.25, retry_limit=1e6
    )
    weight, x = numbers["weight"].clone(), inputs()
    weight[:, :20] *= 1.5 / (x[:, :20] @ weight[:, :20].T).abs().max()  # within the bound
    weight[:, 20:] *= 3.0 / (x[:, 20:] @ weight[:, 20:].T).abs().max()  # clips once
    quiet, loud = x[:, :20] @ weight[:, :20].T, x[:, 20:] @ weight[:, 20:].T
    expected = (quiet / 0.25).round() * 0.25 + (loud / 2 / 0.25).round() * 0.25 * 2
    torch.testing.assert_close(products(x, weight, torch.ones(2, 5), None), expected)


def test_tiles_clip_at_their_own_ranges() -> None:
    """Two by two tiles; the product is scaled back by the range."""
    tiles = tiling(6, 10, 3, 5)
    linear, numbers = random_linear(6, 10, tiles)
    saved = torch.tensor([[0.5, 1.0], [1.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
    ranges = InputRanges(InputRangeParameter(enable=True), tiles, saved).eval()
    products = Products(tiles, linear.converters, None, ranges)
    weight, gain, x = numbers["weight"], numbers["gain"], 3 * inputs()[:, :10]
    expected = torch.zeros(9, 6)
    for t, u, rows, columns in tiles.blocks():
        bound = float(ranges.values[t, u].detach())
        part = x[:, columns].clamp(-bound, bound) @ weight[rows, columns].T
        expected[:, rows] += part * gain[t, rows]
    y = products(x, weight, gain, None)
    torch.testing.assert_close(y.detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("learning", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_convolutions_are_products_with_their_input_vectors(training: bool, learning: bool) -> None:
    """In outputs and in gradients, those of learned ranges included."""
    layer = nn.Conv2d(3, 7, (3, 2), padding=1)  # windows overlap
    tiles, window = tiling(7, 18, 0, 5), window_of(layer)
    linear, numbers = random_linear(7, 18, tiles)
    settings = InputRangeParameter(
        enable=True, learn_input_range=learning, init_value=1.0, init_from_data=0, decay=0.0
    )
    x = torch.randn(2, 3, 7, 5, generator=torch.Generator().manual_seed(1))
    vectors = F.unfold(window.pad(x), window.kernel, stride=window.stride)
    results = []
    for given, walk in ((x, window), (vectors.transpose(1, 2), None)):
        ranges = InputRanges(settings, tiles, None).train(training)
        products = Products(tiles, linear.converters, walk, ranges)
        weight = numbers["weight"].clone().requires_grad_()
        y = products(given, weight, numbers["gain"], None)
        y = y if walk is None else y.flatten(2).transpose(1, 2)
        y.square().sum().backward()
        results.append((y, weight.grad, ranges.values.grad if training else None))
    of_maps, of_vectors = results
    torch.testing.assert_close(of_maps, of_vectors, rtol=1e-4, atol=1e-4)
    assert (of_maps[2] is not None) is (learning and training)


def test_without_noise_no_random_numbers_are_drawn() -> None:
    products, numbers = random_linear(5, 40)
    before = torch.get_rng_state()
    products(inputs(), numbers["weight"], torch.ones(1, 5), None)
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_of_a_vector_of_zeros_is_that_of_the_converters() -> None:
    """As if its largest input were 1; other vectors of the batch are not zero."""
    products, numbers = random_linear(5, 40, dynamic=True, output_noise=0.5)
    x = torch.zeros(1000, 40)
    x[-1] = 9.0
    y = products(x, numbers["weight"], torch.ones(1, 5), torch.Generator().manual_seed(1))[:-1]
    assert float(y.std()) == pytest.approx(0.5, rel=0.05)
