"""Tiles with three states: both engines program and train the same ternary weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.fast.engine import not_covered
from lionheart_opt.oracle.quantise import ternary_weights
from lionheart_opt.oracle.rpu_configs import diana


def exact_converters() -> Any:
    """DIANA's cells in small arrays, without rounding of inputs and outputs."""
    config = diana()
    config.mapping.max_input_size, config.mapping.max_output_size = 5, 4
    config.forward.inp_res = config.forward.out_res = -1.0
    config.forward.out_bound = 1e6
    return config


def layer() -> nn.Linear:
    torch.manual_seed(1)
    return nn.Linear(9, 6)


def cells(weight: torch.Tensor) -> torch.Tensor:
    """Ternary weights of tiles of 5 and 4 inputs, each with scales of its own."""
    return torch.cat([ternary_weights(part, (1,)) for part in weight.split([5, 4], 1)], 1)


X = torch.randn(3, 9, generator=torch.Generator().manual_seed(2))


def test_the_fast_engine_covers_them() -> None:
    assert not_covered(diana()) == ""


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_cells_are_ternary_and_do_not_drift(name: Any) -> None:
    linear = layer()
    analog = engine(name).analog(nn.Sequential(linear), ["0"], exact_converters()).eval()
    expected = F.linear(X, cells(linear.weight.detach()), linear.bias)
    for seed, time_s in ((1, 0.0), (2, 60.0), (3, 1e8)):
        analog.program({"0": seed})
        analog.drift(time_s, {"0": seed})
        with torch.no_grad():
            torch.testing.assert_close(analog(X), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["fast", "aihwkit"])
def test_training_sees_the_cells_and_moves_the_weights_behind_them(name: Any) -> None:
    linear = layer()
    slope = torch.randn(3, 6, generator=torch.Generator().manual_seed(3))
    expected = cells(linear.weight.detach()).requires_grad_()
    F.linear(X, expected, linear.bias).backward(slope)
    analog = engine(name).analog(nn.Sequential(linear), ["0"], exact_converters()).train()
    y = analog(X)
    torch.testing.assert_close(y, F.linear(X, expected, linear.bias), rtol=1e-5, atol=1e-6)
    analog.backward((y * slope).sum())
    optimizer = torch.optim.SGD(analog.parameters(), lr=0.01)
    before = analog.weights()["0.weight"]
    scales = [p for p in analog.parameters() if p.shape != linear.weight.shape and p.dim() == 2]
    for parameter in scales if name == "fast" else []:
        parameter.grad = None  # learned scales move the weights, too
    if name == "fast":
        optimizer.step()
        moved = (before - analog.weights()["0.weight"]) / 0.01
        torch.testing.assert_close(moved, expected.grad, rtol=1e-3, atol=1e-4)


def test_converters_have_seven_and_six_bits() -> None:
    config = diana()
    assert config.forward.inp_res == 1 / 126 and config.forward.out_res == 1 / 62
    assert (config.mapping.max_input_size, config.mapping.max_output_size) == (1152, 512)
    assert config.forward.out_noise == 0.0 and config.drift_compensation is None


def test_both_engines_agree_with_rounded_inputs() -> None:
    outputs = []
    config = diana()
    config.forward.out_res = -1.0  # sums are added up in another order
    for name in ("fast", "aihwkit"):
        analog = engine(name).analog(nn.Sequential(layer()), ["0"], config).eval()  # type: ignore[arg-type]
        analog.program({"0": 1})
        analog.drift(60.0, {"0": 1})
        with torch.no_grad():
            outputs.append(analog(X))
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-6)
