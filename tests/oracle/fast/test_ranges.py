"""Input ranges: initialised from data, clipping, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from aihwkit.simulator.parameters.pre_post import InputRangeParameter
from fast_setup import tiling, window_of
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.fast import ranges as module
from lionheart_opt.oracle.fast.ranges import InputRanges, clipped


def ranges(saved: torch.Tensor | None = None, **changes: Any) -> InputRanges:
    settings = InputRangeParameter(enable=True, init_value=1.5, init_std_alpha=2.0, **changes)
    return InputRanges(settings, tiling(6, 10, 4, 5), saved)


def test_learned_ranges_are_parameters_and_static_ones_are_not() -> None:
    assert [name for name, _ in ranges(learn_input_range=True).named_parameters()] == ["values"]
    assert not list(ranges(learn_input_range=False).parameters())
    assert ranges().values.shape == (2, 2) and (ranges().values == 1.5).all()


def test_saved_ranges_come_back() -> None:
    saved = torch.tensor([[1.0, 3.0], [-2.0, 0.0], [0.5, 7.0], [4.0, 1.0]])
    restored = ranges(saved)
    assert torch.equal(restored.saved(), saved.abs())  # a range has no sign
    assert restored.values[0, 1] == 2.0 and restored.batches[1, 0] == 7.0


def test_the_first_batches_set_a_running_mean_of_deviations() -> None:
    made = ranges(init_from_data=2).train()
    batches = [torch.randn(50, 10) * scale for scale in (1.0, 3.0, 100.0)]
    for batch in batches:
        made.initialise(batch, None)
    for t, columns in enumerate((slice(0, 5), slice(5, 10))):
        expected = sum(2.0 * float(batch[:, columns].std()) for batch in batches[:2]) / 2
        assert made.values[t].tolist() == pytest.approx([expected] * 2, rel=1e-5)
    assert (made.batches == 2).all()


def test_nothing_is_initialised_in_evaluation_or_from_constant_inputs() -> None:
    made = ranges(init_from_data=2).eval()
    made.initialise(torch.randn(50, 10), None)
    made.train().initialise(torch.ones(50, 10), None)
    assert (made.values == 1.5).all() and (made.batches == 0).all()


def test_deviations_of_a_convolution_are_those_of_its_input_vectors() -> None:
    layer = nn.Conv2d(3, 6, 2, padding=1)
    window, settings = window_of(layer), InputRangeParameter(enable=True, init_from_data=1)
    made = InputRanges(settings, tiling(6, 12, 0, 7), None).train()
    x = window.pad(torch.randn(4, 3, 5, 5))
    made.initialise(x, window)
    vectors = F.unfold(x, window.kernel)
    for t, (start, end) in enumerate(made.tiling.inputs):
        expected = settings.init_std_alpha * float(vectors[:, start:end].std())
        assert float(made.values[t, 0].detach()) == pytest.approx(expected, rel=1e-4)


def test_inputs_are_clipped_and_divided() -> None:
    x, value = ranges().eval().clip(torch.tensor([-3.0, 0.75, 9.0]), 1, 0)
    assert x.tolist() == [-1.0, 0.5, 1.0] and value.tolist() == [1.5]


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("relative", [True, False])
def test_gradients_from_sums_are_those_of_aihwkit(relative: bool, decay: float) -> None:
    changes = {"gradient_relative": relative, "decay": decay, "input_min_percentage": 0.5}
    made = ranges(learn_input_range=True, **changes).train()
    x, slopes = torch.randn(30, 5), torch.randn(30, 5)
    clipped, _ = made.clip(x, 0, 0)
    (clipped * slopes).sum().backward()
    expected = made.values.grad[0, 0]
    bound = 1.5
    direct, inside = slopes / bound, x.clamp(-bound, bound)
    sums = torch.zeros(2, 2, 4)
    sums[0, 0] = torch.tensor(
        [
            float(direct[x >= bound].clamp(max=0).sum()),
            float(direct[x <= -bound].clamp(min=0).sum()),
            float((direct * inside).sum()),
            float((x.abs() < bound).sum()),
        ]
    )
    gradient = made.gradient(sums, torch.full((2, 1), 150.0))
    torch.testing.assert_close(gradient[0, 0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_gradients_are_scaled_as_asked(scale: float) -> None:
    made = ranges(learn_input_range=True, gradient_relative=True, gradient_scale=scale)
    sums = torch.tensor([6.0, 2.0, 3.0, 0.0]).expand(2, 2, 4)
    gradient = made.gradient(sums, torch.ones(2, 1))
    assert (gradient == (6 - 2) * 1.5 * scale - 3 / 1.5).all()


def test_a_range_has_no_sign_whatever_training_does() -> None:
    made = ranges(learn_input_range=True, init_from_data=2).train()
    batch = torch.randn(50, 10)
    made.initialise(batch, None)
    with torch.no_grad():
        made.values.fill_(-30.0)
    made.initialise(batch, None)
    for t, columns in enumerate((slice(0, 5), slice(5, 10))):
        expected = (30.0 - 2.0 * float(batch[:, columns].std())) / 2
        assert made.values[t].tolist() == pytest.approx([expected] * 2, rel=1e-5)
    with torch.no_grad():
        made.values.fill_(-1.5)
    x, value = made.eval().clip(torch.tensor([-3.0, 0.75, 9.0]), 0, 0)
    assert (x * value).tolist() == [-1.5, 0.75, 1.5]


def test_each_tile_has_a_range_of_its_own() -> None:
    """Those that have been initialised often enough stay as they are."""
    made = ranges(torch.tensor([[1.0, 1.0], [2.0, 0.0], [4.0, 2.0], [8.0, 1.0]]), init_from_data=1)
    for t, u, bound in ((0, 0, 1.0), (0, 1, 2.0), (1, 0, 4.0), (1, 1, 8.0)):
        x, value = made.clip(torch.tensor([-9.0, 0.5]), t, u)
        assert x.tolist() == [-1.0, 0.5 / bound] and value.tolist() == [bound]
    batch = torch.randn(50, 10)
    made.train().initialise(batch, None)
    expected = [1.0, 2.0 * float(batch[:, :5].std()), 4.0, 8.0]
    assert made.values.flatten().tolist() == pytest.approx(expected)
    assert made.batches.flatten().tolist() == [1, 1, 2, 1]


@pytest.mark.parametrize("stops", sorted({module._STOPS_AT_ENDS, True}))
def test_gradients_pass_at_the_ends_of_a_range(
    stops: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of `torch.clamp` do not any more, from torch 2.14 on."""
    monkeypatch.setattr(module, "_STOPS_AT_ENDS", stops)
    x = torch.tensor([0.5, 1.0, -1.0, 2.0, -3.0], requires_grad=True)
    y = clipped(x, 1.0)
    assert y.tolist() == [0.5, 1.0, -1.0, 1.0, -1.0]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert clipped(torch.tensor([torch.nan]), 1.0).isnan()
