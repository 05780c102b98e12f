"""Plans of searches, budgets, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.random import Random
from lionheart_opt.study.plan import Budget, SearchPlan


def plan(**changes: Any) -> SearchPlan:
    usual: dict[str, Any] = {"label": "a", "strategy": "random", "arguments": {}, "seed": 3}
    return SearchPlan(budget=Budget(), **{**usual, **changes})


def test_what_a_plan_says() -> None:
    named = plan(strategy="random", arguments={"training": "short"}, seed=np.int64(2))
    assert (named.name, named.strategy_name) == ("a/seed2", "random")
    specification = named.specification
    assert specification == {"name": "random", "arguments": {"training": "short"}, "seed": 2}
    assert type(specification["seed"]) is int
    assert named.build("here") == Random(training="short")
    given = plan(strategy=Random())
    assert given.build("here") is given.strategy
    assert given.strategy_name == "lionheart_opt.strategies.random:Random"
    assert given.specification["seed"] == 3 and "arguments" not in given.specification
    with pytest.raises(InputError, match=r"^here: unknown"):
        plan(strategy="randon").build("here")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": Random}, r"strategy: got the class Random; give an instance: Random\(\)"),
        ({"strategy": 3}, "strategy: got 3; must be a name, or an object with a method `search`"),
        ({"label": None}, "label: got None; must be a text"),
        ({"arguments": [1]}, r"a: arguments: got \[1\]; must be a dictionary"),
        ({"strategy": Random(), "arguments": {"x": 1, "y": 2}}, "a: arguments: x, y given beside"),
        ({"seed": -1}, "a: seed: got -1; must be a whole number from 0 on"),
        ({"seed": 1.5}, "a: seed: got 1.5"),
        ({"seed": "1"}, "a: seed: got '1'"),
    ],
)
def test_plans_that_make_no_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(**changes)


def test_plans_and_budgets_at_the_edge_are_accepted() -> None:
    assert plan(seed=0).name == "a/seed0"
    assert plan(strategy=Random(), arguments={}).strategy == Random()
    assert Budget(trials=0, oracle_s=0).trials == 0
    assert Budget(trials=np.int64(3), oracle_s=np.float32(1.5)).oracle_s == 1.5
    assert Budget() == Budget(trials=None, oracle_s=None)


@pytest.mark.parametrize("trials", [-1, 1.5, "3", [3]])
def test_trials_are_whole_numbers(trials: Any) -> None:
    with pytest.raises(InputError, match="trials: got"):
        Budget(trials=trials)


@pytest.mark.parametrize("oracle_s", [-0.5, "3", [3], float("nan")])
def test_oracle_seconds_are_numbers(oracle_s: Any) -> None:
    with pytest.raises(InputError, match="oracle_s: got"):
        Budget(oracle_s=oracle_s)
