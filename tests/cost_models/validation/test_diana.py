"""DIANA's peak efficiencies beside what its formulas give."""

from __future__ import annotations

import pytest
from recorded_errors import assert_no_error_has_grown

from lionheart_opt.cost_models.validation.diana import cases


def test_no_error_has_grown() -> None:
    assert_no_error_has_grown("diana", cases())


def test_whole_networks_use_the_energy_of_the_chip() -> None:
    errors = {case.case: case.error_percent for case in cases()}
    assert errors["ImageNet with resnet18"] == pytest.approx(0, abs=0.1), "fitted"
    assert errors["CIFAR-10 with resnet20"] == pytest.approx(-10, abs=1), "predicted"


def test_only_efficiencies_are_published() -> None:
    published = {case.case: case.published for case in cases() if case.published is not None}
    assert published == {
        "analog peak": 600e12,
        "digital peak": 14e12,
        "CIFAR-10 with resnet20": 7.02e12,
        "ImageNet with resnet18": 5.56e12,
    }
    assert all(case.predicted > 0 and case.source for case in cases())


def test_the_array_gains_on_both_networks() -> None:
    predicted = {(case.case, case.quantity): case.predicted for case in cases()}
    for network in ("resnet8", "resnet20"):
        for quantity in ("latency_s", "energy_j"):
            digital = predicted[f"{network} all-digital", quantity]
            assert predicted[f"{network} all-analog", quantity] < digital
