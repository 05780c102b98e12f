"""What the model-based strategies are made of: additive costs, the integer programme, the loss model."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt import plugins
from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import Cost, cost_tables
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.space import every_mapping, random_mapping
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.annealing import anneal
from lionheart_opt.strategies.parts.integer_programme import IntegerProgramme
from lionheart_opt.strategies.parts.loss_model import LossModel
from lionheart_opt.strategies.parts.pricing import excess
from lionheart_opt.strategies.parts.sensitivity import MoveProfile
from lionheart_opt.synthetic import SyntheticCosts, convolutional_workload, synthetic_problem
from lionheart_opt.testing import tiny_problem
from lionheart_opt.workload import Workload


class Opaque:
    """A cost model that hides its tables."""

    def __init__(self, model: SyntheticCosts) -> None:
        self.model = model

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        return self.model.cost(workload, mapping)


THREE = ("cpu", "tile", "npu")
ADDITIVE = Additive.of(tiny_problem(targets=THREE))
PROGRAMME = IntegerProgramme(ADDITIVE)


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


def limited(problem: Problem, tiles: int, energy_share: float) -> Problem:
    """With so many crossbars on the tile, and a limit on the energy."""
    targets = tuple(
        target.model_copy(update={"tiles": tiles}) if target.name == "tile" else target
        for target in problem.system.targets
    )
    system = problem.system.model_copy(update={"targets": targets})
    return replace(
        problem,
        system=system,
        cost_model=SyntheticCosts(system),
        cost_limits={"energy_j": energy_share * problem.digital_cost.energy_j},
    )


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


def model_and_truth(
    interactions: bool, factor: float = 0.5
) -> tuple[LossModel, Problem, np.ndarray, np.random.Generator]:
    """A model with a profile twice too large, and the truth in log losses."""
    problem = synthetic_problem(n_units=6)
    rng = np.random.default_rng(1)
    truth = rng.lognormal(sigma=0.5, size=6) * 0.02
    moves = [(unit.name, "tile") for unit in problem.units]
    losses = dict(zip(moves, truth / factor, strict=True))
    measured = MoveProfile(losses=losses, savings=dict.fromkeys(moves, 1.0), baseline=0.9)
    return LossModel(problem, measured, interactions), problem, truth, rng


def told(problem: Problem, mapping: Mapping, loss: float, spread: float = 0.0) -> Evaluation:
    """An evaluation with that log loss, exactly where there is no spread over draws."""
    samples = np.full((4, 1), 0.9 * np.exp(-loss)) + spread * np.array([[1], [-1], [1], [-1]])
    accuracy = Accuracy(samples=samples, times_s=(86_400.0,), baseline=0.9)
    return problem.evaluation(problem.pretrained(mapping), accuracy)


def test_before_anything_is_learned_the_model_is_the_profile() -> None:
    model, _, truth, _ = model_and_truth(interactions=False)
    assert not model.is_fitted
    np.testing.assert_allclose(model.mean(), truth / 0.5)


def test_one_mapping_corrects_the_factor_of_all() -> None:
    model, problem, truth, _ = model_and_truth(interactions=False)
    on = [unit.name for unit in problem.units[:3]]
    mapping = problem.mapping(dict.fromkeys(on, "tile"))
    model.learn(told(problem, mapping, truth[:3].sum()))
    assert model.is_fitted
    np.testing.assert_allclose(model.mean(), truth, rtol=0.05)


def test_the_posterior_is_that_of_bayesian_linear_regression() -> None:
    """Mean and covariance of draws against the textbook formula in weight space."""
    model, problem, truth, rng = model_and_truth(interactions=True, factor=1.0)
    mappings = [random_mapping(problem, rng) for _ in range(5)]
    for mapping in mappings:
        on = np.array([mapping[unit.name] == "tile" for unit in problem.units])
        model.learn(told(problem, mapping, float(truth @ on) + 0.004 * rng.normal()))
    prior, spread = model._prior()
    features = model._features(mappings)
    observed = np.array([observation.loss for observation in model._observed.values()])
    precision = np.diag(spread**-2.0) + features.T @ features / 0.003**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (prior / spread**2 + features.T @ observed / 0.003**2)
    np.testing.assert_allclose(model.mean(), np.maximum(mean[:6], 0.0), rtol=1e-6)

    draws = []
    for _ in range(2000):
        single, pair = model.sample(rng)
        draws.append(np.r_[single, pair[np.triu_indices(6, 1)]])
    deviation = np.sqrt(np.diag(covariance))
    assert np.abs((np.mean(draws, axis=0) - mean) / deviation).max() < 5 / np.sqrt(2000)
    np.testing.assert_allclose(np.std(draws, axis=0), deviation, rtol=0.1)


def test_what_holds_depends_on_the_threshold() -> None:
    model, problem, _, _ = model_and_truth(interactions=False)
    mapping = problem.all_analog
    model.learn(told(problem, mapping, 0.05))
    drop = 0.9 * (1 - np.exp(-0.05))
    assert set(model.holding(drop + 1e-6)) == {mapping, problem.all_digital}
    assert model.failing(drop + 1e-6) == []
    assert model.holding(drop - 1e-6) == [problem.all_digital]
    assert model.failing(drop - 1e-6) == [mapping]


def test_what_the_oracle_was_not_asked_about_fails_at_every_threshold() -> None:
    model, problem, _, _ = model_and_truth(interactions=False)
    unanswered = problem.evaluation(problem.pretrained(problem.all_analog), None)
    model.learn(unanswered)
    assert not model.is_fitted
    assert model.failing(1.0) == [problem.all_analog]
    assert model.holding(1.0) == [problem.all_digital]


def test_all_digital_does_not_hold_where_it_breaks_a_cost_limit() -> None:
    free = synthetic_problem(n_units=3)
    limits = {"latency_s": 0.9 * free.digital_cost.latency_s}
    problem = replace(free, cost_limits=limits)
    moves = [(unit.name, "tile") for unit in problem.units]
    profile = MoveProfile(
        losses=dict.fromkeys(moves, 0.1), savings=dict.fromkeys(moves, 1.0), baseline=0.9
    )
    assert LossModel(problem, profile).holding(1.0) == []


def test_room_is_left_for_the_confidence_bound() -> None:
    """Of two margins seen, 0.02 above 0.05 and none above 0.03, the least one counts."""
    model, problem, _, _ = model_and_truth(interactions=False)
    whole = model.max_loss(0.09)
    assert whole == pytest.approx(-np.log(0.9))
    first, second = (problem.analog([unit.name]) for unit in problem.units[:2])
    model.learn(told(problem, first, 0.05, spread=0.002))
    bounds = problem.accuracy_limit.bounds(told(problem, first, 0.05, spread=0.002).accuracy)
    estimate, high = (-np.log(1 - drop / 0.9) for drop in (bounds.estimate, bounds.high))
    assert high > estimate
    assert model.max_loss(0.09) == pytest.approx(whole / (high / estimate))
    model.learn(told(problem, second, 0.03))
    assert model.max_loss(0.09) == pytest.approx(whole)


def test_moves_of_one_unit_do_not_interact() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "sram"))
    moves = [(unit.name, target) for unit in problem.units for target in ("tile", "sram")]
    profile = MoveProfile(
        losses=dict.fromkeys(moves, 0.1), savings=dict.fromkeys(moves, 1.0), baseline=0.9
    )
    _, pairs = LossModel(problem, profile, interactions=True).sample(np.random.default_rng(0))
    assert pairs.any()
    for number in range(0, len(moves), 2):
        assert pairs[number, number + 1] == 0.0


def test_a_model_without_moves_predicts_nothing() -> None:
    problem = tiny_problem(targets=("cpu", "npu"))
    profile = MoveProfile(losses={}, savings={}, baseline=1.0)
    model = LossModel(problem, profile, interactions=True)
    model.learn(problem.evaluate(problem.pretrained(problem.all_digital)))
    assert model.mean().shape == (0,)
    losses, pairs = model.sample(np.random.default_rng(0))
    assert losses.shape == (0,) and pairs.shape == (0, 0)


def test_annealing_finds_what_enumeration_finds() -> None:
    rng = np.random.default_rng(3)
    linear, pair = rng.normal(size=12), rng.normal(size=(12, 12))

    def energy(states: np.ndarray) -> np.ndarray:
        return states @ linear + ((states @ pair) * states).sum(axis=1)

    every = np.array(list(product((0, 1), repeat=12)))
    allowed = np.ones((12, 2), bool)
    state = anneal(energy, allowed, np.random.default_rng(0))
    assert energy(state[None])[0] == pytest.approx(energy(every).min())


def test_annealing_stays_where_it_may() -> None:
    allowed = np.array([[True, False, True], [True, False, False], [False, True, True]])
    seen = []

    def energy(states: np.ndarray) -> np.ndarray:
        seen.append(states.copy())
        return -states.sum(axis=1).astype(float)

    best = anneal(energy, allowed, np.random.default_rng(0))
    assert best.tolist() == [2, 0, 2]
    states = np.concatenate(seen)
    assert all(allowed[unit, target] for state in states for unit, target in enumerate(state))
