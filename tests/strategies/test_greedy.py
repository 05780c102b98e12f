"""Greedy searches: their orders, directions and when they stop."""

import numpy as np
import pytest
from by_hand import path, problem_of
from strategy_runs import after_profile, measured, run_inner

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Objective
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


# --- by hand -------------------------------------------------------------------------------------

PRICES = {
    "fc0": {"cpu": 10.0, "tile": 4.0, "npu": 6.0},
    "fc1": {"cpu": 10.0, "tile": 10.0, "npu": 12.0},  # nothing to save
    "fc2": {"cpu": 10.0, "tile": 5.0, "npu": 3.0},
    "fc3": {"cpu": 9.0, "npu": 8.0},  # never analog
}
DROPS = {"fc0": {"tile": 0.2}, "fc1": {"tile": 0.01}, "fc2": {"tile": 0.05}}


def mappings(evaluations: list[Evaluation]) -> list[Mapping]:
    return [evaluation.mapping for evaluation in evaluations]


@pytest.mark.parametrize("progressive", [False, True])
def test_forward_greedy_by_hand(progressive: bool) -> None:
    """The tile is cheapest for `fc0` but loses too much; `fc2` stays where it is cheapest."""
    problem = problem_of(PRICES, DROPS)
    evaluations = drive(Greedy(order="macs", progressive=progressive), problem)
    steps = [
        {"fc0": "tile"},
        {"fc0": "npu"},
        {"fc0": "npu", "fc2": "npu"},
        {"fc0": "npu", "fc2": "npu", "fc3": "npu"},
    ]
    assert mappings(evaluations) == path(problem, steps)
    candidates = [evaluation.candidate for evaluation in evaluations]
    start = problem.pretrained(problem.all_digital)
    parents = [start, start, candidates[1], candidates[2]] if progressive else [None] * 4
    assert [candidate.parent for candidate in candidates] == parents


@pytest.mark.parametrize("order", ["sensitivity", "saving_per_sensitivity"])
def test_units_that_are_never_analog_come_last(order: str) -> None:
    """Losses 0.01, 0.05 and 0.2 (fc1, fc2, fc0); savings 0, 5 and 6 s: most for its loss saves fc2."""
    problem = problem_of(PRICES, DROPS, macs=[10, 20, 30, 900])
    asked, _ = run_inner(problem, Greedy(order=order).search(problem, np.random.default_rng(0)))
    steps = [{"fc2": "npu"}, {"fc2": "npu", "fc0": "tile"}, {"fc2": "npu", "fc0": "npu"}]
    steps.append({**steps[-1], "fc3": "npu"})
    assert [candidate.mapping for candidate in asked[3:]] == path(problem, steps), "each once"


BACKWARD = [
    {"fc0": "tile", "fc1": "tile", "fc2": "tile", "fc3": "npu"},  # no tile can run `fc3`
    {"fc0": "tile", "fc1": "tile", "fc2": "npu", "fc3": "npu"},
    {"fc0": "tile", "fc1": "cpu", "fc2": "npu", "fc3": "npu"},
    {"fc0": "npu", "fc1": "cpu", "fc2": "npu", "fc3": "npu"},
]


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("max_drop", "objectives", "steps"),
    [
        (0.1, ("latency_s",), 4),
        (0.2, ("latency_s",), 3),  # exactly what `fc0` loses
        (0.26, ("latency_s",), 1),
        (0.26, ("latency_s", "drop"), 4),
    ],
)
def test_backward_greedy_by_hand(
    progressive: bool, max_drop: float, objectives: tuple[Objective, ...], steps: int
) -> None:
    """Least MACs first, each to its cheapest digital target, until the limit holds."""
    problem = problem_of(PRICES, DROPS, max_drop=max_drop, objectives=objectives)
    strategy = Greedy(order="macs", start="all-analog", progressive=progressive)
    evaluations = drive(strategy, problem)
    assert mappings(evaluations) == path(problem, BACKWARD[:steps])
    candidates = [evaluation.candidate for evaluation in evaluations]
    parents = [None, *candidates[:-1]] if progressive else [None] * steps
    assert [candidate.parent for candidate in candidates] == parents
