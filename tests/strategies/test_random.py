"""Random search: uniform, without repetition."""

import numpy as np
import pytest

from lionheart_opt.mapping import Mapping
from lionheart_opt.space import every_mapping, random_unseen
from lionheart_opt.strategies.random import BATCH, Random
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import StrategyContract, digests, drive, tiny_problem


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
        candidate = next(Random().search(problem, np.random.default_rng(seed)))[0]
        counts[candidate.mapping] += 1
    expected = 960 / 32
    assert sum((count - expected) ** 2 / expected for count in counts.values()) < 69.1


def test_random_search_proposes_many_at_once_in_the_order_in_which_they_are_drawn() -> None:
    """So that several workers are busy, and records made one candidate at a time can be resumed."""
    problem = synthetic_problem(n_units=9)
    rng = np.random.default_rng(3)
    drawn: dict[Mapping, None] = {}
    while len(drawn) < BATCH + 3:
        drawn[random_unseen(problem, rng, drawn)] = None
    proposals = Random().search(problem, np.random.default_rng(3))
    first = [candidate.mapping for candidate in next(proposals)]
    evaluations = [problem.evaluate(problem.pretrained(mapping)) for mapping in first]
    second = [candidate.mapping for candidate in proposals.send(evaluations)]
    assert len(first) == len(second) == BATCH
    assert (first + second)[: len(drawn)] == list(drawn)


def test_random_search_resumes_in_the_middle_of_a_batch() -> None:
    problem = tiny_problem()
    record = Record(problem, InMemory())
    for trials in (3, 10):
        assert Search(record, Random(), 1, Budget(trials=trials)).run() == "budget"
    assert digests(record.evaluations()) == digests(drive(Random(), problem, trials=10, seed=1))
