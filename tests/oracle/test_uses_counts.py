"""Counting products by hand: which are of which matrix, and how many a pass may have."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.oracle.uses import check_uses, counted_uses, traced_uses, unfused


class Rows(nn.Module):
    """Uses rows of one weight, and the weight as it is and turned round."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6, bias=False)
        self.other = nn.Linear(6, 6, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([F.linear(x, self.first.weight[:2]), F.linear(x, self.first.weight[2:])], -1)
        x = F.linear(x, self.first.weight[2:4])
        return F.linear(self.other(F.pad(x, (0, 4))), self.first.weight[4:])


def test_rows_count_for_the_matrix_that_has_them() -> None:
    paths = ["first.weight[0:2]", "first.weight[2:6]", "first.weight[4:5]", "other"]
    images = torch.randn(3, 6)
    before = images.clone()
    counts = counted_uses(Rows(), paths, images)
    assert counts == {paths[0]: 1, paths[1]: 3, paths[2]: 2, "other": 1}
    assert torch.equal(images, before)


def test_a_matrix_that_is_not_used_counts_zero() -> None:
    network = nn.ModuleDict({"used": nn.Linear(2, 2), "unused": nn.Linear(2, 2)})
    network.forward = network["used"].forward  # type: ignore[method-assign]
    counts = counted_uses(network, ["used", "unused"], torch.ones(1, 2))
    assert counts == {"used": 1, "unused": 0}


def test_every_step_of_a_recurrent_layer_counts() -> None:
    layer = nn.LSTM(3, 2, batch_first=True)
    counts = counted_uses(layer, ["weight_ih_l0", "weight_hh_l0"], torch.randn(4, 5, 3))
    assert counts == {"weight_ih_l0": 1, "weight_hh_l0": 5}


def test_the_trace_counts_units_only() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 1, 3, padding=1), nn.BatchNorm2d(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.conv(torch.relu(self.norm(self.conv(x))))

    assert traced_uses(lo.trace(Network().eval(), (1, 5, 5))) == {"conv": 2}


def test_fused_kernels_come_back_whatever_happens() -> None:
    fused = torch.backends.mha.get_fastpath_enabled
    assert fused()
    with pytest.raises(ZeroDivisionError), unfused():
        assert not fused()
        _ = 1 / 0
    assert fused()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with unfused():
            assert not fused()
        assert not fused()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)


def test_examples_may_be_taken_together_or_one_by_one() -> None:
    for count in (2, 10):
        check_uses({"a": count, "b": 1}, {"a": 2, "b": 1}, 5)
    check_uses({"a": 7}, None, 5)
    check_uses({}, {"a": 1}, 5)


@pytest.mark.parametrize(
    ("counts", "expected", "message"),
    [
        ({"a": 1}, {"a": 2}, r"'a' are in 1 products of .*, but in 2 when the network was traced:"),
        ({"a": 4}, {"a": 2}, "'a' are in 4 products"),
        ({"a": 0}, {"a": 2}, "'a' are in 0 products"),
        ({"a": 0}, None, "'a' are in 0 products .*, but in some when the network was traced"),
        ({"a": 1}, {"b": 1}, "'a' are in 1 products .*, but in 0 when"),
        ({"x": 1, "a": 5, "b": 0, "c": 7}, {"x": 1, "a": 2, "b": 1, "c": 1},
         r"'a' are in 5 products .* but in 2 when the network was traced \(likewise 'b', 'c'\)"),
    ],
)  # fmt: skip
def test_another_number_of_products_is_refused(
    counts: dict[str, int], expected: dict[str, int] | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_uses(counts, expected, 3)
