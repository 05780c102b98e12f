"""Costs: exact sums over layers and components, the interval of pipelines, frames."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from math import inf, nan
from operator import add

import pytest
from small_networks import convolution

import lionheart_opt as lo
from lionheart_opt.cost import COST_OBJECTIVES, Cost, LayerCost, PricesInBulk, cost_tables
from lionheart_opt.cost_models.parts.additive import (
    layer_cost,
)
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.synthetic import SyntheticCosts, synthetic_system, synthetic_workload
from lionheart_opt.workload import Workload


def layer(name: str, **components: tuple[float, float]) -> LayerCost:
    return LayerCost(name=name, kind="linear", target="tile", macs=6, components=components)


COST = Cost(
    layers=(
        layer("fc1", mvm=(1.0, 4.0), transfer=(0.5, 0.25)),
        layer("fc2", mvm=(2.0, 8.0)),
    ),
    tiles={"tile": 3},
)


def test_an_objective_that_there_is_not_is_refused() -> None:
    cost = lo.cost("mlp")
    for ask in (cost.value, cost.totals.value, cost.estimate):
        with pytest.raises(
            InputError, match=r"unknown objective 'latency' .did you mean 'latency_s'"
        ):
            ask("latency")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="unknown objective 'latency'"):
        cost.gain_over(cost, "latency")  # type: ignore[arg-type]


def test_latency_and_energy_are_sums_over_components_and_layers():
    assert [part.latency_s for part in COST.layers] == [1.5, 2.0]
    assert [part.energy_j for part in COST.layers] == [4.25, 8.0]
    assert (COST.latency_s, COST.energy_j) == (3.5, 12.25)
    assert (layer("fc3").latency_s, Cost(layers=()).energy_j) == (0, 0)


def test_sums_do_not_depend_on_the_order():
    """Ten times 0.1 is 1, which plain addition misses."""
    tenths = tuple(layer(f"fc{number}", mvm=(0.1, 0.1)) for number in range(10))
    assert Cost(layers=tenths).latency_s == 1.0 != reduce(add, [0.1] * 10)


def test_the_time_per_inference_is_the_interval_of_a_pipeline():
    assert Cost(layers=COST.layers, interval_s=0.0).time_per_inference_s == 0.0
    pipelined = Cost(layers=COST.layers, interval_s=2.0)
    assert COST.time_per_inference_s == 3.5 and pipelined.time_per_inference_s == 2.0
    assert [pipelined.value(name) for name in COST_OBJECTIVES] == [3.5, 12.25, 2.0]
    assert [COST.value(name) for name in COST_OBJECTIVES] == [3.5, 12.25, 3.5]


def test_a_frame_has_a_row_for_each_layer():
    frame = COST.to_frame()
    assert list(frame.columns) == [
        "name",
        "kind",
        "target",
        "place",
        "macs",
        "latency_s",
        "energy_j",
    ]
    assert frame.iloc[0].tolist() == ["fc1", "linear", "tile", "", 6, 1.5, 4.25]
    assert len(Cost(layers=()).to_frame()) == 0


def test_representations():
    assert repr(COST) == "Cost(latency_s=3.5, energy_j=12.25, tiles={'tile': 3}, layers=2)"
    pipelined = repr(Cost(layers=COST.layers, interval_s=0.0))
    assert ", interval_s=0, tiles={}" in pipelined
    html = COST._repr_html_()
    assert html.startswith("<p>Cost(") and html.count("<tr") == 3


def test_whether_a_mapping_fits_is_known_within_a_system():
    tile = synthetic_system().target("tile")
    digital = synthetic_system().target("cpu")
    system = synthetic_system().model_copy(
        update={"targets": (digital, tile.model_copy(update={"tiles": 3}))}
    )
    assert COST.fits is None and COST.misfit == ""
    kept = COST.within(system)
    assert (kept.fits, kept.misfit, kept.capacities) == (True, "", {"tile": 3})
    assert kept == COST, "a comparison changes no price"
    one_more = replace(COST, tiles={"tile": 4}).within(system)
    assert one_more.fits is False and one_more.misfit == "4 of 3 crossbars on 'tile': does not fit"
    assert repr(one_more).endswith(": 4 of 3 crossbars on 'tile': does not fit")
    assert COST.within(synthetic_system()).fits is True, "no limit, no misfit"


class Plain:
    """A cost model that prices mappings one by one."""

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        return COST


class NotOnThisSystem(Plain):
    """A cost model that has tables for other systems."""

    def tables(self, workload: Workload) -> None:
        return None


@pytest.mark.parametrize("model", [Plain(), NotOnThisSystem()])
def test_a_model_need_not_have_tables(model):
    assert cost_tables(model, synthetic_workload([4])) is None
    assert isinstance(model, PricesInBulk) == isinstance(model, NotOnThisSystem)


def test_tables_are_those_of_the_model():
    tables = cost_tables(SyntheticCosts(synthetic_system()), synthetic_workload([4, 9]))
    assert tables is not None and tables.units == ("fc0", "fc1")


class TestCostsAreNumbers:
    @pytest.mark.parametrize(
        "price", [(nan, 1.0), (1.0, nan), (inf, 0.0), (0.0, inf), (-1e-9, 0.0), (0.0, -1.0)]
    )
    def test_a_component_that_is_no_number_is_refused(self, price: tuple[float, float]) -> None:
        components = {"compute": (1.0, 1.0), "memory": price}
        with pytest.raises(InputError, match="cost of layer 'conv' on 'tile': component 'memory'"):
            layer_cost(convolution("conv"), "tile", components)

    def test_a_free_component_is_one(self) -> None:
        assert layer_cost(convolution("conv"), "tile", {"fused": (0.0, 0.0)}).latency_s == 0.0

    @pytest.mark.parametrize("interval_s", [nan, inf, -1.0])
    def test_an_interval_that_is_no_number_is_refused(self, interval_s: float) -> None:
        with pytest.raises(InputError, match="cost: interval_s: got"):
            Cost(layers=(), interval_s=interval_s)

    def test_a_number_of_tiles_that_is_none_is_refused(self) -> None:
        with pytest.raises(InputError, match="cost: tiles of 'tile': got -1"):
            Cost(layers=(), tiles={"tile": -1})


def test_a_cost_says_what_it_leaves_out() -> None:
    from lionheart_opt.plugins import load_system

    diana = load_system("diana")
    assert diana.not_priced and Cost(layers=()).within(diana).not_priced == diana.not_priced
    assert Cost(layers=()).within(diana) == Cost(layers=()), "no part of what was measured"
    unsaid = diana.model_copy(update={"not_priced": ()})
    assert unsaid.digest == diana.digest, "it decides no price"
