"""Constructive strategies: profile, greedy orders, Harmonica-like, local search."""

from dataclasses import replace

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import by_macs_descending, every_mapping, neighbours
from lionheart_opt.strategies.greedy import Greedy
from lionheart_opt.strategies.harmonica import Harmonica
from lionheart_opt.strategies.local_search import LocalSearch
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.one_at_a_time import OneAtATime
from lionheart_opt.strategies.parts.pricing import price
from lionheart_opt.strategies.parts.sensitivity import MoveProfile, log_loss, measure_moves
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import drive, tiny_problem


def measured(problem: Problem, training: str = "none") -> MoveProfile:
    """The profile that strategies get."""
    search = measure_moves(problem, training)
    batch = next(search)
    with pytest.raises(StopIteration) as stop:
        search.send([problem.evaluate(candidate) for candidate in batch])
    return stop.value.value


def after_profile(problem: Problem, evaluations: list[Evaluation]) -> list[Evaluation]:
    count = len(measured(problem).losses)
    assert all(evaluation.candidate.training == "none" for evaluation in evaluations[:count])
    return evaluations[count:]


def test_a_profile_moves_one_unit_at_a_time_to_each_analog_target() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    evaluations = drive(OneAtATime(), problem)
    moved = [
        {unit: evaluation.mapping[unit] for unit in evaluation.mapping}
        for evaluation in evaluations
    ]
    expected = [{**problem.all_digital.to_json(), unit.name: "tile"} for unit in problem.units]
    assert moved == expected
    assert {evaluation.candidate.training for evaluation in evaluations} == {"none"}
    # With the problem's own training it asks for what other strategies ask for.
    same = drive(OneAtATime(problem.training), problem)
    assert [evaluation.candidate for evaluation in same] == [
        problem.pretrained(evaluation.mapping) for evaluation in evaluations
    ]


def test_a_profile_may_go_on_with_pairs_of_neighbours() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "sram"))
    alone = drive(OneAtATime(), problem)
    evaluations = drive(OneAtATime(pairs=True), problem)
    assert [evaluation.candidate for evaluation in evaluations[: len(alone)]] == [
        evaluation.candidate for evaluation in alone
    ]
    pairs = neighbours(problem)
    assert pairs
    assert [evaluation.mapping for evaluation in evaluations[len(alone) :]] == [
        problem.mapping(dict.fromkeys(pair, "tile")) for pair in pairs
    ]
    assert {evaluation.candidate.training for evaluation in evaluations} == {"none"}


@pytest.mark.parametrize("pairs", [False, True])
def test_there_is_nothing_to_profile_without_analog_targets(pairs: bool) -> None:
    assert drive(OneAtATime(pairs=pairs), tiny_problem(targets=("cpu", "npu"))) == []


def test_a_single_unit_has_no_pair() -> None:
    problem = synthetic_problem(n_units=1)
    [evaluation] = drive(OneAtATime(pairs=True), problem)
    assert evaluation.mapping == problem.all_analog


def test_a_profile_holds_losses_and_savings() -> None:
    problem = tiny_problem()
    profile = measured(problem)
    for unit, target in profile.losses:
        mapping = problem.all_digital.move(unit, target)
        candidate = problem.pretrained(mapping).with_training("none")
        accuracy = problem.evaluate(candidate).accuracy
        mean = accuracy.samples[:, 1].mean()
        assert profile.losses[unit, target] == pytest.approx(np.log(accuracy.baseline / mean))
        saving = price(problem, problem.all_digital) - price(problem, mapping)
        assert profile.savings[unit, target] == pytest.approx(saving)
    two = dict(list(profile.losses)[:2])
    assert profile.loss(problem.mapping(two)) == pytest.approx(
        sum(profile.losses[move] for move in two.items())
    )


def test_a_profile_that_cost_limits_hide_is_flat() -> None:
    """One unit alone breaks the latency limit, so that the oracle is not asked."""
    latency_s = tiny_problem().digital_cost.latency_s
    problem = tiny_problem(latency_limit_s=0.2 * latency_s)
    assert len(set(measured(problem).losses.values())) == 1


def test_log_loss_is_bounded() -> None:
    assert log_loss(0.0, 0.9) == 0.0
    assert log_loss(0.45, 0.9) == pytest.approx(np.log(2.0))
    assert log_loss(0.9, 0.9) == log_loss(5.0, 0.9) == pytest.approx(np.log(100.0))


def test_nested_mappings_grow_by_the_best_ratio() -> None:
    problem = tiny_problem()
    profile = measured(problem)
    nested = profile.nested(problem, 3)
    sets = [set(mapping.units_on("tile")) for mapping in nested]
    assert [len(mapping) for mapping in sets] == [1, 3, 5]
    assert sets[0] < sets[1] < sets[2]
    ratio = {unit: profile.savings[unit, t] / profile.losses[unit, t] for unit, t in profile.losses}
    assert sets[0] == {max(ratio, key=lambda unit: ratio[unit])}


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


@pytest.mark.parametrize("strategy", [Greedy(start="all-analog"), Harmonica()])
def test_backward_searches_walk_the_whole_front_where_the_drop_is_an_objective(strategy) -> None:
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    path = after_profile(problem, drive(strategy, problem))
    assert [len(evaluation.mapping.units_on("cpu")) for evaluation in path] == [0, 1, 2, 3, 4, 5]


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


@pytest.mark.parametrize("targets", [("cpu", "tile"), ("cpu", "tile", "npu")])
@pytest.mark.parametrize("seed", range(4))
def test_local_search_ends_where_no_cheaper_neighbour_holds(
    seed: int, targets: tuple[str, ...]
) -> None:
    problem = tiny_problem(seed=seed, targets=targets)
    evaluations = after_profile(problem, drive(LocalSearch(), problem))
    feasible = [evaluation for evaluation in evaluations if evaluation.feasible]
    end = min(feasible, key=lambda evaluation: evaluation.objectives["latency_s"])

    def distance(evaluation: Mapping, other: Mapping) -> list[str]:
        return [unit for unit in evaluation if evaluation[unit] != other[unit]]

    for mapping in every_mapping(problem):
        differs = distance(mapping, end.mapping)
        swapped = len(differs) == 2 and sorted(mapping[u] for u in differs) == sorted(
            end.mapping[u] for u in differs
        )
        if (len(differs) == 1 or swapped) and price(problem, mapping) < price(problem, end.mapping):
            assert not problem.evaluate(problem.pretrained(mapping)).feasible


@pytest.mark.parametrize("strategy", [MacGreedy(), Greedy(), LocalSearch()])
def test_constructive_searches_get_below_a_latency_limit(strategy) -> None:
    """All-digital breaks it and so do the first steps: they are taken although the oracle is silent."""
    free = tiny_problem(max_drop=0.2)
    latency_s = 0.5 * free.digital_cost.latency_s
    problem = replace(free, cost_limits={"latency_s": latency_s})
    evaluations = drive(strategy, problem)
    assert any(evaluation.feasible for evaluation in evaluations)


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
