"""A matrix that is used several times occupies its crossbars once; time and energy count each use."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_networks import convolution
from torch import nn

from lionheart_opt.cost import Cost
from lionheart_opt.cost_models.manycore import Manycore
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.hardware.redesign import redesigned
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space
from lionheart_opt.system import System
from lionheart_opt.tracing import trace
from lionheart_opt.workload import Unit, Workload

FAMILIES = {
    "alpine": "lionheart",
    "diana": "diana",
    "fabric": "hermes-64",
    "imc_cluster": "imc-cluster",
    "manycore": "manycore",
}


def thrice() -> Workload:
    """A convolution of 36 rows and 4 columns that is called three times, each on the last result."""
    layers = (
        convolution("conv"),
        replace(convolution("conv_2", "conv"), module="conv"),
        replace(convolution("conv_3", "conv_2"), module="conv"),
    )
    unit = Unit(name="conv", layers=tuple(layer.name for layer in layers))
    return Workload(name="thrice", layers=layers, units=(unit,))


def apart() -> Workload:
    """The same with a matrix of its own for every layer."""
    layers = tuple(replace(layer, module=layer.name) for layer in thrice().layers)
    units = tuple(Unit(name=layer.name, layers=(layer.name,)) for layer in layers)
    return Workload(name="apart", layers=layers, units=units)


@pytest.fixture(scope="module")
def lstm() -> Workload:
    """20 steps; input weights of 300 rows and 256 columns, recurrent ones of 64 rows."""
    return trace(nn.LSTM(300, 64, batch_first=True), torch.zeros(1, 20, 300), "lstm")


def all_analog(workload: Workload, system: System) -> Cost:
    return cost_model(system).cost(workload, Space(workload=workload, system=system).all_analog)


def without_waiting(cost: Cost) -> list[dict[str, tuple[float, float]]]:
    """Components of each layer; how long it waits and leaks follows from the pace of the pipeline."""
    layers = [dict(layer.components) for layer in cost.layers]
    for components in layers:
        components.pop("wait", None)
        if cost.interval_s is not None:
            components.pop("static", None)
    return layers


@pytest.mark.parametrize("family", FAMILIES)
def test_every_use_costs_what_it_costs_alone(family: str) -> None:
    system = load_system(FAMILIES[family])
    shared, alone = (all_analog(workload, system) for workload in (thrice(), apart()))
    assert without_waiting(shared) == without_waiting(alone)
    second, third = without_waiting(shared)[1:3]
    assert second == third and sum(energy_j for _, energy_j in second.values()) > 0


@pytest.mark.parametrize(
    ("name", "shared", "alone"),
    [
        ("lionheart", 1, 3),
        ("alpine-high-power", 1, 3),
        ("imc-cluster", 1, 1),  # three matrices of 36 x 4 are packed into one array
        ("hermes-64", 1, 3),
        ("diana", 1, 1),  # weights are loaded for every use
    ],
)
def test_tiles_of_a_convolution_that_is_called_three_times(
    name: str, shared: int, alone: int
) -> None:
    system = load_system(name)
    [target] = system.analog_targets
    assert all_analog(thrice(), system).tiles[target] == shared
    assert all_analog(apart(), system).tiles[target] == alone


def test_a_full_array_holds_one_matrix_and_not_two() -> None:
    """An array of 36 x 4: the shared convolution fits into one, three of its kind take three."""
    system = variant(load_system("imc-cluster"), "ima", rows=36, columns=4)
    assert all_analog(thrice(), system).tiles["ima"] == 1
    assert all_analog(apart(), system).tiles["ima"] == 3


def test_tables_count_tiles_once() -> None:
    for name, tiles in (("lionheart", 1.0), ("imc-cluster", 36 * 4 / 256**2)):
        tables = cost_model(load_system(name)).tables(thrice())  # type: ignore[attr-defined]
        column = tables.targets.index(load_system(name).analog_targets[0])
        assert tables.tiles[0, column] == tiles
        assert tables.tiles[0, 1 - column if name == "lionheart" else 0] == 0.0


def test_tiles_of_an_lstm(lstm: Workload) -> None:
    """Two tiles for 300 rows and one for 64, whatever the number of steps."""
    assert sum(layer.mvm is not None for layer in lstm.layers) == 21
    assert all_analog(lstm, load_system("lionheart")).tiles == {"tile": 3}
    assert all_analog(lstm, load_system("imc-cluster")).tiles == {"ima": 2}, (
        "44 rows and 64 rows share an array"
    )
    assert lstm.weight_count == 256 * (300 + 64)


def test_a_group_of_units_has_the_matrices_of_all() -> None:
    workload = thrice()
    other = replace(convolution("other", "conv_3"))
    again = replace(convolution("other_2", "other"), module="other")
    units = (*workload.units, Unit(name="other", layers=("other", "other_2")))
    workload = Workload(name="group", layers=(*workload.layers, other, again), units=units)
    workload = workload.grouped({"both": ["conv", "other"]})
    [unit] = workload.units
    assert [layer.name for layer in workload.matrices_of(unit)] == ["conv", "other"]
    assert all_analog(workload, load_system("lionheart")).tiles == {"tile": 2}
    assert workload.weight_count == 2 * 144


# --- the many-core, whose layers share the time of their clusters -----------------------------------

#: A slice is a column of six pixels, each of which takes 130 cycles of 1 ns.
SLICE_S = 6 * 130e-9


@pytest.mark.parametrize(
    ("clusters", "used", "interval_s"),
    [
        (1, 1, 18 * SLICE_S),  # three results of six slices
        (2, 2, 9 * SLICE_S),
        (3, 3, 6 * SLICE_S),
        (17, 9, 2 * SLICE_S),  # nine copies are as fast as 17
        (18, 18, SLICE_S),
        (512, 18, SLICE_S),
    ],
)
def test_copies_of_a_matrix_share_its_uses(clusters: int, used: int, interval_s: float) -> None:
    system = redesigned(load_system("manycore"), {"machine.clusters": clusters})
    cost = all_analog(thrice(), system)
    assert cost.interval_s == pytest.approx(interval_s)
    assert cost.tiles == {"cores": 0, "ima": used}
    alone = all_analog(apart(), system)
    assert alone.tiles["ima"] == max(used, 3), "a cluster for each matrix to begin with"
    assert alone.interval_s == pytest.approx(min(interval_s, 6 * SLICE_S))


def test_digital_layers_share_their_weights_too() -> None:
    system = redesigned(load_system("manycore"), {"machine.clusters": 1})
    model = Manycore(system)
    workload = thrice()
    digital = Space(workload=workload, system=system).all_digital
    plan = model.plan(workload, digital)
    assert [plan.clusters_of(name) for name in ("conv", "conv_2", "conv_3")] == [1, 0, 0]
    slices = [plan.work[name].slice_s for name in plan.work]
    assert plan.interval_s == pytest.approx(6 * sum(slices))


def test_clusters_of_the_matrices_of_an_lstm(lstm: Workload) -> None:
    """Two tiles and a cluster that adds their sums, and one tile."""
    system = load_system("manycore")
    space = Space(workload=lstm, system=system)
    plan = Manycore(system).plan(lstm, space.all_analog, {})
    assert sum(plan.clusters_of(name) for name in lstm.unit_of) == 3 + 1


def test_a_matrix_on_maps_of_two_sizes() -> None:
    """A module that is called on a map of 6 x 6 pixels and on one of 3 x 3 (stride 2 before it)."""
    large = convolution("conv")
    small = replace(convolution("conv_2", "conv", stride=2), module="conv")
    units = (Unit(name="conv", layers=("conv", "conv_2")),)
    workload = Workload(name="two sizes", layers=(large, small), units=units)
    system = redesigned(load_system("manycore"), {"machine.clusters": 1})
    cost = all_analog(workload, system)
    assert cost.interval_s == pytest.approx(6 * 6 * 130e-9 + 3 * 3 * 130e-9)
    system = redesigned(load_system("manycore"), {"machine.clusters": 3})
    assert all_analog(workload, system).interval_s == pytest.approx(2 * 6 * 130e-9 + 1 * 3 * 130e-9)
