"""The roofline against numbers by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from pathlib import Path

import pytest

import lionheart_opt as lo
from lionheart_opt.cost import Ceiling, Cost, LayerCost
from lionheart_opt.errors import InputError
from lionheart_opt.hardware.roofline import attainable, inputs_read, roofline
from lionheart_opt.plugins import load_system, system_text
from lionheart_opt.space import Space
from lionheart_opt.synthetic import convolutional_workload


def test_the_lowest_ceiling_counts() -> None:
    ceiling = Ceiling(target="tile", ops_per_s=100.0, bytes_per_s={"in": 4.0, "bus": 10.0})
    assert attainable(ceiling, 2.0) == 8.0 and attainable(ceiling, 50.0) == 100.0
    assert attainable(Ceiling(target="tile", ops_per_s=None), 1.0) is None


def test_operations_and_bytes_of_a_layer() -> None:
    """Of a core, the bytes of the memory count; of a tile, those of its queue."""
    layer = next(layer for layer in lo.trace("mlp").layers if layer.macs)
    line = lo.roofline("mlp", "lionheart", "all-digital").to_frame().iloc[0]
    moved = layer.weight_count + layer.bias_count  # more than the cache holds
    assert line.ops_per_byte == pytest.approx(2 * layer.macs / moved)
    assert line.attainable_ops_per_s == pytest.approx(
        min(2 * 16 * 2.3e9, 19.2e9 * line.ops_per_byte)
    )
    assert line.ops_per_s == pytest.approx(2 * layer.macs / line.time_s)
    kept = lo.roofline("mlp", "lionheart", "all-analog").to_frame().iloc[0]
    assert kept.target == "tile"
    assert kept.ops_per_byte == pytest.approx(
        2 * layer.macs / (layer.input_count + layer.output_count)
    )


def test_what_is_in_a_cache_is_not_fetched_from_memory() -> None:
    system = load_system("lionheart").with_constants({"machine.llc_bytes": 2**22})
    layer = next(layer for layer in lo.trace("mlp").layers if layer.macs)
    line = lo.roofline("mlp", system, "all-digital").to_frame().iloc[0]
    assert line.ops_per_byte == inf
    assert line.attainable_ops_per_s == pytest.approx(2 * 16 * 2.3e9)
    assert line.ops_per_s == pytest.approx(2 * layer.macs / line.time_s)


def test_pixels_that_a_stride_leaves_out_are_not_moved() -> None:
    strided = next(
        layer
        for layer in lo.trace("resnet8").layers
        if layer.kernel == (1, 1) and layer.stride == (2, 2)
    )
    assert inputs_read(strided) == strided.input_count // 4


def test_in_a_pipeline_a_layer_has_the_interval() -> None:
    points = lo.roofline("resnet8", "manycore").points
    interval_s = lo.cost("resnet8", "manycore").interval_s
    assert {point.time_s for point in points} == {interval_s}


@pytest.mark.parametrize("system", ["lionheart", "manycore"])
def test_points_have_the_intervals_of_their_times(system: str) -> None:
    cost = lo.cost("resnet8", system)
    points = lo.roofline("resnet8", system).points
    by_name = {layer.name: layer for layer in cost.layers}
    for point in points:
        latency, _ = cost.layer_estimates(by_name[point.name])
        expected = cost.estimate("interval_s") if system == "manycore" else latency
        assert (point.time_s, point.time_low_s, point.time_high_s) == pytest.approx(expected)
        assert point.time_high_s is not None and point.ops_per_s_low is not None
        assert point.ops_per_s_low * point.time_high_s == pytest.approx(
            point.ops_per_s * point.time_s
        )


def test_no_interval_where_nothing_is_known(tmp_path: Path) -> None:
    exact = re.sub(r"\{ value = ([^,]+),[^}]*\}", r"\1", system_text("lionheart"))
    (tmp_path / "exact.toml").write_text(exact[: exact.index("[uncertainty]")])
    line = lo.roofline("resnet8", str(tmp_path / "exact.toml")).to_frame().iloc[0]
    assert line.time_s > 0 and line.time_low_s is None and line.ops_per_s_high is None


@dataclass(frozen=True)
class WithoutCeilings:
    def cost(self, workload: lo.Workload, mapping: lo.Mapping) -> Cost:
        layers = [
            LayerCost(name=x.name, kind=x.kind, target="core", macs=x.macs, components={})
            for x in workload.layers
        ]
        return Cost(layers=tuple(layers))


def test_a_model_without_ceilings_is_refused() -> None:
    space = Space(workload=convolutional_workload(), system=load_system("lionheart"))
    with pytest.raises(InputError, match="names no ceilings"):
        roofline(space.workload, space.system, space.all_digital, WithoutCeilings())
