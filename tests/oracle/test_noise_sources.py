"""A configuration with one source of error has that source, and no other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from aihwkit.inference import ReRamWan2022NoiseModel
from oracle_setup import ideal, quiet

from lionheart_opt.oracle.aihwkit_engine import AihwkitMatrix
from lionheart_opt.oracle.noise_sources import NoNoise, sources_alone
from lionheart_opt.oracle.rpu import lionheart
from lionheart_opt.oracle.stuck import with_stuck_devices

DAY = 86_400.0
WEIGHT = torch.randn(7, 30, generator=torch.Generator().manual_seed(0))
INPUTS = torch.randn(50, 30, generator=torch.Generator().manual_seed(1))


def errors(config: Any, drift: bool = True, seed: int = 0) -> torch.Tensor:
    matrix = AihwkitMatrix(WEIGHT, None, config).eval()
    matrix.program(seed)
    if drift:
        matrix.drift(DAY, seed + 1)
        matrix.rewind(0, 50)
    with torch.no_grad():
        return matrix(INPUTS, None, None) - INPUTS @ WEIGHT.T


def is_none(error: torch.Tensor) -> bool:
    return float(error.abs().max()) < 1e-4


def test_every_source_of_the_usual_configuration() -> None:
    alone, note = sources_alone(lionheart(), DAY)
    assert list(alone) == [
        *("programming", "drift", "read", "devices", "converters", "output_noise")
    ]
    assert note == ""
    for source, (config, _) in alone.items():
        assert not is_none(errors(config)), source
        # only programming is there before the chip has drifted and been read
        if source in {"drift", "read"}:
            assert is_none(errors(config, drift=False)), source


def test_switched_off_together_nothing_is_left() -> None:
    config = sources_alone(lionheart(), DAY)[0]["devices"].config
    config.noise_model = NoNoise()
    assert is_none(errors(config))


def test_sources_have_the_random_numbers_of_the_whole() -> None:
    """Programming alone writes the weights that programming with all noise writes."""
    alone = sources_alone(lionheart(), DAY)[0]
    tiles = []
    for config in (lionheart(), alone["programming"].config):
        matrix = AihwkitMatrix(WEIGHT, None, config)
        matrix.program(4)
        tiles.append(matrix.tiles[0].programmed_weights)
    assert torch.equal(*tiles)


def test_output_noise_is_compared_with_the_same_converters_without_it() -> None:
    config, without = sources_alone(lionheart(), DAY)[0]["output_noise"]
    assert config.forward.out_noise == 0.06 and without.forward.out_noise == 0
    assert is_none(errors(without))
    assert config.forward.bound_management == lionheart().forward.bound_management


def test_converters_alone_have_no_noise() -> None:
    config = sources_alone(lionheart(), DAY)[0]["converters"].config
    assert torch.equal(errors(config), errors(config, seed=7))


def test_what_a_configuration_does_not_have_is_left_out() -> None:
    assert "output_noise" not in sources_alone(quiet(), DAY)[0]
    assert list(sources_alone(ideal(), DAY)[0]) == ["devices"]


def test_a_noise_model_that_cannot_be_taken_apart_is_said() -> None:
    config = lionheart()
    config.noise_model = ReRamWan2022NoiseModel()
    alone, note = sources_alone(config, DAY)
    assert list(alone) == ["devices", "converters", "output_noise"]
    assert note.startswith("noise model ReRamWan2022NoiseModel: programming, drift and read noise")


def test_a_noise_model_with_another_source_is_not_taken_apart() -> None:
    """Its settings have the usual names, but switched off it is not silent."""

    class Shifted(type(lionheart().noise_model)):  # type: ignore[misc]
        def apply_drift_noise_to_conductance(self, *arguments: Any) -> torch.Tensor:
            return super().apply_drift_noise_to_conductance(*arguments) + 1.0 + torch.rand(())

    config = lionheart()
    config.noise_model = Shifted()
    alone, note = sources_alone(config, DAY)
    assert "drift" not in alone and "Shifted" in note


@pytest.mark.parametrize("share", [0.05, 0.0])
def test_stuck_devices_are_a_source(share: float) -> None:
    alone, _ = sources_alone(with_stuck_devices(lionheart(), at_g_max=share), DAY)
    assert is_none(errors(alone["stuck"].config)) == (share == 0)
    plain, _ = sources_alone(lionheart(), DAY)
    assert torch.equal(errors(alone["programming"].config), errors(plain["programming"].config))
