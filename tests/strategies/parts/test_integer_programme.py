"""The integer programme against enumeration."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_costs import limited

from lionheart_opt.mapping import Mapping
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.integer_programme import IntegerProgramme
from lionheart_opt.strategies.parts.pricing import excess
from lionheart_opt.testing import tiny_problem

THREE = ("cpu", "tile", "npu")


ADDITIVE = Additive.of(tiny_problem(targets=THREE))


PROGRAMME = IntegerProgramme(ADDITIVE)


@pytest.mark.parametrize("seed", range(6))
def test_the_integer_programme_is_exact(seed: int) -> None:
    """Against enumeration: with crossing costs, tiles, an energy limit, and mappings cut off."""
    rng = np.random.default_rng(seed)
    problem = limited(tiny_problem(targets=THREE, seed=seed), tiles=3, energy_share=0.8)
    costs = Additive.of(problem)
    programme = IntegerProgramme(costs)
    losses = np.where(np.array(costs.targets) == "tile", rng.lognormal(size=(5, 1)), 0.0)
    every = costs.every()
    values = costs.values(every)
    loss = losses[np.arange(5), every].sum(axis=1)
    for max_loss in (0.0, 1.0, 3.0):
        fits = costs.keeps_limits(every, values) & (loss <= max_loss)
        excluded: list[Mapping] = []
        for _ in range(3):
            mapping = programme.cheapest(0, losses, max_loss, np.inf, excluded)
            if not fits.any():
                assert mapping is None
                break
            best = np.flatnonzero(fits)[values[fits, 0].argmin()]
            assert mapping is not None
            assert problem.cost(mapping).latency_s == pytest.approx(values[best, 0], rel=1e-9)
            [row] = np.flatnonzero((every == costs.encode([mapping])[0]).all(axis=1))
            assert fits[row]
            excluded.append(mapping)
            fits[row] = False


def test_the_integer_programme_respects_the_bound_on_the_cost() -> None:
    problem = tiny_problem()
    programme = IntegerProgramme(Additive.of(problem))
    best = problem.cost(problem.all_analog).latency_s
    free = np.zeros((5, 2))
    assert programme.cheapest(0, free, 0.0, best * 1.001) == problem.all_analog
    assert programme.cheapest(0, free, 0.0, best * 0.999) is None


def test_the_mapping_of_least_loss() -> None:
    problem = tiny_problem(latency_limit_s=0.5 * tiny_problem().digital_cost.latency_s)
    costs = Additive.of(problem)
    losses = np.array([[0.0, 1.0], [0.0, 2.0], [0.0, 0.5], [0.0, 3.0], [0.0, 1.0]])
    least = IntegerProgramme(costs).least_loss(losses)
    assert least is not None and excess(problem, least) == 0
    for mapping in every_mapping(problem):
        if excess(problem, mapping) == 0:
            row, best = costs.encode([mapping, least])
            units = np.arange(5)
            assert losses[units, row].sum() >= losses[units, best].sum()


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_the_integer_programme_is_exact_for_any_losses(data: st.DataObject) -> None:
    """Also at a loss that some mapping has exactly, and for mappings that cost the same."""
    problem = tiny_problem(targets=THREE)
    costs = ADDITIVE
    numbers = st.integers(0, 8).map(lambda number: number / 8.0)
    tile = np.array([data.draw(numbers) for _ in range(5)])
    losses = np.where(np.array(costs.targets) == "tile", tile[:, None], 0.0)
    max_loss = data.draw(numbers)
    every = costs.every()
    fits = losses[np.arange(5), every].sum(axis=1) <= max_loss
    mapping = PROGRAMME.cheapest(0, losses, max_loss, np.inf)
    assert mapping is not None, "all-digital loses nothing"
    [row] = costs.encode([mapping])
    assert losses[np.arange(5), row].sum() <= max_loss
    least = costs.values(every)[fits, 0].min()
    assert problem.cost(mapping).latency_s == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize("tiles", range(6))
def test_the_integer_programme_fills_a_target_exactly(tiles: int) -> None:
    """As many units as crossbars, and not one more; 0 crossbars leave all-digital."""
    problem = limited(tiny_problem(), tiles=tiles, energy_share=2.0)
    mapping = IntegerProgramme(Additive.of(problem)).cheapest(0, np.zeros((5, 2)), 0.0, np.inf)
    assert mapping is not None
    assert len(mapping.units_on("tile")) == tiles


def test_the_integer_programme_has_no_answer_where_all_mappings_are_excluded() -> None:
    problem = tiny_problem()
    programme = IntegerProgramme(Additive.of(problem))
    every = list(every_mapping(problem))
    losses = np.tile([0.0, 1.0], (5, 1))
    assert programme.cheapest(0, losses, 9.0, np.inf, every) is None
    assert programme.least_loss(losses, every) is None
    assert programme.least_loss(losses, every[:-1]) == every[-1]


def test_the_integer_programme_of_a_space_with_one_mapping() -> None:
    problem = replace(tiny_problem(), digital=tuple(u.name for u in tiny_problem().units))
    programme = IntegerProgramme(Additive.of(problem))
    assert programme.cheapest(0, np.zeros((5, 2)), 0.0, np.inf) == problem.all_digital


def test_the_cost_that_no_mapping_changes_counts() -> None:
    """0.1 s and 0.2 J for layers that belong to no unit, against the bound and the cost limits."""
    problem = tiny_problem()
    latency_s = problem.cost(problem.all_analog).latency_s
    costs = replace(Additive.of(problem), fixed=np.array([0.1]))
    programme = IntegerProgramme(costs)
    free = np.zeros((5, 2))
    assert programme.cheapest(0, free, 0.0, 0.1 + 1.001 * latency_s) == problem.all_analog
    assert programme.cheapest(0, free, 0.0, 0.1 + 0.999 * latency_s) is None

    energy_j = problem.cost(problem.all_analog).energy_j
    for share, mapping in ((1.001, problem.all_analog), (0.999, None)):
        limited = replace(problem, cost_limits={"energy_j": 0.2 + share * energy_j})
        costs = replace(Additive.of(limited), fixed=np.array([0.1, 0.2]))
        assert IntegerProgramme(costs).cheapest(0, free, 0.0, np.inf) == mapping
        assert IntegerProgramme(costs).least_loss(free) == mapping


def test_a_crowd_is_not_put_together() -> None:
    """Other units may join some of it, but not all."""
    free = IntegerProgramme(ADDITIVE).cheapest(0, np.zeros((5, 3)), 0.0, np.inf)
    assert free is not None
    crowd = frozenset(list(free.items())[:2])
    programme = IntegerProgramme(ADDITIVE, crowds=[crowd])
    mapping = programme.cheapest(0, np.zeros((5, 3)), 0.0, np.inf)
    assert mapping is not None and not crowd <= set(mapping.items())
    row, other = ADDITIVE.values(ADDITIVE.encode([free, mapping]))[:, 0]
    assert other >= row
    left = [each for each in every_mapping(ADDITIVE.problem) if not crowd <= set(each.items())]
    assert other == pytest.approx(ADDITIVE.values(ADDITIVE.encode(left))[:, 0].min())
