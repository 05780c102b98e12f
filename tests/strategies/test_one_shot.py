"""One-shot search: what it measures with shared weights, and what it trains afterwards."""

from dataclasses import replace

import numpy as np
import pytest

from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.one_shot import OneShot, Start
from lionheart_opt.strategies.parts.sensitivity import log_loss
from lionheart_opt.synthetic import SyntheticOracle, synthetic_problem, synthetic_workload
from lionheart_opt.testing import drive, tiny_problem
from lionheart_opt.workload import Workload


def test_one_shot_trains_next_to_where_one_shot_weights_hold() -> None:
    problem = tiny_problem(max_drop=0.1)
    evaluations = drive(OneShot(), problem)
    probes = [
        evaluation for evaluation in evaluations if evaluation.candidate.training == "one_shot"
    ]
    trained = [evaluation for evaluation in evaluations if evaluation.candidate.training is None]
    assert len({evaluation.mapping for evaluation in probes}) == 32
    assert trained
    assert [evaluation.feasible for evaluation in trained] in (
        [True] * (len(trained) - 1) + [False],
        [False] * (len(trained) - 1) + [True],
        [True] * len(trained),
    )
    loss = {
        evaluation.mapping: log_loss(
            problem.accuracy_limit.bounds(evaluation.accuracy).estimate, 0.9
        )
        for evaluation in probes
    }
    latency = {evaluation.mapping: evaluation.cost.latency_s for evaluation in probes}
    for evaluation in trained:  # on the front: nothing is better in both
        assert not any(
            loss[other] < loss[evaluation.mapping] and latency[other] < latency[evaluation.mapping]
            for other in loss
        )


def test_one_shot_trains_points_along_the_front_where_the_drop_is_an_objective() -> None:
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    evaluations = drive(OneShot(points=4), problem)
    trained = [evaluation for evaluation in evaluations if evaluation.candidate.training is None]
    latency = [evaluation.cost.latency_s for evaluation in trained]
    assert len(trained) == 4
    assert latency == sorted(latency)
    assert problem.all_digital in [evaluation.mapping for evaluation in trained]


def test_one_shot_trains_the_first_of_mappings_that_are_equally_good() -> None:
    """Units of the same size that lose the same: many mappings share a point of the front."""
    problem = replace(synthetic_problem(n_units=3), objectives=("latency_s", "drop"))
    workload = synthetic_workload([400, 400, 400])
    oracle = problem.oracle
    assert isinstance(oracle, SyntheticOracle)
    same = dict.fromkeys(oracle.single, np.full(3, 0.02))
    exact = replace(oracle, single=same, pair=np.zeros((3, 3)), noise=0.0)
    problem = replace(problem, workload=workload, oracle=exact, cost_model=NoTransfers(problem))
    evaluations = drive(OneShot(points=4), problem)
    probes = [
        evaluation.mapping
        for evaluation in evaluations
        if evaluation.candidate.training == "one_shot"
    ]
    trained = [
        evaluation.mapping for evaluation in evaluations if evaluation.candidate.training is None
    ]
    assert [len(mapping.units_on("tile")) for mapping in trained] == [3, 2, 1, 0]
    for mapping in trained:
        count = len(mapping.units_on("tile"))
        same_point = [probe for probe in probes if len(probe.units_on("tile")) == count]
        assert mapping == same_point[0]


class NoTransfers:
    """Analog units take half the time; moving data is free."""

    def __init__(self, problem: Problem) -> None:
        self.model = problem.cost_model

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost = self.model.cost(workload, mapping)
        times = {"cpu": 1.0, "tile": 0.5}
        layers = (
            replace(layer, components={"compute": (layer.macs * times[layer.target], 0.0)})
            for layer in cost.layers
        )
        return replace(cost, layers=tuple(layers))


def test_one_shot_evolves_large_spaces() -> None:
    problem = synthetic_problem(n_units=8, max_drop=0.1)
    evaluations = drive(OneShot(probes=60), problem)
    trainings = [evaluation.candidate.training for evaluation in evaluations]
    assert trainings[:60] == ["one_shot"] * 60
    assert set(trainings[60:]) == {None}
    assert len(trainings) > 60


@pytest.mark.parametrize("start", ["shared", "pretrained"])
def test_one_shot_lets_any_strategy_search_on_the_shared_weights(start: Start) -> None:
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    strategy = OneShot(
        strategy="each_threshold", arguments={"strategy": "greedy"}, points=3, start=start
    )
    evaluations = drive(strategy, problem)
    trained = [
        evaluation.candidate for evaluation in evaluations if evaluation.candidate.training is None
    ]
    probes = [
        evaluation.candidate
        for evaluation in evaluations
        if evaluation.candidate.training is not None
    ]
    assert len(trained) == 3
    assert {candidate.training for candidate in probes} == {
        "none",
        "one_shot",
    }  # greedy's profile is its own
    assert not any(
        candidate.parent for candidate in probes
    )  # the shared weights are trained on from nothing
    for candidate in trained:
        parent = Candidate(candidate.mapping, training="one_shot")
        assert candidate.parent == (parent if start == "shared" else None)


def test_one_shots_front_is_that_of_the_shared_weights() -> None:
    """What an inner strategy measured otherwise has no say: here it is all that was measured."""
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    evaluations = drive(OneShot(strategy="one_at_a_time"), problem)
    assert {evaluation.candidate.training for evaluation in evaluations} == {"none"}


def test_one_shot_may_leave_it_at_the_shared_weights() -> None:
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    strategy = OneShot(strategy="random", probes=7, points=0)
    evaluations = drive(strategy, problem)
    assert {evaluation.candidate.training for evaluation in evaluations} == {"one_shot"}
    assert 1 <= len(evaluations) <= 7


def test_one_shot_of_a_question_about_shared_weights_has_nothing_left_to_train() -> None:
    problem = replace(tiny_problem(objectives=("latency_s", "drop")), training="one_shot")
    assert len(drive(OneShot(), problem)) == 32


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probes": 0}, "probes: got 0; must be at least 1"),
        ({"points": -1}, "points: got -1; must be at least 0"),
        ({"arguments": {"a": 1}}, "arguments: given without a strategy"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OneShot(**settings)
