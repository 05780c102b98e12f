"""Intervals that are no sums are refused where they would be searched as sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from lionheart_opt.cost import Cost, CostModel
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.local_search import LocalSearch
from lionheart_opt.strategies.odimo import Odimo
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.intervals import refuse_maximum
from lionheart_opt.strategies.quadratic import Quadratic
from lionheart_opt.testing import drive, tiny_problem
from lionheart_opt.workload import Workload


@dataclass(frozen=True)
class Pipelined:
    """Tables of latency and energy, and an interval that follows from the times of layers."""

    model: CostModel
    interval: Callable[[list[float]], float]

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost = self.model.cost(workload, mapping)
        return replace(cost, interval_s=self.interval([layer.latency_s for layer in cost.layers]))

    def tables(self, workload: Workload) -> CostTables:
        return self.model.tables(workload)  # type: ignore[attr-defined, no-any-return]


def pipelined(interval: Callable[[list[float]], float]) -> Problem:
    problem = tiny_problem(objectives=("interval_s",))
    return replace(problem, cost_model=Pipelined(problem.cost_model, interval))


def test_a_maximum_is_refused_and_a_sum_is_not() -> None:
    with pytest.raises(InputError, match=r"interval_s: is no sum over units, .* local_search"):
        refuse_maximum(Additive.of(pipelined(max)))
    refuse_maximum(Additive.of(pipelined(lambda times_s: 0.5 * sum(times_s))))
    refuse_maximum(Additive.of(tiny_problem(objectives=("interval_s",))))
    refuse_maximum(Additive.of(replace(pipelined(max), objectives=("latency_s",))))


@pytest.mark.parametrize(
    "strategy", [Knapsack(), Quadratic(), Odimo()], ids=["knapsack", "quadratic", "odimo"]
)
def test_solvers_of_sums_refuse_before_anything_is_measured(
    strategy: Knapsack | Quadratic | Odimo,
) -> None:
    with pytest.raises(InputError, match="is no sum over units"):
        drive(strategy, pipelined(max))


def test_local_search_finds_a_shorter_interval() -> None:
    problem = pipelined(max)
    evaluations = drive(LocalSearch(), problem)
    assert any(each.cost.time_per_inference_s for each in evaluations)
