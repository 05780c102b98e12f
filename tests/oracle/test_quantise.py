"""Numbers of few bits, held against loops and by their definitions."""

from __future__ import annotations

import pytest
import torch

from lionheart_opt.oracle.quantise import (
    InputRange,
    integer_weights,
    straight_through,
    ternary_weights,
)

WEIGHT = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("largest", [127, 7, 1])
def test_integer_weights_are_multiples_of_each_rows_step(largest: int) -> None:
    rounded = integer_weights(WEIGHT, (1,), largest)
    for row, exact in zip(rounded, WEIGHT, strict=True):
        step = float(exact.abs().max()) / largest
        numbers = row / step
        torch.testing.assert_close(numbers, numbers.round(), rtol=0, atol=1e-4)
        assert float(numbers.abs().max().round()) == largest
        assert float((row - exact).abs().max()) <= step / 2 * 1.0001


def test_rows_of_zeros_and_of_tiny_numbers_stay() -> None:
    weight = torch.tensor([[0.0, 0.0], [1e-45, 0.0], [1.0, -1.0]])
    for rounded in (integer_weights(weight, (1,), 127), ternary_weights(weight, (1,))):
        assert bool(rounded.isfinite().all())
        assert torch.equal(rounded[0], weight[0]) and torch.equal(rounded[2], weight[2])


def test_ternary_weights_are_those_of_the_definition() -> None:
    rounded = ternary_weights(WEIGHT, (1,))
    for row, exact in zip(rounded.tolist(), WEIGHT.tolist(), strict=True):
        threshold = 0.7 * sum(map(abs, exact)) / len(exact)
        kept = [abs(w) for w in exact if abs(w) > threshold]
        scale = sum(kept) / len(kept)
        expected = [0.0 if abs(w) <= threshold else scale * (1 if w > 0 else -1) for w in exact]
        assert row == pytest.approx(expected)


def test_other_axes_share_a_scale() -> None:
    by_columns = integer_weights(WEIGHT.T.contiguous(), (0,), 7)
    assert torch.equal(by_columns.T, integer_weights(WEIGHT, (1,), 7))


@pytest.mark.parametrize(("low", "high"), [(-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)])
def test_ranges_have_zero_and_so_many_levels(low: float, high: float) -> None:
    levels = 16
    limits = InputRange.of(torch.tensor(low), torch.tensor(high), levels)
    x = torch.cat([torch.linspace(low - 1, high + 1, 20_001), torch.tensor([low, high])])
    rounded = limits.rounded(x)
    assert len(rounded.unique()) <= levels
    assert torch.equal(limits.rounded(torch.zeros(3)), torch.zeros(3))
    inside = (x >= low) & (x <= high)
    assert float((rounded - x)[inside].abs().max()) <= float(limits.step) * 1.001
    assert torch.equal(limits.as_numbers().rounded(x), rounded)


def test_numbers_outside_saturate_and_those_that_are_none_stay_none() -> None:
    limits = InputRange.of(torch.tensor(-1.0), torch.tensor(1.0), 256)
    rounded = limits.rounded(torch.tensor([5.0, -5.0, float("nan"), float("inf")]))
    assert rounded[0] == rounded[3] == pytest.approx(1.0, abs=0.01)
    assert rounded[1] == pytest.approx(-1.0, abs=0.01) and bool(rounded[2].isnan())


def test_gradients_go_straight_through() -> None:
    x = WEIGHT.clone().requires_grad_()
    y = straight_through(x, ternary_weights(x.detach(), (1,)))
    assert torch.equal(y, ternary_weights(WEIGHT, (1,)))
    slope = torch.randn(WEIGHT.shape)
    y.backward(slope)
    assert x.grad is not None and torch.equal(x.grad, slope)
