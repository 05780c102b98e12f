"""One-shot search: what it measures with shared weights, and what it trains afterwards."""

from dataclasses import replace

import numpy as np
import pytest
from by_hand import problem_of
from strategy_runs import run_inner

from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.metric import ACCURACY
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.one_shot import OneShot, Start
from lionheart_opt.strategies.optuna import Optuna
from lionheart_opt.strategy import Proposals
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
        evaluation.mapping: ACCURACY.log_loss(
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


# --- by hand -------------------------------------------------------------------------------------

PRICES = {
    "fc0": {"cpu": 10.0, "tile": 4.0},
    "fc1": {"cpu": 10.0, "tile": 8.0},
    "fc2": {"cpu": 10.0, "tile": 5.0},
}
DROPS = {"fc0": {"tile": 0.06}, "fc1": {"tile": 0.01}, "fc2": {"tile": 0.04}}
#: From 18 s and a drop of 0.11 to 31 s and none. `fc0` alone (25 s, 0.06) is worse than fc1 and fc2.
FRONT = ("fc0 fc1 fc2", "fc0 fc2", "fc0 fc1", "fc1 fc2", "fc2", "fc1", "")


def trained_on(problem: Problem, **settings: object) -> list[str]:
    """Analog units of the mappings that are trained alone, in order, repeats included."""
    search = OneShot(**settings).search(problem, np.random.default_rng(0))  # type: ignore[arg-type]
    asked, _ = run_inner(problem, search)
    return [
        " ".join(candidate.mapping.units_on("tile"))
        for candidate in asked
        if candidate.training is None
    ]


@pytest.mark.parametrize(
    ("max_drop", "shared", "trained"),
    [
        (0.05, 1.0, FRONT[3:1:-1]),  # holds; the next cheaper one does not
        (0.11, 1.0, FRONT[:1]),  # the cheapest of all
        (0.1, 1.0, FRONT[1::-1]),
        (0.05, 0.5, FRONT[1:4]),  # training makes it worse: dearer ones until one holds
        (0.005, 0.5, (FRONT[5], FRONT[6])),
        (0.1, 3.0, ("fc1", "fc2", "fc1 fc2", "fc0 fc1", "fc0 fc2", "fc0 fc1 fc2")),
    ],
)
def test_the_search_begins_at_the_cheapest_that_holds_with_shared_weights(
    max_drop: float, shared: float, trained: tuple[str, ...]
) -> None:
    problem = problem_of(PRICES, DROPS, max_drop=max_drop, shared=shared)
    assert trained_on(problem) == list(trained)


def test_where_nothing_holds_the_least_loss_is_trained() -> None:
    """Four mappings take at most 24 s; fc1 and fc2 lose least of them, and too much."""
    problem = problem_of(PRICES, DROPS, max_drop=0.02, cost_limits={"latency_s": 24.0})
    assert trained_on(problem) == ["fc1 fc2"]


def test_without_a_strategy_large_spaces_are_evolved_for_cost_and_drop_without_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Problem] = []

    def search(strategy: Optuna, problem: Problem, rng: np.random.Generator) -> Proposals:
        asked.append(problem)
        assert strategy.sampler == "NSGAIISampler"
        yield [problem.pretrained(problem.all_analog)]

    monkeypatch.setattr(Optuna, "search", search)
    problem = problem_of(PRICES, DROPS, objectives=("energy_j", "latency_s"))
    drive(OneShot(probes=7), problem)
    [inner] = asked
    assert inner.objectives == ("energy_j", "drop") and inner.training == "one_shot"
    assert inner.accuracy_limit == replace(problem.accuracy_limit, max_drop=1.0)


@pytest.mark.parametrize(
    ("points", "numbers"),
    [
        (0, ()),
        (1, (0,)),
        (2, (0, 6)),
        (3, (0, 3, 6)),
        (4, (0, 2, 4, 6)),
        (7, range(7)),
        (99, range(7)),
    ],
)
def test_points_are_spread_evenly_over_the_front(points: int, numbers: tuple[int, ...]) -> None:
    problem = problem_of(PRICES, DROPS, max_drop=0.5, objectives=("latency_s", "drop"))
    assert trained_on(problem, points=points) == [FRONT[number] for number in numbers]


@pytest.mark.parametrize(("probes", "is_enumerated"), [(8, True), (7, False)])
def test_spaces_of_at_most_so_many_mappings_are_enumerated(
    probes: int, is_enumerated: bool
) -> None:
    problem = problem_of(PRICES, DROPS)
    search = OneShot(probes=probes).search(problem, np.random.default_rng(0))
    batch = next(search)
    search.close()
    assert (len(batch) == 8 and len({each.mapping for each in batch}) == 8) == is_enumerated
    assert {each.training for each in batch} == {"one_shot"}


def test_mappings_in_a_row_differ_in_their_last_units() -> None:
    """64 mappings are two blocks of 32, in the order of `every_mapping` within each."""
    problem = synthetic_problem(n_units=6)
    every = list(every_mapping(problem))
    orders = set()
    for seed in range(6):
        batch = next(OneShot().search(problem, np.random.default_rng(seed)))
        mappings = [candidate.mapping for candidate in batch]
        assert mappings in ([*every[:32], *every[32:]], [*every[32:], *every[:32]])
        orders.add(mappings[0])
    assert orders == {every[0], every[32]}


def test_settings_at_the_edge_are_accepted() -> None:
    assert OneShot(probes=1, points=0, arguments={}).points == 0
    assert OneShot(strategy="random", arguments={"training": "short"}).probes == 1024
