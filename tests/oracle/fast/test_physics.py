"""A programmed tile: written once, drifted as often as one likes, compensated."""

from __future__ import annotations

from typing import Any

import torch
from aihwkit.inference import PCMLikeNoiseModel
from aihwkit.inference.compensation.drift import PerColumnDriftCompensation

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
