"""Records of short searches in an Optuna storage."""

from __future__ import annotations

from typing import Any

from lionheart_opt.problem import Problem
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.optuna_keeper import OptunaKeeper
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import Record
from lionheart_opt.study.search import Search
from lionheart_opt.testing import tiny_problem

#: What the records say of their question.
SAID = {"oracle": {"a": 1}, "seed": 0}


def searched(
    storage: Any, name: str = "s", trials: int = 5, problem: Problem | None = None
) -> OptunaKeeper:
    """A record of a random search."""
    problem = problem or tiny_problem(objectives=("latency_s", "drop"))
    keeper = OptunaKeeper.open(problem, name, storage, SAID)
    Search(Record(problem, keeper), Random(), seed=1, budget=Budget(trials=trials)).run()
    return keeper
