"""A programmed tile: written once, drifted as often as one likes, compensated."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.compensation.drift import (
    GlobalDriftCompensation,
    PerColumnDriftCompensation,
)
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType
from aihwkit.simulator.tiles.analog_mvm import AnalogMVM

from lionheart_opt.oracle.fast.physics import ProgrammedTile
from lionheart_opt.oracle.rpu import lionheart

TARGET = torch.rand(20, 30, generator=torch.Generator().manual_seed(0)) * 2 - 1


def config(**noise: float) -> Any:
    """LionHeart's tiles without output noise, and with another noise model if one is given."""
    made = lionheart()
    made.forward.out_noise = 0.0
    if noise:
        made.noise_model = PCMLikeNoiseModel(g_max=25.0, **noise)
    return made


def programmed(rpu_config: Any, seed: int = 0) -> ProgrammedTile:
    torch.manual_seed(seed)
    return ProgrammedTile(TARGET, rpu_config)


def test_programming_is_decided_by_the_global_seed() -> None:
    first, again, other = (programmed(config(), seed) for seed in (0, 0, 1))
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.weight, other.weight)
    assert 0.0 < float((first.weight - TARGET).std()) < 0.2


def test_drift_starts_from_the_programming_every_time() -> None:
    tile = programmed(config(prog_noise_scale=1.0, read_noise_scale=0.0, drift_scale=1.0))
    written = tile.weight.clone()
    tile.drift(3.15e7)
    late = tile.weight.clone()
    tile.drift(60.0)
    early = tile.weight.clone()
    tile.drift(3.15e7)
    assert torch.equal(tile.weight, late)
    assert late.abs().mean() < early.abs().mean() < written.abs().mean()


def test_compensation_makes_up_for_the_mean_drift() -> None:
    tile = programmed(config(prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=1.0))
    assert tile.compensation.tolist() == [1.0]
    tile.drift(86400.0)
    lost = float(TARGET.abs().sum() / tile.weight.abs().sum())
    assert lost > 1.2
    assert abs(float(tile.compensation) - lost) < 0.1 * lost


def test_compensation_may_be_switched_off_or_be_one_of_each_column() -> None:
    without = config()
    without.drift_compensation = None
    tile = programmed(without)
    tile.drift(86400.0)
    assert tile.compensation.tolist() == [1.0]
    by_column = config()
    by_column.drift_compensation = PerColumnDriftCompensation()
    tile = programmed(by_column)
    tile.drift(86400.0)
    assert tile.compensation.shape == (20,) and tile.compensation.unique().numel() > 1


def test_ideal_devices_hold_the_target() -> None:
    tile = programmed(config(prog_noise_scale=0.0, read_noise_scale=0.0, drift_scale=0.0))
    tile.drift(86400.0)
    torch.testing.assert_close(tile.weight, TARGET, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bound", [0.3, 12.0], ids=["retried", "within the bound"])
@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("resolution", [-1, 1 / 254, 14])
def test_one_hot_vectors_read_columns_as_products_do(
    bound: float, managed: bool, resolution: float
) -> None:
    """Up to rounding, and with as many random numbers."""
    rpu_config = lionheart()
    io = rpu_config.forward
    io.out_bound, io.inp_res, io.out_res = bound, resolution, resolution
    if not managed:
        io.noise_management, io.bound_management = (
            NoiseManagementType.NONE,
            BoundManagementType.NONE,
        )
    tile = programmed(rpu_config)
    torch.manual_seed(3)
    responses = tile._forward_drift_readout_tensor()
    after = torch.rand(())
    torch.manual_seed(3)
    products = AnalogMVM.matmul(tile.weight, torch.eye(30), io, is_test=True)
    torch.testing.assert_close(responses, products, rtol=1e-5, atol=1e-6)
    assert after == torch.rand(())


def test_what_the_program_around_has_set_does_not_count() -> None:
    expected = programmed(lionheart())
    expected.drift(60.0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        tile = programmed(lionheart())
        tile.drift(60.0)
    finally:
        torch.set_default_dtype(before)
    assert torch.equal(tile.weight, expected.weight)
    assert torch.equal(tile.compensation.float(), expected.compensation)


class Checkered(GlobalDriftCompensation):  # type: ignore[misc]  # aihwkit has no types
    """Reads out with vectors that are not one-hot."""

    def get_readout_tensor(self, in_size: int) -> torch.Tensor:
        """Each row has every second input."""
        return (torch.arange(in_size) + torch.arange(4)[:, None]) % 2.0


def test_other_read_out_vectors_are_multiplied() -> None:
    rpu_config = lionheart()
    rpu_config.drift_compensation = Checkered()
    tile = programmed(rpu_config)
    torch.manual_seed(3)
    responses = tile._forward_drift_readout_tensor()
    torch.manual_seed(3)
    vectors = Checkered().get_readout_tensor(30)
    products = AnalogMVM.matmul(tile.weight, vectors, rpu_config.forward, is_test=True)
    torch.testing.assert_close(responses, products)
