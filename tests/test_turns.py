"""Costs where crossbars take turns, as two sums."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_runs import made_up_problem

import lionheart_opt as lo
from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import COST_OBJECTIVES, CostObjective
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.hardware.reprogramming import Reprogramming
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.local_search import LocalSearch
from lionheart_opt.strategies.odimo import question
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.quadratic import Quadratic
from lionheart_opt.strategy import Strategy
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.turns import regimes


def problem_with(
    name: str,
    tiles: int,
    share: float,
    objective: CostObjective,
    model: str = "",
    batch: int = 1,
) -> Problem:
    """Programming a crossbar takes this share of all-digital's cost."""
    workload = (lo.trace(model) if model else convolutional_workload()).with_batch(batch)
    system = load_system(name)
    plain = made_up_problem(workload=workload, system=system, cost_model=cost_model(system))
    rule = Reprogramming(
        source="made up",
        crossbar_s=share * plain.digital_cost.latency_s,
        crossbar_j=share * plain.digital_cost.energy_j,
    )
    targets = tuple(
        each.model_copy(update={"tiles": tiles, "reprogramming": rule})
        if each.numerics == "analog"
        else each
        for each in system.targets
    )
    system = system.model_copy(update={"targets": targets})
    return replace(plain, system=system, cost_model=cost_model(system), objectives=(objective,))


def proposed(strategy: Strategy, problem: Problem) -> list[Mapping]:
    """What it proposes where every mapping keeps the limit."""
    proposals = strategy.search(problem, np.random.default_rng(0))
    mappings = []
    try:
        batch = next(proposals)
        while True:
            mappings += [candidate.mapping for candidate in batch]
            batch = proposals.send([accepted(problem, candidate) for candidate in batch])
    except StopIteration:
        return mappings


def found_by_knapsack(problem: Problem) -> list[Mapping]:
    return proposed(Knapsack(min_gain=1e-4), problem)


def accepted(problem: Problem, candidate: lo.Candidate) -> Evaluation:
    limit = problem.accuracy_limit
    samples = np.full((limit.draws[-1], 1), 0.9)
    accuracy = Accuracy(samples=samples, times_s=limit.times_s[:1], baseline=0.9)
    return problem.evaluation(candidate, accuracy)


@pytest.mark.parametrize("name", ["lionheart", "imc-cluster"])
@pytest.mark.parametrize("tiles", [1, 2])
@pytest.mark.parametrize("share", [1e-4, 0.01, 0.1])
@pytest.mark.parametrize("objective", ["latency_s", "energy_j"])
def test_knapsack_finds_the_cheapest_mapping(name, tiles, share, objective):
    problem = problem_with(name, tiles, share, objective)
    costs = [problem.totals(each) for each in every_mapping(problem)]
    least = min(cost.value(objective) for cost in costs if cost.fits)
    ours = [problem.totals(each) for each in (*found_by_knapsack(problem), problem.all_digital)]
    assert min(cost.value(objective) for cost in ours if cost.fits) <= least * (1 + 1e-3)


