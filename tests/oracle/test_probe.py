"""Probes: memory, noise, fitted columns and clipped weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lionheart_opt.oracle.aihwkit_engine import AihwkitMatrix
from lionheart_opt.oracle.probe import Probe, clipped_share
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.seeds import seeded
from lionheart_opt.oracle.settings import Calibration

DAY = 86_400.0


def test_weights_at_the_end_of_their_range_are_clipped() -> None:
    columnwise = torch.tensor([[1.0, -1.0, 0.5], [1.0, 0.2, 0.3]])
    assert clipped_share([columnwise]) == pytest.approx(2 / 6)
    tilewise = torch.tensor([[1.0, 0.5, 0.5], [0.5, -1.0, 0.3]])
    assert clipped_share([tilewise]) == 0  # each column has its own largest one
    tilewise = torch.tensor([[1.0, 1.0, 0.5], [0.5, 0.4, 0.3]])
    assert clipped_share([tilewise]) == pytest.approx(2 / 6)
    assert clipped_share([torch.zeros(2, 3)]) == 0
    assert clipped_share([columnwise, torch.zeros(3, 2)]) == pytest.approx(2 / 12)


def probe_of(weight: torch.Tensor, calibration: Calibration | None = None) -> Probe:
    return Probe(weight, None, lionheart(), DAY, calibration).eval()


def set_up(matrix: AihwkitMatrix) -> None:
    matrix.program(1)
    matrix.drift(DAY, 2)
    matrix.rewind(0, 8)
    matrix.uses = 1


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_memory_is_that_of_three_matrices_at_most() -> None:
    """There are eight: the chip, and one for each source and for what is left without it."""
    weight = drawn(256, 256)
    plain = AihwkitMatrix(weight, None, lionheart()).eval()
    set_up(plain)
    probe = probe_of(weight)
    set_up(probe)
    assert len(probe._others) == 7
    before = stored(plain)
    assert before >= 5 * weight.nbytes
    probe.does = "compare"
    with torch.no_grad():
        probe(drawn(8, 256), None, None)
    assert stored(probe) + sum(map(stored, probe._others)) < 3 * before


def stored(matrix: AihwkitMatrix) -> int:
    """Bytes of the tensors that the tiles of a matrix hold; shared ones count each time."""
    found: dict[int, int] = {}

    def look(thing: Any) -> None:
        if isinstance(thing, torch.Tensor):
            with torch._C.DisableTorchFunctionSubclass():  # aihwkit 1.2.0 does not say it otherwise
                found[thing.untyped_storage().data_ptr()] = thing.untyped_storage().nbytes()
        elif isinstance(thing, list | tuple):
            for each in thing:
                look(each)
        elif isinstance(thing, dict):
            look(list(thing.values()))

    for tile in matrix.tiles:
        look({**vars(tile), "weight": tile.tile.weight.data})
    return sum(found.values())


def test_a_chip_does_as_it_would_without_a_probe() -> None:
    """The noise of its second product, too, whatever is compared in between."""
    weight, x = drawn(6, 40), drawn(8, 40, seed=1)
    outputs = []
    for matrix in (AihwkitMatrix(weight, None, lionheart()).eval(), probe_of(weight)):
        set_up(matrix)
        if isinstance(matrix, Probe):
            matrix.does = "compare"
        with seeded(5, torch.device("cpu")), torch.no_grad():
            outputs.append([matrix(x, None, None) for _ in range(2)])
    for plain, probed in zip(*outputs, strict=True):
        assert torch.equal(plain, probed)
    assert not torch.equal(*outputs[0])


def test_every_source_is_drawn_as_it_was_before_and_again() -> None:
    """A second drift programs with the same random numbers; another programming with others."""
    weight = drawn(6, 40)
    probe = probe_of(weight)
    set_up(probe)
    first = {name: m.tiles[0].tile.weight.clone() for name, m in probe._alone.items()}
    probe.drift(1.0, 3)
    probe.drift(DAY, 2)
    for name, matrix in probe._alone.items():
        assert torch.equal(matrix.tiles[0].tile.weight, first[name]), name
    probe.program(7)
    probe.drift(DAY, 2)
    other = {name: m.tiles[0].tile.weight for name, m in probe._alone.items()}
    changed = {name for name, weights in other.items() if not torch.equal(weights, first[name])}
    assert changed == {"programming", "devices", "drift"}
    exact = AihwkitMatrix(weight, None, lionheart()).tiles[0].tile.weight
    assert torch.equal(other["converters"], exact)


@pytest.mark.parametrize("reads", [1, 3])
def test_columns_are_fitted_for_every_source(reads: int) -> None:
    """Least squares of each source against the ideal products, by hand."""
    weight, x = drawn(6, 40), drawn(50, 40, seed=1)
    probe = probe_of(weight, Calibration(bits=24, reads=reads))
    set_up(probe)
    probe.does = "fit"
    with torch.no_grad():
        for _ in range(reads):
            probe(x, None, None)
        y = probe._alone["devices"](x, None, None)
        ideal = x @ weight.T
    centred = y - y.mean(0)
    gain = (centred * ideal).sum(0) / centred.square().sum(0)
    fitted = probe._columns["devices"]
    torch.testing.assert_close(fitted.gain, gain, rtol=1e-3, atol=1e-4)
    offset = ideal.mean(0) - gain * y.mean(0)
    torch.testing.assert_close(fitted.offset, offset, rtol=1e-2, atol=1e-3)
    assert probe._columns.keys() == probe._errors.keys()
    probe.does = "compare"
    with torch.no_grad():
        probe(x, None, None)
    left = float((gain * y + offset - ideal).square().mean())
    probe.end_chip()
    assert probe._errors["devices"][0] == pytest.approx(left, rel=1e-2)
    assert left < float((y - ideal).square().mean())
    probe.program(3)
    assert probe._columns == {}, "another chip is not calibrated yet"


def test_errors_are_those_of_every_version_of_aihwkit() -> None:
    """As aihwkit 1.1.0 draws and computes them."""
    probe, x = probe_of(drawn(20, 50)), drawn(8, 50, seed=1)
    set_up(probe)
    probe.does = "compare"
    with torch.no_grad():
        probe(x, None, None)
    probe.end_chip()
    errors = {source: float(error[0]) for source, error in probe.result("m", "u").errors.items()}
    expected = {
        "programming": 0.723545,
        "drift": 0.404290,
        "read": 0.393401,
        "devices": 1.660693,
        "converters": 0.043156,
        "output_noise": 0.203716,
        "all": 2.249962,
    }
    assert errors == pytest.approx(expected, rel=1e-3)
