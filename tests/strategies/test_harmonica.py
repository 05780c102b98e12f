"""Harmonica: from all-analog backwards, by sensitivity."""

import pytest
from by_hand import path, problem_of
from strategy_runs import after_profile, measured

from lionheart_opt.problem import Objective
from lionheart_opt.strategies.harmonica import Harmonica
from lionheart_opt.testing import drive, tiny_problem


@pytest.mark.parametrize("retrain", [True, False])
def test_harmonica_starts_from_the_trained_all_analog_network(retrain: bool) -> None:
    problem = tiny_problem()
    path = after_profile(problem, drive(Harmonica(retrain=retrain), problem))
    start = path[0].candidate
    assert start.mapping == problem.all_analog
    assert start.parent is None and start.training == problem.training
    order = [unit for unit, _ in reversed(measured(problem).by_loss())]
    for step, evaluation in enumerate(path[1:], start=1):
        assert evaluation.candidate.parent == start
        assert evaluation.candidate.training == (None if retrain else "none")
        assert set(evaluation.mapping.units_on("cpu")) == set(order[:step])


def test_harmonica_ends_with_the_first_mapping_that_holds() -> None:
    problem = tiny_problem()
    path = after_profile(problem, drive(Harmonica(), problem))
    assert [evaluation.feasible for evaluation in path] == [False] * (len(path) - 1) + [True]


def test_harmonica_ends_with_all_digital_where_nothing_else_holds() -> None:
    problem = tiny_problem(max_drop=0.0)
    path = after_profile(problem, drive(Harmonica(), problem))
    assert [len(evaluation.mapping.units_on("cpu")) for evaluation in path] == [0, 1, 2, 3, 4, 5]
    assert path[-1].mapping == problem.all_digital and path[-1].feasible


def test_harmonica_keeps_all_analog_where_it_holds() -> None:
    problem = tiny_problem(max_drop=0.9)
    [evaluation] = after_profile(problem, drive(Harmonica(), problem))
    assert evaluation.mapping == problem.all_analog and evaluation.feasible


def test_the_profile_is_measured_as_asked_for() -> None:
    problem = tiny_problem()
    evaluations = drive(Harmonica(profile="short"), problem, trials=6)
    trainings = [evaluation.candidate.training for evaluation in evaluations]
    assert trainings == ["short"] * 5 + [problem.training]


@pytest.mark.parametrize(
    ("max_drop", "objectives", "steps"),
    [(0.06, ("latency_s",), 2), (0.26, ("latency_s",), 1), (0.26, ("drop", "latency_s"), 4)],
)
def test_harmonica_by_hand(max_drop: float, objectives: tuple[Objective, ...], steps: int) -> None:
    """What loses most goes first, to the digital target that costs least."""
    prices = {
        "fc0": {"cpu": 10.0, "tile": 4.0, "npu": 6.0},
        "fc1": {"cpu": 10.0, "tile": 10.0, "npu": 12.0},
        "fc2": {"cpu": 10.0, "tile": 5.0, "npu": 3.0},
    }
    drops = {"fc0": {"tile": 0.2}, "fc1": {"tile": 0.01}, "fc2": {"tile": 0.05}}
    problem = problem_of(prices, drops, max_drop=max_drop, objectives=objectives)
    evaluations = after_profile(problem, drive(Harmonica(), problem))
    expected = [
        {"fc0": "tile", "fc1": "tile", "fc2": "tile"},
        {"fc0": "npu", "fc1": "tile", "fc2": "tile"},
        {"fc0": "npu", "fc1": "tile", "fc2": "npu"},
        {"fc0": "npu", "fc1": "cpu", "fc2": "npu"},
    ]
    assert [each.mapping for each in evaluations] == path(problem, expected[:steps])
