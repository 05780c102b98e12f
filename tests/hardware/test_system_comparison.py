"""Systems side by side: the prices are those of each alone, and what cannot be priced says so."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import lionheart_opt as lo
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.system_comparison import compare_systems
from lionheart_opt.plugins import load_system
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import OperatorPrice
from lionheart_opt.tracing import trace


def test_prices_are_those_of_each_system_alone() -> None:
    workload = convolutional_workload()
    names = ["manycore", "lionheart"]
    frame = lo.systems(workload, names).to_frame()
    assert list(dict.fromkeys(frame.system)) == names
    for row in frame.itertuples():
        cost = lo.cost(workload, row.system, row.mapping)
        assert row.latency_s == cost.latency_s and row.energy_j == cost.energy_j
        assert row.interval_s == cost.time_per_inference_s and row.fits == cost.fits
        assert (row.latency_low_s, row.latency_high_s) == cost.estimate("latency_s")[1:]
        gain = cost.gain_over(lo.cost(workload, row.system, "all-digital"), "energy_j")
        assert (row.energy_gain_low, row.energy_gain_high) == gain[1:]
    assert frame[frame.system == "manycore"].area_m2.unique() == pytest.approx([480e-6])
    assert frame[frame.system == "lionheart"].tops_per_mm2.isna().all()
    digital, analog = (frame[frame.mapping == name].iloc[1] for name in ("all-digital", "best"))
    assert analog.speedup == pytest.approx(digital.interval_s / analog.interval_s)


def test_a_system_that_cannot_price_it_says_so() -> None:
    workload = convolutional_workload()
    layers = tuple(
        replace(layer, kind="own") if layer.kind == "add" else layer for layer in workload.layers
    )
    workload = replace(workload, layers=layers)
    price = OperatorPrice(simple=1.0, transcendental=0.0, source="made up")
    able = load_system("lionheart").model_copy(update={"operators": {"own": price}})
    systems = [load_system("diana"), able]
    comparison = compare_systems(workload, systems)
    refused, priced = comparison.systems
    assert "unknown operator 'own'" in refused.problem and not refused.costs and priced.costs
    rows = comparison.to_json()
    assert len(rows) == 4 and rows[0]["problem"] == refused.problem and rows[0]["fits"] is None
    with pytest.raises(InputError, match="unknown operator 'own'"):
        compare_systems(workload, systems[:1])


def test_a_network_without_macs_can_be_compared() -> None:
    workload = trace(torch.nn.Embedding(10, 8), torch.zeros(1, 6, dtype=torch.long), "words")
    frame = lo.systems(workload, ["lionheart", "manycore"]).to_frame()
    assert (frame.analog_mac_ratio == 0).all() and (frame.speedup == 1).all()
