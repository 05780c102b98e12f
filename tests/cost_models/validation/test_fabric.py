"""The HERMES project chip beside its measured points."""

from __future__ import annotations

import pytest
from recorded_errors import assert_no_error_has_grown

from lionheart_opt.cost_models.fabric import Fabric
from lionheart_opt.cost_models.validation.fabric import SYSTEM, cases, lstm_step, resnet_layer
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.workload import Workload


def test_no_error_has_grown() -> None:
    assert_no_error_has_grown(SYSTEM, cases())


def test_what_is_measured_lies_within_the_intervals() -> None:
    """What the model is given has none."""
    for case in cases():
        if case.role == "input":
            assert case.predicted_low is None
            continue
        assert case.published is not None
        assert case.predicted_low is not None and case.predicted_high is not None
        assert case.predicted_low < case.published < case.predicted_high


def test_six_points_of_which_one_is_fitted() -> None:
    roles = {case.case: case.role for case in cases()}
    assert len(roles) == 6 and len(cases()) == 12
    assert [name for name, role in roles.items() if role == "fitted"] == ["ResNet-9 layer, 1-phase"]
    assert sum(role == "predicted" for role in roles.values()) == 3
    assert all(case.source and case.published for case in cases())


def test_what_is_held_out_lies_within_twelve_percent() -> None:
    errors = {case.error_percent for case in cases() if case.role == "predicted"}
    assert max(abs(error) for error in errors if error is not None) < 12


@pytest.mark.parametrize(
    ("workload", "cores", "percent"), [(resnet_layer(), 8, 86), (lstm_step(), 32, 97)]
)
def test_sizes_meet_cores_and_utilisation(workload: Workload, cores: int, percent: int) -> None:
    mapping = Mapping.of({unit.name: "cores" for unit in workload.units})
    assert Fabric(load_system(SYSTEM)).cost(workload, mapping).tiles == {"cores": cores}
    assert round(100 * workload.weight_count / (cores * 256**2)) == percent
