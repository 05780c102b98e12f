"""Additive costs: tables, differences, capacities in bulk."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_costs import Opaque, TakingTurns, WithoutTables, limited, several_cores, with_tiles

from lionheart_opt import plugins
from lionheart_opt.cost import cost_tables
from lionheart_opt.problem import Objective
from lionheart_opt.space import every_mapping, random_mapping
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.pricing import excess, price
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.testing import tiny_problem

THREE = ("cpu", "tile", "npu")


@pytest.mark.parametrize("opaque", [False, True], ids=["tables", "differences"])
@pytest.mark.parametrize("objectives", [("latency_s",), ("energy_j", "latency_s"), ("interval_s",)])
def test_additive_costs_are_the_costs(opaque: bool, objectives: tuple[Objective, ...]) -> None:
    problem = tiny_problem(targets=THREE, objectives=objectives)
    if opaque:
        problem = replace(problem, cost_model=Opaque(problem.cost_model))
    costs = Additive.of(problem)
    every = costs.every()
    assert costs.quantities == objectives
    assert [costs.decode(row) for row in every] == list(every_mapping(problem))
    np.testing.assert_array_equal(costs.encode(list(every_mapping(problem))), every)
    expected = [
        [problem.cost(mapping).value(name) for name in objectives]
        for mapping in every_mapping(problem)
    ]
    np.testing.assert_allclose(costs.values(every), expected, rtol=1e-9)


def test_units_without_a_choice_are_priced_too() -> None:
    problem = tiny_problem()
    first = replace(problem.workload.layers[0], mvm=None)
    workload = replace(problem.workload, layers=(first, *problem.workload.layers[1:]))
    fixed = replace(problem, workload=workload)
    costs = Additive.of(fixed)
    assert len(costs.every()) == 2**4
    latency_s = [fixed.cost(mapping).latency_s for mapping in every_mapping(fixed)]
    np.testing.assert_allclose(costs.values(costs.every())[:, 0], latency_s, rtol=1e-9)


def test_limits_in_bulk_are_the_problems() -> None:
    problem = limited(tiny_problem(targets=THREE), tiles=2, energy_share=0.6)
    costs = Additive.of(problem)
    every = costs.every()
    keeps = costs.keeps_limits(every, costs.values(every))
    assert set(keeps) == {True, False}
    expected = [excess(problem, costs.decode(row)) == 0 for row in every]
    np.testing.assert_array_equal(keeps, expected)


@pytest.mark.parametrize("name", plugins.system_names())
def test_differences_of_real_cost_models_are_close_where_they_are_additive(name: str) -> None:
    """Systems that offer tables: the differences of their costs give the same prices."""
    system = plugins.load_system(name)
    model = plugins.cost_model(system)
    workload = convolutional_workload()
    if cost_tables(model, workload) is None:
        pytest.skip("the cost is no sum over units")
    problem = replace(tiny_problem(), workload=workload, system=system, cost_model=model)
    offered = Additive.of(problem)
    rng = np.random.default_rng(0)
    rows = offered.encode([random_mapping(problem, rng) for _ in range(20)])
    differences = Additive.of(replace(problem, cost_model=Opaque(model)))
    np.testing.assert_allclose(differences.values(rows), offered.values(rows), rtol=1e-6)


def test_pairs_of_neighbours_make_the_approximation_better() -> None:
    """Two cores hand results over: what that costs depends on where both ends run."""
    problem = several_cores(("latency_s",))
    costs = Additive.of(problem)
    assert len(costs.pairs)
    alone = replace(costs, pairs=costs.pairs[:0], pair=costs.pair[:0])
    rng = np.random.default_rng(0)
    mappings = [random_mapping(problem, rng) for _ in range(50)]
    truth = np.array([price(problem, mapping) for mapping in mappings])
    errors = [
        np.abs(sums.values(sums.encode(mappings))[:, 0] / truth - 1.0).mean()
        for sums in (costs, alone)
    ]
    assert errors[0] < 0.5 * errors[1]


def test_only_tables_are_exact() -> None:
    problem = tiny_problem()
    assert Additive.of(problem).exact
    assert not Additive.of(replace(problem, cost_model=WithoutTables(problem.cost_model))).exact
    assert not Additive.of(replace(problem, objectives=("interval_s",))).exact


@pytest.mark.parametrize("tiles", [0, 1, 3, 5])
@pytest.mark.parametrize("model", [WithoutTables, TakingTurns])
def test_capacities_in_bulk_are_the_models(tiles: int, model: type[WithoutTables]) -> None:
    """Exactly full is not too full; also without tables, and where units take turns."""
    problem = with_tiles(tiny_problem(), tiles, model)
    costs = Additive.of(problem)
    every = costs.every()
    keeps = costs.keeps_limits(every, costs.values(every))
    assert keeps.any()
    fits = [not excess(problem, costs.decode(row)) for row in every]
    if model is TakingTurns and tiles == 0:
        assert keeps.tolist() == [not row.any() for row in every]
    else:
        assert keeps.tolist() == fits


def test_crossbars_come_from_tables_where_there_are_any() -> None:
    """DIANA's units take turns on one array; its interval is in no table."""
    system = plugins.load_system("diana")
    problem = replace(
        tiny_problem(objectives=("interval_s",)),
        workload=convolutional_workload(),
        system=system,
        cost_model=plugins.cost_model(system),
    )
    costs = Additive.of(problem)
    assert not excess(problem, problem.all_analog)
    row = costs.encode([problem.all_analog])
    assert costs.keeps_limits(row, costs.values(row)).all()


