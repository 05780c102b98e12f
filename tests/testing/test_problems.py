"""The problems of the contract tests, and what drives strategies on them."""

from dataclasses import dataclass

import numpy as np
import pytest

from lionheart_opt.evaluation import oracle_seconds
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.random import Random
from lionheart_opt.strategy import Proposals
from lionheart_opt.testing import brute_force, digests, drive, tiny_problem
from lionheart_opt.testing.problems import sample


def test_the_driver_pays_for_a_candidate_once() -> None:
    problem = tiny_problem()
    record = drive(Random(), problem)
    assert len(record) == 32
    assert drive(Random(), problem, record=record) == []
    assert len(digests(drive(Random(), problem, record=record[:30]))) == 2


def test_the_driver_stops_at_the_budget_of_trials() -> None:
    problem = tiny_problem()
    first = drive(Random(), problem, trials=3)
    assert len(first) == 3
    assert len(drive(Random(), problem, trials=2, record=first)) == 2
    assert drive(Random(), problem, trials=0) == []


def test_the_driver_stops_at_the_budget_of_seconds() -> None:
    """The evaluation that reaches the budget is the last; what a record holds is not charged again."""
    problem = tiny_problem()
    first = drive(Random(), problem, oracle_s=1000.0)
    assert oracle_seconds(first[:-1]) < 1000.0 <= oracle_seconds(first)
    further = drive(Random(), problem, oracle_s=1000.0, record=first)
    assert oracle_seconds(further[:-1]) < 1000.0 <= oracle_seconds(further)


@dataclass(frozen=True)
class Repeats:
    """Proposes all-digital again and again."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        while True:
            yield [problem.pretrained(problem.all_digital)]


def test_the_driver_refuses_a_strategy_that_goes_on_with_what_is_known() -> None:
    with pytest.raises(AssertionError, match=r"Repeats\(\) proposes only what is known"):
        drive(Repeats(), tiny_problem())


def test_brute_force_evaluates_every_mapping_once() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    evaluations = brute_force(problem)
    assert [evaluation.mapping for evaluation in evaluations] == list(every_mapping(problem))
    assert all(evaluation.candidate.parent is None for evaluation in evaluations)


def test_a_tiny_problem_is_made_once() -> None:
    assert tiny_problem(seed=4) is tiny_problem(seed=4)
    assert [unit.name for unit in tiny_problem().units] == ["fc0", "fc1", "fc2", "fc3", "fc4"]
    assert dict(tiny_problem(latency_limit_s=2.0).cost_limits) == {"latency_s": 2.0}


def test_a_sample_starts_with_both_ends() -> None:
    problem = tiny_problem()
    mappings = sample(problem)
    assert mappings[:2] == [problem.all_digital, problem.all_analog]
    assert len(mappings) == 12 and mappings == sample(problem)
    for mapping in mappings:
        problem.check(mapping)
