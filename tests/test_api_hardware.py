"""`lo.systems` and `lo.roofline`: what they take, and what they refuse."""

from __future__ import annotations

import pytest

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.plugins import load_system, system_names
from lionheart_opt.synthetic import convolutional_workload


def test_systems_by_name_or_as_they_are() -> None:
    workload = convolutional_workload()
    one = lo.systems(workload, load_system("diana")).to_frame()
    assert one.equals(lo.systems(workload, ["diana"]).to_frame())
    assert one.equals(lo.systems(workload, "diana").to_frame())
    assert {each.system for each in lo.systems(workload).systems} == set(system_names())


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="unknown system 'nowhere'"):
        lo.systems("mlp", ["nowhere"])
    with pytest.raises(InputError, match="must be at least one"):
        lo.systems("mlp", [])
    with pytest.raises(InputError, match="unknown mapping"):
        lo.roofline("mlp", "lionheart", "nothing")


def test_modules_of_the_same_name_do_not_take_their_place() -> None:
    import lionheart_opt.hardware.roofline  # noqa: F401

    assert callable(lo.roofline) and lo.roofline("mlp").points


def test_batches() -> None:
    workload = convolutional_workload()
    frame = lo.systems(workload, ["imc-cluster"], batch=4).to_frame().set_index("mapping")
    cost = lo.cost(workload, "imc-cluster", "all-analog", batch=4)
    assert frame.loc["all-analog", "latency_s"] == cost.latency_s
    points = lo.roofline(workload, "imc-cluster", batch=4).points
    alone = lo.roofline(workload, "imc-cluster").points
    for together, single in zip(points, alone, strict=True):
        assert together.time_s == pytest.approx(4 * single.time_s)