def test_crossbars_without_a_capacity_to_keep_are_not_counted() -> None:
    problem = replace(tiny_problem(), cost_model=WithoutTables(tiny_problem().cost_model))
    assert not Additive.of(problem).tiles.any()
    full = with_tiles(tiny_problem(), 5, WithoutTables, digital=("fc1",))
    tile = Additive.of(full).targets.index("tile")
    assert Additive.of(full).tiles[:, tile].tolist() == [1.0, 0.0, 1.0, 1.0, 1.0]
    nothing = replace(full, digital=("fc0", "fc1", "fc2", "fc3", "fc4"))
    assert not Additive.of(nothing).tiles.any()


def test_a_capacity_that_fractions_meet_but_for_rounding_is_kept() -> None:
    problem = with_tiles(tiny_problem(), 1)
    shares = np.zeros((5, 2))
    costs = Additive.of(problem)
    shares[:, costs.targets.index("tile")] = np.nextafter(0.2, 1.0), 0.2, 0.2, 0.2, 0.2 + 1e-15
    rounded = replace(costs, tiles=shares)
    row = costs.encode([problem.all_analog])
    assert shares.sum() > 1.0 and rounded.keeps_limits(row, costs.values(row)).all()
    above = replace(costs, tiles=shares * (1 + 1e-6))
    assert not above.keeps_limits(row, costs.values(row)).any()


def test_work_that_cores_share_is_right_for_all_analog() -> None:
    """And in proportion to it for other mappings."""
    system = plugins.load_system("alpine-high-power-8")
    problem = replace(
        several_cores(("latency_s", "energy_j", "interval_s")),
        system=system,
        cost_model=plugins.cost_model(system),
    )
    costs = Additive.of(problem)
    assert not costs.exact
    [values] = costs.values(costs.encode([problem.all_analog]))
    cost = problem.cost(problem.all_analog)
    expected = {name: cost.value(name) for name in costs.quantities}
    assert dict(zip(costs.quantities, values, strict=True)) == pytest.approx(expected)
    latency_s, energy_j, interval_s = (
        costs.unit[..., costs.number(name)] for name in ("latency_s", "energy_j", "interval_s")
    )
    assert np.allclose(latency_s / interval_s, latency_s.flat[0] / interval_s.flat[0])
    assert (energy_j > 0).all()
