"""Parameters of ALPINE's systems: ranges, and how a matrix is split over tiles."""

import pytest
from pydantic import ValidationError
from small_networks import convolution

from lionheart_opt.cost_models.parts.alpine_parameters import (
    CoreParameters,
    LinkParameters,
    TileParameters,
)


def tile(**changes: object) -> TileParameters:
    numbers = {"mvm_latency_s": 1e-7, "io_bytes_per_s": 4e9, "ops_per_j": 1e12, "energy_scale": 1.0}
    return TileParameters.model_validate({"core": "core", **numbers, **changes})


@pytest.mark.parametrize(
    ("size", "split"),
    [
        ({}, (1, 1)),
        ({"rows": 36, "columns": 4}, (1, 1)),
        ({"rows": 35, "columns": 4}, (2, 1)),
        ({"rows": 20, "columns": 3}, (2, 2)),
        ({"rows": 1}, (36, 1)),
    ],
)
def test_a_matrix_of_36_rows_and_4_columns_is_split(
    size: dict[str, int], split: tuple[int, int]
) -> None:
    assert tile(**size).split(convolution("conv")) == split


@pytest.mark.parametrize(
    "changes",
    [{"rows": 0}, {"columns": 1.5}, {"mvm_latency_s": 0.0}, {"ops_per_j": -1.0}, {"core": 1}],
)
def test_sizes_and_rates_are_positive(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        tile(**changes)


def test_a_link_may_take_no_time_but_needs_a_rate() -> None:
    assert LinkParameters(latency_s=0.0, bytes_per_s=1e9).latency_s == 0.0
    with pytest.raises(ValidationError):
        LinkParameters(latency_s=0.0, bytes_per_s=0.0)


def test_a_core_has_no_parameters_of_its_own() -> None:
    with pytest.raises(ValidationError):
        CoreParameters.model_validate({"clock_hz": 1e9})
