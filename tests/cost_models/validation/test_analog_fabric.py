"""AnalogNAS's fabric beside its two published points."""

from __future__ import annotations

import pytest
from recorded_errors import assert_no_error_has_grown

from lionheart_opt.cost_models.validation.analog_fabric import (
    NETWORKS,
    POINTS,
    SYSTEM,
    cases,
    cost_of,
)
from lionheart_opt.plugins import load_system


def test_no_error_has_grown() -> None:
    assert_no_error_has_grown(SYSTEM, cases())


def test_networks_have_the_published_weights_and_tiles() -> None:
    system = load_system(SYSTEM)
    for name, point in POINTS.items():
        workload = NETWORKS[name]()
        cost = cost_of(system, name).within(system)
        assert workload.weight_count == point.weights
        assert cost.tiles == {"cores": point.tiles} and cost.fits


def test_the_deeper_network_is_fitted_and_the_other_lies_within_its_interval() -> None:
    roles = {(case.case, case.quantity): case.role for case in cases()}
    assert roles["ResNet32", "latency_s"] == roles["ResNet32", "inferences_per_j"] == "fitted"
    assert roles["T500", "latency_s"] == roles["T500", "inferences_per_j"] == "predicted"
    for case in cases():
        if case.quantity == "tiles":
            continue
        assert case.published is not None
        assert case.predicted_low is not None and case.predicted_high is not None
        assert case.predicted_low < case.published < case.predicted_high


@pytest.mark.parametrize(("name", "macs"), [("ResNet32", 69_124_736), ("T500", 150_000_000)])
def test_sizes(name: str, macs: int) -> None:
    """The second is assumed, so that only its order is known."""
    assert NETWORKS[name]().macs == pytest.approx(macs, rel=1e-9 if name == "ResNet32" else 0.5)
