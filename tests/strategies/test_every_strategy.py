"""Every registered strategy keeps the contract; what several of them promise alike."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from made_up_costs import TakingTurns, WithoutTables, several_cores, with_tiles
from strategy_runs import after_profile, best

from lionheart_opt import plugins
from lionheart_opt.cost import Cost, cost_tables
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Objective
from lionheart_opt.strategies.greedy import Greedy
from lionheart_opt.strategies.harmonica import Harmonica
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.local_search import LocalSearch
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategies.parts.pricing import excess
from lionheart_opt.strategies.quadratic import Quadratic
from lionheart_opt.strategy import Strategy
from lionheart_opt.testing import StrategyContract, brute_force, drive, tiny_problem
from lionheart_opt.workload import Workload

REGISTERED = {
    name: plugins.build("strategies", name, {}) for name in plugins.available("strategies")
}


class TestRegistered(StrategyContract):
    @pytest.fixture(params=REGISTERED)
    def strategy(self, request: pytest.FixtureRequest) -> Strategy:
        return REGISTERED[request.param]


PROPOSALS = """
from lionheart_opt import plugins
from lionheart_opt.testing import digests, drive, tiny_problem
problem = tiny_problem(targets=("cpu", "tile", "npu"), objectives=("latency_s", "drop"), max_drop=0.3)
for name in plugins.available("strategies"):
    print(name, *digests(drive(plugins.build("strategies", name, {}), problem, trials=15)))
"""


def test_proposals_do_not_depend_on_the_hash_seed() -> None:
    """Sets of strings iterate in another order in another process; a resumed run must not notice."""
    runs = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PROPOSALS],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate()[0] for run in runs)
    assert len(first.splitlines()) == len(REGISTERED)
    assert first == second


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


@pytest.mark.parametrize("name", REGISTERED)
@pytest.mark.parametrize("objective", ["latency_s", "interval_s"])
def test_every_strategy_runs_where_a_model_has_no_tables(name: str, objective: Objective) -> None:
    problem = several_cores((objective, "drop"))
    assert cost_tables(problem.cost_model, problem.workload) is None
    evaluations = drive(REGISTERED[name], problem, trials=10)
    assert evaluations
    for evaluation in evaluations:
        priced = problem.cost_model.cost(problem.workload, evaluation.mapping)
        assert evaluation.cost == priced.totals


@pytest.mark.parametrize("strategy", [Knapsack(), Quadratic()], ids=["knapsack", "quadratic"])
@pytest.mark.parametrize("seed", range(3))
def test_crossbars_that_units_share_are_not_counted_twice(strategy: Strategy, seed: int) -> None:
    """One crossbar runs all units in turn, although each of them alone occupies it."""
    problem = with_tiles(tiny_problem(seed=seed, max_drop=0.1), 1, TakingTurns)
    assert not excess(problem, problem.all_analog)
    alone = min(
        evaluation.cost.latency_s
        for evaluation in brute_force(problem)
        if evaluation.feasible and len(evaluation.mapping.units_on("tile")) < 2
    )
    assert best(drive(strategy, problem), "latency_s") < alone


@dataclass(frozen=True)
class Counting(WithoutTables):
    """Counts how often each mapping is priced."""

    counts: Counter[Mapping] = field(default_factory=Counter)

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        self.counts[mapping] += 1
        return self.model.cost(workload, mapping)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("each_threshold", {"strategy": "knapsack"}),
        ("one_shot", {"strategy": "each_threshold", "arguments": {"strategy": "greedy"}}),
        ("quadratic", {}),
    ],
)
def test_no_mapping_is_priced_twice(name: str, arguments: dict[str, object]) -> None:
    """Also where a strategy runs others on problems of their own."""
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    model = Counting(problem.cost_model)
    strategy = plugins.build("strategies", name, arguments)
    drive(strategy, replace(problem, cost_model=model), trials=60)
    assert set(model.counts.values()) == {1}


@pytest.mark.parametrize("strategy", [Greedy(start="all-analog"), Harmonica()])
def test_backward_searches_walk_the_whole_front_where_the_drop_is_an_objective(strategy) -> None:
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    path = after_profile(problem, drive(strategy, problem))
    assert [len(evaluation.mapping.units_on("cpu")) for evaluation in path] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("strategy", [MacGreedy(), Greedy(), LocalSearch()])
def test_constructive_searches_get_below_a_latency_limit(strategy) -> None:
    """All-digital breaks it and so do the first steps: they are taken although the oracle is silent."""
    free = tiny_problem(max_drop=0.2)
    latency_s = 0.5 * free.digital_cost.latency_s
    problem = replace(free, cost_limits={"latency_s": latency_s})
    evaluations = drive(strategy, problem)
    assert any(evaluation.feasible for evaluation in evaluations)
