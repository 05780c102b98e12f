"""Local search ends where no neighbour is cheaper and holds."""

from dataclasses import replace

import pytest
from made_up_costs import WakingUp
from strategy_runs import after_profile

from lionheart_opt.mapping import Mapping
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.local_search import LocalSearch
from lionheart_opt.strategies.parts.pricing import price
from lionheart_opt.testing import drive, tiny_problem


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
