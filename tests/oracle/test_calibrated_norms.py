"""Batch norm on a chip: what it gives is what it gives in the floating-point network."""

from __future__ import annotations

import pytest
import torch
from known_chips import KnownChips
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.calibrated_norms import (
    CalibratedNorms,
    RecordedNorms,
    Statistics,
    calibrated,
    norms_of,
)


class Normalised(nn.Module):
    """A convolution and a linear layer with batch norm; the second batch norm is used twice."""

    PATHS = ("conv", "linear")

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.linear, self.twice = nn.Linear(5, 4), nn.BatchNorm1d(4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.norm(self.conv(x)))
        first = self.twice(self.linear(x.amax((2, 3))))
        return first + self.twice(self.linear(x.amin((2, 3))))


def made() -> tuple[nn.Module, AnalogNetwork, torch.Tensor]:
    torch.manual_seed(0)
    network = Normalised().train()
    for _ in range(20):
        network(torch.randn(30, 2, 6, 6) + 1.0)
    network.eval()
    analog = KnownChips().analog(network, network.PATHS, None).eval()
    analog.program({"conv": 1, "linear": 2})
    return network, analog, torch.randn(50, 2, 6, 6)


@torch.no_grad()
def calibrate(analog: AnalogNetwork, x: torch.Tensor) -> CalibratedNorms:
    norms = RecordedNorms(norms_of(analog.network))
    analog.set_ideal(analog.analog)
    norms.record(lambda: analog(x))
    analog.set_ideal(())
    return norms.fit(analog, lambda: analog(x))


@torch.no_grad()
def test_known_gains_and_offsets_are_undone() -> None:
    network, analog, x = made()
    expected = network(x)
    before = analog(x)
    assert (before - expected).norm() > 0.2 * expected.norm()
    calibration = calibrate(analog, x)
    assert torch.equal(analog(x), before)  # until it is put on the chip
    calibration.put_on(analog)
    torch.testing.assert_close(analog(x), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(analog(-x), network(-x), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_a_flawless_chip_changes_nothing_bit_for_bit() -> None:
    network, analog, x = made()
    analog.set_ideal(analog.analog)
    norms = RecordedNorms(norms_of(analog.network))
    norms.record(lambda: analog(x))
    norms.fit(analog, lambda: analog(x)).put_on(analog)
    assert torch.equal(analog(x), network(x))
    for path, norm in norms_of(analog.network).items():
        assert torch.equal(norm.running_mean, network.get_submodule(path).running_mean)
        assert torch.equal(norm.running_var, network.get_submodule(path).running_var)


def test_statistics_of_parts_are_those_of_the_whole() -> None:
    x = 3.0 + torch.randn(20, 4, 5)
    whole = Statistics.of(x)
    parts = Statistics.of(x[:1]).with_more(Statistics.of(x[1:12])).with_more(Statistics.of(x[12:]))
    assert parts.count == whole.count == 100
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.var, whole.var)
    torch.testing.assert_close(whole.mean.float(), x.mean((0, 2)))


def test_the_change_is_relative_to_the_network() -> None:
    """The network's own statistics on few examples differ from those of training; that stays."""
    norm = nn.BatchNorm1d(2).eval()
    norm.running_mean, norm.running_var = torch.tensor([1.0, -2.0]), torch.tensor([4.0, 0.5])
    network = Statistics(9, torch.tensor([0.5, 1.0]), torch.tensor([2.0, 1.0]))
    chip = Statistics(9, torch.tensor([1.5, 1.0]), torch.tensor([8.0, 1.0]))
    x = torch.randn(30, 2)
    expected = norm((x - chip.mean) * (network.var / chip.var).sqrt() + network.mean)
    norm.running_mean, norm.running_var = calibrated(norm, network, chip)
    torch.testing.assert_close(norm(x), expected)


def test_channels_that_do_not_vary_are_moved_only() -> None:
    norm = nn.BatchNorm1d(2).eval()
    network = Statistics(9, torch.zeros(2), torch.tensor([0.0, 1.0]))
    chip = Statistics(9, torch.ones(2), torch.tensor([1.0, 0.0]))
    mean, var = calibrated(norm, network, chip)
    assert mean.tolist() == [1.0, 1.0] and var.tolist() == [1.0, 1.0]


def test_batch_norms_without_statistics_of_their_own_are_left_alone() -> None:
    network = nn.Sequential(nn.BatchNorm1d(3, track_running_stats=False), nn.LayerNorm(3))
    assert not norms_of(network)
    assert list(norms_of(nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))) == ["1"]


@torch.no_grad()
def test_a_network_that_goes_another_way_on_the_chip_is_refused() -> None:
    _, analog, x = made()
    norms = RecordedNorms(norms_of(analog.network))
    norms.record(lambda: analog(x))
    with pytest.raises(InputError, match="'norm' is used otherwise on the chip"):
        norms.fit(analog, lambda: (analog(x), analog(x)))
