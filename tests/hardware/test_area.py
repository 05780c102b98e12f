"""Areas of systems, and what networks reach for them."""

from __future__ import annotations

import pytest

import lionheart_opt as lo
from lionheart_opt.hardware.area import area_m2, area_of
from lionheart_opt.plugins import load_system
from lionheart_opt.synthetic import convolutional_workload


def test_areas() -> None:
    cluster = load_system("imc-cluster")
    assert area_m2(cluster, {"ima": 1}) == pytest.approx(29.9e-6, rel=0.01)  # "~30 mm2"
    assert area_m2(load_system("manycore"), {}) == pytest.approx(480e-6)
    assert area_m2(load_system("lionheart"), {"tile": 4}) is None


def test_two_operations_count_for_each_mac() -> None:
    workload = convolutional_workload()
    system = load_system("manycore")
    cost = lo.cost(workload, system)
    reached = area_of(cost, workload, system)
    assert cost.interval_s is not None
    operations_per_s = 2 * workload.macs / cost.interval_s
    interval = cost.estimate("interval_s")
    density = operations_per_s / 480 / 1e12
    assert interval.low is not None and interval.high is not None
    assert reached == {
        "area_m2": pytest.approx(480e-6),
        "tops_per_mm2": pytest.approx(density),
        "tops_per_mm2_low": pytest.approx(density * interval.value / interval.high),
        "tops_per_mm2_high": pytest.approx(density * interval.value / interval.low),
    }
    nothing = dict.fromkeys(reached)
    assert area_of(cost, workload, load_system("lionheart")) == nothing
