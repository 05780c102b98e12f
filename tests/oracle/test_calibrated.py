"""Chips with a known gain and offset in each column are repaired, however their matrices are used."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from known_chips import KnownChips
from torch import nn
from torch.nn import functional as F

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.calibrated import CalibratedColumns, FittedColumns, RecordedOutputs
from lionheart_opt.oracle.settings import Calibration
from lionheart_opt.oracle.uses import unfused

FitTo = Literal["network", "tile"]


class Layers(nn.Module):
    """Convolutions, a convolution of volumes, and a linear layer, one behind the other."""

    PATHS = ("first", "second", "volumes", "linear")

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 5, 3, padding=1)
        self.second = nn.Conv1d(5, 4, 3)
        self.volumes = nn.Conv3d(1, 3, 2)
        self.linear = nn.Linear(3, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.tanh(self.first(x))
        x = torch.tanh(self.second(x.flatten(2)))
        x = torch.tanh(self.volumes(x.reshape(len(x), 1, 4, 2, -1)))
        return self.linear(x.flatten(2).amax(2))


class Tied(nn.Module):
    """A weight that is used twice, the second time by another module."""

    PATHS = ("first", "last")

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Linear(6, 6), nn.Linear(6, 6, bias=False)
        self.again.weight = self.first.weight
        self.last = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.again(torch.tanh(self.first(x)))))


class Recurrent(nn.Module):
    """An LSTM, whose state is multiplied in every step."""

    PATHS = ("lstm.weight_ih_l0", "lstm.weight_hh_l0", "linear")

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.linear = nn.LSTM(6, 5, batch_first=True), nn.Linear(5, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.lstm(x)[0].mean(1))


class Attention(nn.Module):
    """One parameter holds the three projections."""

    PATHS = ("attention.in_proj_weight[0:6]", "attention.in_proj_weight[12:18]")

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class Rows(nn.Module):
    """Rows of a matrix are used one by one, and then all of them."""

    PATHS = ("weight",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, last = F.linear(x, self.weight[:1]), F.linear(x, self.weight[1:])
        return torch.cat([first, last], -1) * F.linear(x, self.weight)


class Transposed(nn.Module):
    """A parameter with a row for each input."""

    PATHS = ("weight.T",)

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.addmm(torch.ones(4), x.flatten(0, -2), self.weight)


def made(kind: type[nn.Module], seed: int = 3) -> tuple[nn.Module, AnalogNetwork, torch.Tensor]:
    """A network, its chip and examples."""
    torch.manual_seed(0)
    network = kind().eval()
    x = torch.randn(40, 2, 4, 4) if kind is Layers else torch.randn(40, 5, 6)
    analog = KnownChips().analog(network, kind.PATHS, None).eval()
    analog.program({path: seed + number for number, path in enumerate(kind.PATHS)})
    analog.drift(3600.0, dict.fromkeys(kind.PATHS, 0))
    return network, analog, x


@torch.no_grad()
@unfused()
def run(analog: AnalogNetwork, x: torch.Tensor) -> torch.Tensor:
    analog.rewind(0, len(x))
    y: torch.Tensor = analog(x)
    return y


def record(analog: AnalogNetwork, x: torch.Tensor) -> RecordedOutputs:
    analog.set_ideal(analog.analog)
    recorded = RecordedOutputs()
    analog.recorded, analog.stepwise = recorded, True
    run(analog, x)
    analog.set_ideal(())
    analog.recorded, analog.stepwise = None, False
    return recorded


def calibrate(
    analog: AnalogNetwork, x: torch.Tensor, fit_to: FitTo, **changes: object
) -> FittedColumns:
    recorded = record(analog, x).outputs if fit_to == "network" else None
    settings = Calibration.model_validate({"bits": 24, "fit_to": fit_to, **changes})
    analog.calibration = fitted = FittedColumns(settings, recorded)
    run(analog, x)
    CalibratedColumns(fitted.columns).put_on(analog)
    return fitted


@pytest.mark.parametrize("fit_to", ["network", "tile"])
@pytest.mark.parametrize("kind", [Layers, Attention, Rows, Transposed])
def test_known_gains_and_offsets_are_undone(kind: type[nn.Module], fit_to: FitTo) -> None:
    network, analog, x = made(kind)
    with torch.no_grad():
        expected = network(x)
    before = run(analog, x)
    assert (before - expected).norm() > 0.2 * expected.norm()
    calibrate(analog, x, fit_to)
    torch.testing.assert_close(run(analog, x), expected, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(run(analog, -x), network(-x), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", [Tied, Recurrent])
def test_a_matrix_that_is_used_several_times_has_one_calibration(kind: type[nn.Module]) -> None:
    network, analog, x = made(kind)
    fitted = calibrate(analog, x, "tile")
    with torch.no_grad():
        torch.testing.assert_close(run(analog, x), network(x), rtol=1e-3, atol=1e-4)
    for path, matrix in analog.analog.items():
        torch.testing.assert_close(fitted.columns[path].gain, 1 / matrix.gain, rtol=1e-3, atol=0.0)
        offset = -matrix.offset / matrix.gain
        torch.testing.assert_close(fitted.columns[path].offset, offset, rtol=1e-3, atol=1e-4)


def test_the_calibration_is_fitted_to_all_uses() -> None:
    """Two uses with different errors: neither alone gives the gain that both together do."""
    _, analog, x = made(Tied)
    recorded = record(analog, x)
    first, second = recorded.outputs["first"]
    recorded.outputs["first"] = [2 * first, second]
    analog.calibration = fitted = FittedColumns(Calibration(bits=24), recorded.outputs)
    run(analog, x)
    true = 1 / analog.analog["first"].gain
    gains = fitted.columns["first"].gain / true
    assert ((gains > 1.02) & (gains < 1.98)).any()
    analog.calibration = fitted  # another pass begins anew
    run(analog, x)
    torch.testing.assert_close(fitted.columns["first"].gain / true, gains)


def test_layers_are_calibrated_on_calibrated_inputs() -> None:
    """With uncalibrated inputs the second layer could not be fitted exactly."""
    _, analog, x = made(Layers)
    recorded = record(analog, x)

    class Uncalibrated(FittedColumns):
        def outputs(self, part, product, bias):  # type: ignore[no-untyped-def]
            super().outputs(part, product, bias)
            layer = part.piece.layer
            layer.uses -= 1
            y = layer(product.x, bias, product.window)
            layer.uses += 1
            return y

    analog.calibration = wrong = Uncalibrated(Calibration(bits=24), recorded.outputs)
    run(analog, x)
    right = calibrate(analog, x, "network")
    true = {path: 1 / matrix.gain for path, matrix in analog.analog.items()}
    for path in Layers.PATHS[1:]:
        torch.testing.assert_close(right.columns[path].gain, true[path], rtol=1e-3, atol=0.0)
        assert (wrong.columns[path].gain / true[path] - 1).abs().max() > 0.02


@pytest.mark.parametrize("reads", [1, 3])
def test_every_vector_is_read_as_often_as_set(reads: int) -> None:
    _, analog, x = made(Layers)
    calibrate(analog, x, "tile", reads=reads)
    assert [matrix.reads for matrix in analog.analog.values()] == [reads] * 4
    run(analog, x)
    assert [matrix.reads for matrix in analog.analog.values()] == [reads + 1] * 4


def test_ideal_matrices_stay_bit_for_bit_and_need_no_calibration() -> None:
    network, analog, x = made(Layers)
    calibrate(analog, x, "network")
    analog.set_ideal(Layers.PATHS)
    with torch.no_grad():
        assert torch.equal(run(analog, x), network(x))


def test_training_and_programming_end_a_calibration() -> None:
    _, analog, x = made(Layers)
    fitted = calibrate(analog, x, "network")
    fitted.columns.clear()  # so that using them fails
    analog.train()
    run(analog, x)
    analog.eval()
    with pytest.raises(KeyError):
        CalibratedColumns({}).put_on(analog)
        run(analog, x)
    analog.program(dict.fromkeys(Layers.PATHS, 1))
    assert analog.calibration is None


def test_a_network_that_goes_another_way_on_the_chip_is_refused() -> None:
    _, analog, x = made(Layers)
    recorded = record(analog, x)
    for outputs in ([], [recorded.outputs["linear"][0][:3]]):
        changed = {**recorded.outputs, "linear": outputs}
        analog.calibration = FittedColumns(Calibration(), changed)
        with pytest.raises(
            InputError, match=r"'linear' is used otherwise on the chip.*fit_to = 'tile'"
        ):
            run(analog, x)
