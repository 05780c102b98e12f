"""The model-based strategies on problems whose best mapping is known."""

from dataclasses import replace

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import LIONHEART_THRESHOLDS
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategies import quadratic
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.one_shot import OneShot, Start
from lionheart_opt.strategies.optuna import Optuna
from lionheart_opt.strategies.parts.sensitivity import log_loss
from lionheart_opt.strategies.quadratic import Quadratic
from lionheart_opt.synthetic import SyntheticOracle, synthetic_problem, synthetic_workload
from lionheart_opt.testing import brute_force, drive, tiny_problem
from lionheart_opt.workload import Workload


def best(evaluations: list[Evaluation]) -> float:
    return min(evaluation.cost.latency_s for evaluation in evaluations if evaluation.feasible)


def additive(problem: Problem, none_factor: float) -> Problem:
    """Without interaction and noise, in log losses; probes overestimate losses by a factor."""
    oracle = problem.oracle
    assert isinstance(oracle, SyntheticOracle)
    single = {**oracle.single, "none": none_factor * oracle.single["full"]}
    exact = replace(oracle, single=single, pair=0.0 * oracle.pair, noise=0.0)
    return replace(problem, oracle=exact)


@pytest.mark.parametrize("seed", range(5))
def test_knapsack_is_exact_where_losses_add_up(seed: int) -> None:
    """With a profile of the problem's own losses, the first proposal is the best there is."""
    problem = additive(synthetic_problem(n_units=8, seed=seed), none_factor=1.0)
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    assert len(evaluations) == 8 + 1
    assert evaluations[-1].cost.latency_s == pytest.approx(best(brute_force(problem)))


@pytest.mark.parametrize("none_factor", [0.3, 3.0, 30.0])
def test_knapsack_corrects_a_profile_that_is_off_by_a_factor(none_factor: float) -> None:
    problem = additive(synthetic_problem(n_units=8, seed=2), none_factor)
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    trained = [evaluation for evaluation in evaluations if evaluation.candidate.training is None]
    assert best(trained) == pytest.approx(best(brute_force(problem)))
    assert len(trained) <= 6


def test_knapsack_ends_with_a_proposal_that_holds() -> None:
    for seed in range(6):
        problem = tiny_problem(seed=seed)
        trained = [
            evaluation
            for evaluation in drive(Knapsack(), problem)
            if evaluation.candidate.training is None
        ]
        assert any(evaluation.feasible for evaluation in trained)
        assert len({evaluation.mapping for evaluation in trained}) == len(trained)
        # After the first one that holds, only cheaper ones are asked for.
        for k, evaluation in enumerate(trained):
            held = [before.cost.latency_s for before in trained[:k] if before.feasible]
            assert evaluation.cost.latency_s < min(held, default=np.inf)


def test_knapsack_solves_for_every_threshold_where_the_drop_is_an_objective() -> None:
    problem = synthetic_problem(n_units=8, objectives=("latency_s", "drop"), max_drop=0.2)
    problem = additive(problem, none_factor=1.0)
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    truth = brute_force(problem)
    for threshold in (*LIONHEART_THRESHOLDS, 0.2):
        ours, theirs = (
            min(
                (
                    evaluation.cost.latency_s
                    for evaluation in some
                    if evaluation.objectives["drop"] <= threshold
                ),
                default=problem.digital_cost.latency_s,
            )
            for some in (evaluations, truth)
        )
        assert ours == pytest.approx(theirs)


@pytest.mark.parametrize("seed", range(3))
def test_quadratic_finds_the_best_of_a_small_problem(seed: int) -> None:
    problem = tiny_problem(seed=seed)
    assert best(drive(Quadratic(), problem)) == pytest.approx(best(brute_force(problem)))


def test_quadratic_anneals_spaces_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = additive(synthetic_problem(n_units=7, seed=1), none_factor=1.0)
    monkeypatch.setattr(quadratic, "EXHAUSTIVE", 0)
    evaluations = drive(Quadratic(patience=5), problem, trials=20)
    assert best(evaluations) == pytest.approx(best(brute_force(problem)), rel=0.05)


def test_one_shot_trains_next_to_where_one_shot_weights_hold() -> None:
    problem = tiny_problem(max_drop=0.1)
    evaluations = drive(OneShot(), problem)
    probes = [
        evaluation for evaluation in evaluations if evaluation.candidate.training == "one_shot"
    ]
    trained = [evaluation for evaluation in evaluations if evaluation.candidate.training is None]
    assert len({evaluation.mapping for evaluation in probes}) == 32
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
        candidate.candidate for candidate in evaluations if candidate.candidate.training is None
    ]
    probes = [
        candidate.candidate for candidate in evaluations if candidate.candidate.training is not None
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


def test_optuna_can_start_from_a_profile() -> None:
    problem = tiny_problem()
    strategy = Optuna("RandomSampler", enqueue=["all-analog"], profile="none", nested=3)
    evaluations = drive(strategy, problem, trials=12)
    assert [evaluation.candidate.training for evaluation in evaluations] == ["none"] * 5 + [
        None
    ] * 7
    assert evaluations[5].mapping == problem.all_analog
    sizes = [len(evaluation.mapping.units_on("tile")) for evaluation in evaluations[6:8]]
    assert sizes == [1, 3]  # the third, of all five units, is all-analog again


@pytest.mark.parametrize(
    ("strategy", "settings", "message"),
    [
        (Knapsack, {"thresholds": [0.0]}, r"thresholds: got \[0.0\]; must be in \(0, 1\]"),
        (Knapsack, {"min_gain": 0.0}, r"min_gain: got 0.0; must be in \(0, 1\)"),
        (Quadratic, {"patience": 0}, "patience: got 0; must be at least 1"),
        (Quadratic, {"min_gain": 1.0}, r"min_gain: got 1.0; must be in \[0, 1\)"),
        (OneShot, {"probes": 0}, "probes: got 0; must be at least 1"),
        (OneShot, {"points": -1}, "points: got -1; must be at least 0"),
        (OneShot, {"arguments": {"a": 1}}, "arguments: given without a strategy"),
    ],
)
def test_bad_settings_are_refused(strategy, settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        strategy(**settings)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("random", {"training": "ful"}, "random: training: got 'ful'; must be 'none', 'one_shot'"),
        ("one_shot", {"start": "shard"}, "start: got 'shard'; must be 'shared' or 'pretrained'"),
        ("knapsack", {"thresholds": [0.1, "a"]}, r"thresholds.1: got 'a'; must be a valid number"),
        ("quadratic", {"patience": 2.5}, "patience: got 2.5; must be a valid integer"),
        ("each_threshold", {"thresholds": 0.1}, "thresholds: got 0.1; must be a valid array"),
    ],
)
def test_arguments_of_the_wrong_type_are_refused(
    name: str, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        plugins.build("strategies", name, arguments)
