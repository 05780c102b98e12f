"""Strategies on costs that are no sum over units: pipelines, several cores, units that take turns."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.cost import Cost, CostModel, cost_tables
from lionheart_opt.cost_models.validation.alpine import with_cores
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import TRAININGS, Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.space import every_mapping, random_mapping
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.local_search import LocalSearch
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.pricing import excess, price
from lionheart_opt.strategies.quadratic import Quadratic
from lionheart_opt.strategy import Strategy
from lionheart_opt.synthetic import SyntheticCosts, SyntheticOracle, convolutional_workload
from lionheart_opt.testing import brute_force, drive, tiny_problem
from lionheart_opt.workload import Workload

STRATEGIES = {
    name: plugins.build("strategies", name, {}) for name in plugins.available("strategies")
}


@dataclass(frozen=True)
class WithoutTables:
    """A cost model that has no tables for this system, and says so."""

    model: CostModel

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        return self.model.cost(workload, mapping)

    def tables(self, workload: Workload) -> None:
        return None


@dataclass(frozen=True)
class WakingUp(WithoutTables):
    """Analog units need their tile awake, which takes time once, however many they are."""

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost = self.model.cost(workload, mapping)
        wake_s = 3e-5 * any(cost.tiles.values())
        first = replace(
            cost.layers[0], components={**cost.layers[0].components, "wake": (wake_s, 0.0)}
        )
        return replace(cost, layers=(first, *cost.layers[1:]))


@dataclass(frozen=True)
class TakingTurns(WithoutTables):
    """All analog units of a target share its one crossbar, one after the other."""

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost = self.model.cost(workload, mapping)
        return replace(cost, tiles={name: min(count, 1) for name, count in cost.tiles.items()})


def with_tiles(problem: Problem, tiles: int, model: type[WithoutTables]) -> Problem:
    """The problem with that many crossbars on its tile."""
    targets = tuple(
        target.model_copy(update={"tiles": tiles}) if target.name == "tile" else target
        for target in problem.system.targets
    )
    system = problem.system.model_copy(update={"targets": targets})
    return replace(problem, system=system, cost_model=model(SyntheticCosts(system)))


def several_cores(objectives: tuple[Objective, ...]) -> Problem:
    """A small network on ALPINE's high-power system with two cores, each with a tile."""
    system = with_cores(plugins.load_system("alpine-high-power"), 2)
    workload = convolutional_workload()
    units = tuple(unit.name for unit in workload.units)
    oracle = SyntheticOracle(
        units=units,
        analog=dict.fromkeys(system.analog_targets, 1.0),
        single=dict.fromkeys(TRAININGS, np.full(len(units), 0.01)),
        pair=np.zeros((len(units), len(units))),
    )
    return replace(
        tiny_problem(objectives=objectives),
        workload=workload,
        system=system,
        cost_model=plugins.cost_model(system),
        oracle=oracle,
        answers=None,
    )


def best(evaluations: list[Evaluation], objective: str) -> float:
    return min(
        evaluation.objectives[objective] for evaluation in evaluations if evaluation.feasible
    )


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("objective", ["latency_s", "interval_s"])
def test_every_strategy_runs_where_a_model_has_no_tables(name: str, objective: Objective) -> None:
    problem = several_cores((objective, "drop"))
    assert cost_tables(problem.cost_model, problem.workload) is None
    evaluations = drive(STRATEGIES[name], problem, trials=10)
    assert evaluations
    for evaluation in evaluations:
        assert evaluation.cost == problem.cost_model.cost(problem.workload, evaluation.mapping)


def test_pairs_of_neighbours_make_the_approximation_better() -> None:
    """Two cores hand results over: what that costs depends on where both ends run."""
    problem = several_cores(("latency_s",))
    costs = Additive.of(problem)
    assert len(costs.pairs)
    alone = replace(costs, pairs=costs.pairs[:0], pair=costs.pair[:0])
    rng = np.random.default_rng(0)
    mappings = [random_mapping(problem, rng) for _ in range(50)]
    truth = np.array([price(problem, mapping) for mapping in mappings])
    errors = [
        np.abs(sums.values(sums.encode(mappings))[:, 0] / truth - 1.0).mean()
        for sums in (costs, alone)
    ]
    assert errors[0] < 0.5 * errors[1]


def test_only_tables_are_exact() -> None:
    problem = tiny_problem()
    assert Additive.of(problem).exact
    assert not Additive.of(replace(problem, cost_model=WithoutTables(problem.cost_model))).exact
    assert not Additive.of(replace(problem, objectives=("interval_s",))).exact


@pytest.mark.parametrize("seed", range(4))
def test_local_search_ends_where_no_neighbour_is_really_cheaper_and_holds(seed: int) -> None:
    problem = tiny_problem(seed=seed, targets=("cpu", "tile", "npu"), max_drop=0.2)
    problem = replace(problem, cost_model=WakingUp(problem.cost_model))
    feasible = [evaluation for evaluation in drive(LocalSearch(), problem) if evaluation.feasible]
    end = min(feasible, key=lambda evaluation: price(problem, evaluation.mapping)).mapping
    cheaper = []
    for mapping in every_mapping(problem):
        differs = [unit for unit in mapping if mapping[unit] != end[unit]]
        swapped = [mapping[unit] for unit in differs] == [end[unit] for unit in reversed(differs)]
        is_neighbour = len(differs) == 1 or (len(differs) == 2 and swapped)
        if is_neighbour and price(problem, mapping) < price(problem, end):
            cheaper.append(mapping)
    assert cheaper, "no neighbour is cheaper"
    for mapping in cheaper:
        assert not problem.evaluate(problem.pretrained(mapping)).feasible


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


@pytest.mark.parametrize("tiles", [0, 1, 3, 5])
@pytest.mark.parametrize("model", [WithoutTables, TakingTurns])
def test_capacities_in_bulk_are_the_models(tiles: int, model: type[WithoutTables]) -> None:
    """Exactly full is not too full; also without tables, and where units take turns."""
    problem = with_tiles(tiny_problem(), tiles, model)
    costs = Additive.of(problem)
    every = costs.every()
    keeps = costs.keeps_limits(every, costs.values(every))
    assert keeps.any()
    fits = [not excess(problem, costs.decode(row)) for row in every]
    if model is TakingTurns and tiles == 0:
        assert keeps.tolist() == [not row.any() for row in every]
    else:
        assert keeps.tolist() == fits


def test_crossbars_come_from_tables_where_there_are_any() -> None:
    """DIANA's units take turns on one array; its interval is in no table."""
    system = plugins.load_system("diana")
    problem = replace(
        tiny_problem(objectives=("interval_s",)),
        workload=convolutional_workload(),
        system=system,
        cost_model=plugins.cost_model(system),
    )
    costs = Additive.of(problem)
    assert not excess(problem, problem.all_analog)
    row = costs.encode([problem.all_analog])
    assert costs.keeps_limits(row, costs.values(row)).all()


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