@pytest.mark.parametrize("share", [0.01, 0.3])
@pytest.mark.parametrize("objective", COST_OBJECTIVES)
@pytest.mark.parametrize("limited", [None, *COST_OBJECTIVES])
def test_knapsack_finds_the_cheapest_mapping_of_a_batch(share, objective, limited):
    """A crossbar is programmed once for the batch; energies and intervals are those of one inference."""
    problem = problem_with("lionheart", 1, share, objective, batch=8)
    everything = [problem.totals(each) for each in every_mapping(problem)]
    if limited is not None:
        values = sorted(cost.value(limited) for cost in everything)
        problem = replace(problem, cost_limits={limited: values[len(values) // 3]})
    costs = [
        cost
        for cost in everything
        if not any(v > 0 for v in problem.cost_violations(cost).values())
    ]
    ours = [problem.totals(each) for each in found_by_knapsack(problem)]
    kept = [cost for cost in ours if not any(v > 0 for v in problem.cost_violations(cost).values())]
    assert kept, "there are some"
    least = min(cost.value(objective) for cost in costs)
    assert min(cost.value(objective) for cost in kept) <= least * (1 + 1e-3)


def test_matrices_that_fit_nowhere_do_not_keep_it_from_that():
    """Some layers of ResNet-8 need more than two tiles; waiting takes energy, too."""
    problem = problem_with("lionheart", 2, 0.01, "energy_j", "resnet8")
    costs = [problem.totals(each) for each in every_mapping(problem)]
    least = min(cost.energy_j for cost in costs if cost.fits)
    mappings = found_by_knapsack(problem)
    ours = [cost for each in mappings if (cost := problem.totals(each)).fits]
    assert min(cost.energy_j for cost in ours) <= least * (1 + 1e-3)
    assert len(mappings) < 2 * len(problem.units)


def test_no_mapping_is_cheaper_than_a_regime_allows():
    problem = problem_with("lionheart", 1, 0.01, "latency_s")
    fixed, paid = regimes(problem)
    for mapping in every_mapping(problem):
        cost, sums = problem.totals(mapping), paid.problem.totals(mapping)
        if not cost.fits:
            continue
        if problem.cost(mapping).rewriting:
            for name in COST_OBJECTIVES:
                least = sums.value(name) - paid.spared[name]
                assert cost.value(name) >= least * (1 - 1e-9)
        else:
            assert fixed.problem.totals(mapping).latency_s == pytest.approx(cost.latency_s)


def test_nothing_where_the_costs_are_a_sum():
    assert regimes(made_up_problem()) == []
    assert regimes(problem_with("imc-cluster", 2, 0.01, "latency_s")) == [], "all fits at once"


def test_one_for_each_way_to_cut_a_batch():
    workload, system = convolutional_workload([8, 64, 64]).with_batch(75), load_system("diana")
    problem = made_up_problem(workload=workload, system=system, cost_model=cost_model(system))
    cuts = regimes(problem)
    assert len(cuts) == 6, "75 has 6 divisors"
    for mapping in every_mapping(problem):
        ways = [each.problem.totals(mapping).latency_s for each in cuts]
        assert min(ways) * (1 - 1e-9) <= problem.totals(mapping).latency_s <= max(ways)


def test_batches_that_can_be_cut_and_crossbars_that_take_turns():
    problem = problem_with("lionheart", 1, 0.0001, "latency_s", batch=135)
    sums = regimes(problem)
    for mapping in every_mapping(problem):
        cost = problem.totals(mapping)
        if not cost.fits:
            continue
        for name in COST_OBJECTIVES:
            least = min(
                each.problem.totals(mapping).value(name) - each.spared[name] for each in sums
            )
            assert cost.value(name) >= least * (1 - 1e-9)


@pytest.mark.parametrize(
    ("objective", "batch"), [("latency_s", 1), ("energy_j", 1), ("latency_s", 4)]
)
def test_strategies_find_what_is_cheapest_where_tiles_take_turns(objective, batch):
    """ResNet-8 has 13 tiles; programming one takes a hundredth of all-digital's cost."""
    problem = problem_with("lionheart", 6, 0.01, objective, "resnet8", batch)
    costs = [cost for each in every_mapping(problem) if (cost := problem.totals(each)).fits]
    least = min(cost.value(objective) for cost in costs)
    for strategy in (Knapsack(), Quadratic(), LocalSearch()):
        ours = [problem.totals(each) for each in proposed(strategy, problem)]
        assert min(cost.value(objective) for cost in ours if cost.fits) <= least * 1.005


@pytest.mark.slow
def test_knapsack_knows_what_does_not_fit_together():
    """Packing needs more crossbars than the sum of shares: a hundred mappings only seemed to fit."""
    problem = problem_with("imc-cluster", 3, 0.01, "latency_s", "resnet20")
    ours = [problem.totals(each) for each in proposed(Knapsack(), problem)]
    other = [problem.totals(each) for each in proposed(LocalSearch(), problem)]
    least = min(cost.latency_s for cost in other if cost.fits)
    assert min(cost.latency_s for cost in ours if cost.fits) <= least * 1.005


def test_odimo_pays_for_programming():
    """Units and pairs together cost what all-analog does."""
    problem = problem_with("lionheart", 6, 0.01, "latency_s", "resnet8")
    asked = question(problem, 1.0)
    costs = Additive.of(problem)
    analog, digital = problem.cost(problem.all_analog), problem.digital_cost
    assert analog.rewriting, "tiles take turns"
    sums = sum(theirs for _, theirs in asked.prices.values()) + costs.fixed[0] / digital.latency_s
    sums += sum(pair[-1] for pair in asked.pairs)
    assert sums == pytest.approx(analog.latency_s / digital.latency_s, rel=0.02)
