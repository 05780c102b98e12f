"""The loss model against closed forms of Bayesian linear regression."""

from dataclasses import replace

import numpy as np
import pytest

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.strategies.parts.loss_model import LossModel, caution
from lionheart_opt.strategies.parts.sensitivity import MoveProfile
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import tiny_problem


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
    mean, deviations, pair_deviation = model._prior()
    prior = np.r_[mean, np.zeros(15)]
    spread = np.r_[deviations, np.full(15, pair_deviation)]
    has = model._features()
    first, second = np.triu_indices(6, 1)
    features = np.hstack([has, has[:, first] * has[:, second]])
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


# --- by hand -------------------------------------------------------------------------------------


def three_moves(interactions: bool = True) -> tuple[LossModel, Problem]:
    """Losses of 0.02, 0.04 and 0.06 in the profile, 0.04 on average."""
    problem = synthetic_problem(n_units=3)
    moves = [(unit.name, "tile") for unit in problem.units]
    losses = dict(zip(moves, (0.02, 0.04, 0.06), strict=True))
    profile = MoveProfile(losses=losses, savings=dict.fromkeys(moves, 1.0), baseline=0.9)
    return LossModel(problem, profile, interactions), problem


def test_a_mapping_has_the_pairs_of_its_moves() -> None:
    """In every draw, moves and pairs of an observed mapping together lose what was observed."""
    model, problem = three_moves()
    first, _, last = (unit.name for unit in problem.units)
    model.learn(told(problem, problem.analog([first, last]), 0.2))
    assert model._features().tolist() == [[1, 0, 1]]
    rng = np.random.default_rng(0)
    draws = [model.sample(rng) for _ in range(500)]
    together = [losses[0] + losses[2] + pairs[0, 2] for losses, pairs in draws]
    assert np.mean(together) == pytest.approx(0.2, abs=0.001)
    assert np.std(together) == pytest.approx(0.003, rel=0.15)
    assert np.std([losses[0] + losses[2] for losses, _ in draws]) > 0.01


def test_before_anything_is_learned_the_spread_is_that_of_the_prior() -> None:
    """Half of a loss and a tenth of the mean; all pairs together half of the mean."""
    model, _ = three_moves()
    mean, spread, of_pairs = model._prior()
    assert mean.tolist() == pytest.approx([0.02, 0.04, 0.06])
    assert of_pairs == pytest.approx(0.5 * 0.04 / np.sqrt(3))
    assert spread.tolist() == pytest.approx([0.014, 0.024, 0.034], rel=1e-6)
    rng = np.random.default_rng(0)
    draws = np.array([model.sample(rng)[0] for _ in range(4000)])
    assert draws.std(axis=0) == pytest.approx([0.014, 0.024, 0.034], rel=0.05)


def test_observations_have_errors_of_their_own() -> None:
    """Two moves that are each seen alone: what is drawn for one says nothing about the other."""
    model, problem = three_moves(interactions=False)
    for unit, loss in zip(problem.units[:2], (0.02, 0.04), strict=True):
        model.learn(told(problem, problem.analog([unit.name]), loss, spread=0.004))
    rng = np.random.default_rng(0)
    draws = np.array([model.sample(rng)[0] for _ in range(4000)])
    assert abs(np.corrcoef(draws[:, 0], draws[:, 1])[0, 1]) < 5 / np.sqrt(4000)


def test_a_margin_leaves_at_most_half_of_the_loss() -> None:
    """A bound of four times the estimate counts as twice the estimate."""
    model, problem = three_moves()
    whole = model.max_loss(0.09)
    evaluation = told(problem, problem.all_analog, 0.01, spread=0.01)
    assert evaluation.accuracy is not None
    bounds = problem.accuracy_limit.bounds(evaluation.accuracy)
    assert bounds.high > 3 * bounds.estimate
    model.learn(evaluation)
    assert model.max_loss(0.09) == pytest.approx(whole / 2)


def test_the_distance_to_the_limit_grows_with_failures_in_a_row() -> None:
    assert [caution(failures) for failures in (0, 2, 3, 4)] == pytest.approx([1.0, 1.0, 0.9, 0.81])
