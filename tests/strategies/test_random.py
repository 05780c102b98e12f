"""Random search: uniform, without repetition."""

import numpy as np
import pytest

from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.random import Random
from lionheart_opt.strategy import Strategy
from lionheart_opt.testing import StrategyContract, drive, tiny_problem


class TestUnlimitedRandomSearch(StrategyContract):
    """Draws without repetition until it has seen everything."""

    exact = True

    @pytest.fixture
    def strategy(self) -> Strategy:
        return Random()


def test_random_search_covers_the_space_without_repetition() -> None:
    problem = tiny_problem(targets=("cpu", "tile", "npu"))
    mappings = [evaluation.mapping for evaluation in drive(Random(), problem)]
    assert len(mappings) == len(set(mappings)) == 3**5
    assert set(mappings) == set(every_mapping(problem))


def test_random_search_may_say_how_to_train() -> None:
    problem = tiny_problem()
    asked = {
        training: drive(Random(training), problem, trials=3)
        for training in (None, problem.training, "one_shot")
    }
    said = {
        training: {evaluation.candidate.training for evaluation in evaluations}
        for training, evaluations in asked.items()
    }
    assert said == {None: {None}, problem.training: {None}, "one_shot": {"one_shot"}}


def test_random_search_is_uniform() -> None:
    """First draws of many seeds: each of the 32 mappings about equally often (chi-squared, p = 1e-4)."""
    problem = tiny_problem()
    counts = dict.fromkeys(every_mapping(problem), 0)
    for seed in range(960):
        [candidate] = next(Random().search(problem, np.random.default_rng(seed)))
        counts[candidate.mapping] += 1
    expected = 960 / 32
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 69.1
