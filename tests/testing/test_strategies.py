"""The contract of strategies notices those that break it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.strategy import Proposals
from lionheart_opt.testing import StrategyContract, tiny_problem


@dataclass(frozen=True)
class GlobalGenerator:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        for _ in range(10):
            own = np.random.default_rng(np.random.randint(2**31))  # noqa: NPY002
            yield [problem.pretrained(random_mapping(problem, own))]


@dataclass(frozen=True)
class Incomplete:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        yield [Candidate(Mapping.of({"fc0": "tile"}))]


@dataclass(frozen=True)
class OddParent:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        parent = Candidate(Mapping.of({"fc0": "nowhere"}))
        yield [Candidate(problem.all_digital, parent=parent)]


@dataclass(frozen=True)
class Endless:
    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        while True:
            yield [problem.pretrained(problem.all_digital)]


@dataclass(frozen=True)
class Deaf:
    """Cannot be stopped."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        for mapping in (problem.all_digital, problem.all_analog):
            try:
                yield [problem.pretrained(mapping)]
            except GeneratorExit:
                continue


@dataclass(frozen=True)
class Identity:
    """Goes by which object it gets, which a record does not give back."""

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        asked = problem.pretrained(problem.all_digital)
        [result] = yield [asked]
        yield [problem.pretrained(problem.all_analog)]
        if result.candidate is not asked:
            yield [problem.pretrained(problem.mapping({"fc0": "tile"}))]
        else:
            yield [problem.pretrained(problem.mapping({"fc1": "tile"}))]


@dataclass
class Changeable:
    size: int = 1


contract = StrategyContract()


Check = Callable[..., None]


@pytest.mark.parametrize(
    ("strategy", "check"),
    [
        (GlobalGenerator(), contract.test_depends_on_its_generator_only),
        (Incomplete(), contract.test_proposes_complete_mappings),
        (OddParent(), contract.test_proposes_complete_mappings),
        (Deaf(), contract.test_can_be_stopped),
        (Identity(), contract.test_replay_goes_on_where_it_stopped),
    ],
    ids=lambda argument: "" if callable(argument) else type(argument).__name__,
)
def test_bad_strategies_are_caught(strategy: object, check: Check) -> None:
    with pytest.raises((AssertionError, InputError, RuntimeError)):
        check(strategy, tiny_problem())


def test_endless_and_inexact_and_changeable_strategies_are_caught() -> None:
    with pytest.raises(AssertionError, match="proposes only what is known"):
        contract.test_never_beats_brute_force(Endless())
    exact = StrategyContract()
    exact.exact = True  # type: ignore[misc]
    with pytest.raises(AssertionError):
        exact.test_never_beats_brute_force(Identity())
    with pytest.raises(pytest.fail.Exception):
        contract.test_is_a_frozen_dataclass(Changeable())
