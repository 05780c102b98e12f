"""Greedy searches: their orders, directions and when they stop."""

import pytest
from strategy_runs import after_profile, measured

from lionheart_opt.errors import InputError
from lionheart_opt.space import by_macs_descending
from lionheart_opt.strategies.greedy import Greedy
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.parts.pricing import price
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import drive, tiny_problem


@pytest.mark.parametrize("order", ["macs", "sensitivity", "saving_per_sensitivity"])
def test_greedy_visits_units_in_its_order(order: str) -> None:
    problem = tiny_problem()
    profile = measured(problem)
    if order == "macs":
        expected = [unit.name for unit in by_macs_descending(problem.workload, problem.units)]
    else:
        moves = profile.by_loss() if order == "sensitivity" else profile.by_saving_per_loss()
        expected = [unit for unit, _ in moves]
        key = {
            "sensitivity": lambda unit: profile.losses[unit, "tile"],
            "saving_per_sensitivity": lambda unit: (
                -profile.savings[unit, "tile"] / profile.losses[unit, "tile"]
            ),
        }[order]
        assert expected == sorted(expected, key=key)
    evaluations = drive(Greedy(order=order), problem)
    visits = evaluations if order == "macs" else after_profile(problem, evaluations)
    kept = problem.all_digital
    for evaluation in visits:
        [unit] = [name for name in kept if kept[name] != evaluation.mapping[name]]
        while unit != (skipped := expected.pop(0)):
            assert price(problem, kept.move(skipped, "tile")) >= price(problem, kept)
        assert evaluation.candidate.parent is None
        if evaluation.feasible:
            kept = evaluation.mapping


def test_progressive_greedy_by_macs_is_lionhearts() -> None:
    problem = tiny_problem()
    ours = drive(Greedy(order="macs", progressive=True), problem)
    lionhearts = drive(MacGreedy(), problem)
    assert [evaluation.candidate for evaluation in ours] == [
        evaluation.candidate for evaluation in lionhearts
    ]


def test_greedy_takes_no_step_that_saves_nothing() -> None:
    problem = synthetic_problem(n_units=8, seed=4, targets=("cpu", "tile", "npu"), max_drop=0.9)
    kept = problem.all_digital
    for evaluation in drive(Greedy(), problem)[8:]:
        assert price(problem, evaluation.mapping) < price(problem, kept)
        kept = evaluation.mapping if evaluation.feasible else kept


def test_backward_greedy_stops_as_soon_as_the_limits_hold() -> None:
    problem = tiny_problem()
    path = after_profile(problem, drive(Greedy(start="all-analog"), problem))
    assert path[0].mapping == problem.all_analog
    assert [evaluation.feasible for evaluation in path] == [False] * (len(path) - 1) + [True]
    order = [unit for unit, _ in measured(problem).by_saving_per_loss()]
    for step, evaluation in enumerate(path):
        assert set(evaluation.mapping.units_on("cpu")) == set(order[len(order) - step :])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": "mac"}, "greedy: unknown order 'mac'"),
        ({"start": "analog"}, "greedy: unknown start 'analog'"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Greedy(**settings)
