"""The contract of strategies."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.results.metrics import saves
from lionheart_opt.results.result import SearchResult
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.plan import Budget, SearchPlan
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing.problems import brute_force, digests, drive, tiny_problem

#: Problems that every strategy must cope with.
PROBLEMS: dict[str, dict[str, Any]] = {
    "one objective": {},
    "two objectives": {"objectives": ("latency_s", "drop"), "max_drop": 0.3},
    "three objectives": {"objectives": ("drop", "energy_j", "latency_s"), "max_drop": 0.3},
    "four targets": {"targets": ("cpu", "tile", "sram", "npu")},
    "nothing analog": {"targets": ("cpu", "npu")},
    "only all-digital holds": {"max_drop": 0.0},
    "analog is worse than nothing": {"targets": ("cpu", "slow"), "max_drop": 1.0},
    "nothing holds": {"latency_limit_s": 1e-12},
}


class StrategyContract:
    """What every strategy promises. Fixture to give: `strategy`.

    Attributes:
        exact: whether it claims to find the best feasible mapping of a problem with one objective when
            its budget is not limited.
        trials: evaluations in each test that limits them.
    """

    exact: ClassVar[bool] = False
    trials: ClassVar[int] = 12

    @pytest.fixture
    def strategy(self) -> Strategy:
        """The strategy under test."""
        raise NotImplementedError("give a fixture `strategy`")

    @pytest.fixture(params=PROBLEMS)
    def problem(self, request: pytest.FixtureRequest) -> Problem:
        """Each of `PROBLEMS`."""
        return tiny_problem(**PROBLEMS[request.param])

    def test_is_a_frozen_dataclass(self, strategy: Strategy) -> None:
        """Its fields are its settings, so it can be compared, copied and written down."""
        assert is_dataclass(strategy)
        assert replace(strategy) == strategy
        for field in fields(strategy):
            with pytest.raises(FrozenInstanceError):
                setattr(strategy, field.name, None)

    def test_proposes_complete_mappings(self, strategy: Strategy, problem: Problem) -> None:
        """Every unit is on a target that can run it, in the mapping and in all of its lineage."""
        for evaluation in drive(strategy, problem, trials=self.trials):
            candidate: Candidate | None = evaluation.candidate
            while candidate is not None:
                problem.check(candidate.mapping)
                candidate = candidate.parent

    def test_depends_on_its_generator_only(self, strategy: Strategy, problem: Problem) -> None:
        """The same seed proposes the same, whatever the global generators do."""
        runs = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            runs.append(digests(drive(strategy, problem, trials=self.trials)))
        assert runs[0] == runs[1]

    def test_replay_goes_on_where_it_stopped(self, strategy: Strategy, problem: Problem) -> None:
        """An interrupted run that is replayed from its record equals an uninterrupted one."""
        whole = drive(strategy, problem, trials=self.trials)
        for paid in (1, len(whole) // 2):
            first = drive(strategy, problem, trials=paid)
            record = [_reread(problem, evaluation) for evaluation in first]
            rest = drive(strategy, problem, trials=len(whole) - paid, record=record)
            assert digests([*first, *rest]) == digests(whole)

    def test_can_be_stopped(self, strategy: Strategy, problem: Problem) -> None:
        """Closing its generator at any batch raises nothing."""
        for stop in (1, 2, 3):
            search = strategy.search(problem, np.random.default_rng(0))
            try:
                batch = next(search)
                for _ in range(stop - 1):
                    batch = search.send([problem.evaluate(candidate) for candidate in batch])
            except StopIteration:
                continue
            search.close()

    def test_never_recommends_what_is_worse_than_nothing(
        self, strategy: Strategy, problem: Problem
    ) -> None:
        """Whatever it proposes, its search never ends with a mapping that costs more than all-digital."""
        record = Record(problem)
        Search(record, strategy, budget=Budget(trials=self.trials)).run()
        plan = SearchPlan(
            label="search",
            strategy=strategy,
            arguments={},
            seed=0,
            budget=Budget(trials=self.trials),
        )
        result = SearchResult.read(record, plan)
        if problem.breaks_cost_limits(problem.all_digital):
            return
        assert result.best is not None
        assert result.best.mapping == problem.all_digital or saves(problem, result.best.cost)
        if problem.system.analog_targets == ("slow",):
            assert result.outcome == "nothing beats all-digital"

    def test_never_beats_brute_force(self, strategy: Strategy) -> None:
        """Without a limit it ends, no better than the best there is; an exact one finds that."""
        problem = tiny_problem()
        optimum = _best(brute_force(problem))
        evaluations = drive(strategy, problem)
        assert evaluations
        best = _best(evaluations)
        assert best >= optimum
        if self.exact:
            assert best == optimum


def _best(evaluations: Sequence[Evaluation]) -> tuple[float, ...]:
    """Objectives of the best feasible evaluation; infinite where there is none."""
    feasible = [
        tuple(evaluation.objectives.values()) for evaluation in evaluations if evaluation.feasible
    ]
    return min(feasible, default=(float("inf"),))


def _reread(problem: Problem, evaluation: Evaluation) -> Evaluation:
    """The evaluation as a record gives it back."""
    candidate = Candidate.from_json(json.loads(json.dumps(evaluation.candidate.to_json())))
    accuracy = evaluation.accuracy
    if accuracy is not None:
        samples = np.array(json.loads(json.dumps(accuracy.samples.tolist())))
        accuracy = replace(accuracy, samples=samples)
    return problem.evaluation(candidate, accuracy)
