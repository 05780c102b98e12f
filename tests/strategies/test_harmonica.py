"""Harmonica: from all-analog backwards, by sensitivity."""

import pytest
from strategy_runs import after_profile, measured

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
