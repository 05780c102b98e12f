"""Each threshold: the searches of several thresholds, side by side, each candidate paid once."""

from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
import pytest
from strategy_runs import fronted

from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.strategies.each_threshold import EachThreshold
from lionheart_opt.strategies.mac_greedy import MacGreedy
from lionheart_opt.strategy import Proposals
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import digests, drive


def at(problem: Problem, threshold: float) -> Problem:
    """The question of one threshold."""
    limit = replace(problem.accuracy_limit, max_drop=threshold)
    return replace(problem, objectives=("latency_s",), accuracy_limit=limit)


def in_turns(runs: list[list[str]]) -> list[str]:
    """The first of every run, the second of every run, and so on; each once."""
    turns = zip_longest(*runs)
    return list(dict.fromkeys(each for turn in turns for each in turn if each is not None))


def test_each_threshold_is_all_runs_at_once_paid_once() -> None:
    problem = fronted()
    proposed = digests(drive(EachThreshold(thresholds=[0.01, 0.05, 0.1, 0.5]), problem))
    alone = [
        digests(drive(MacGreedy(), at(problem, threshold))) for threshold in (0.3, 0.1, 0.05, 0.01)
    ]
    assert len(set(map(tuple, alone))) > 1, "the thresholds make no difference"
    every = [digest for run in alone for digest in run]
    assert proposed == in_turns(alone)
    assert len(proposed) < len(every)


def test_a_batch_holds_the_next_candidate_of_every_threshold() -> None:
    problem, strategy = fronted(), EachThreshold(thresholds=[0.01, 0.05, 0.1, 0.5])
    proposals = strategy.search(problem, np.random.default_rng(0))
    sizes, batch = [], next(proposals)
    try:
        while True:
            sizes.append(len(batch))
            batch = proposals.send([problem.evaluate(candidate) for candidate in batch])
    except StopIteration:
        pass
    alone = [len(drive(MacGreedy(), at(problem, limit))) for limit in (0.3, 0.1, 0.05, 0.01)]
    assert sizes[0] == 4 and sum(sizes) >= sum(alone)
    assert len(sizes) < sum(alone) / 2, "as many steps as the longest run has"


def test_each_threshold_of_a_single_objective_is_its_threshold_and_those_below() -> None:
    problem = at(fronted(), 0.05)
    proposed = digests(drive(EachThreshold(thresholds=[0.01, 0.1]), problem))
    alone = [digests(drive(MacGreedy(), at(problem, threshold))) for threshold in (0.05, 0.01)]
    assert proposed == in_turns(alone)


@dataclass(frozen=True)
class Draws:
    """One random mapping a threshold, after so many that nobody hears of at the first."""

    before: int = 0

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        if problem.accuracy_limit.max_drop == 0.3:
            rng.random(self.before)
        yield [problem.pretrained(random_mapping(problem, rng))]


def test_each_threshold_has_randomness_of_its_own() -> None:
    """What one threshold draws does not change what the next one does."""
    problem = synthetic_problem(n_units=16, objectives=("latency_s", "drop"), max_drop=0.3)
    draws, thresholds = f"{__name__}:Draws", [0.2, 0.1, 0.05, 0.01]
    first, other = (drive(EachThreshold(draws, {"before": k}, thresholds), problem) for k in (0, 1))
    assert [evaluation.mapping for evaluation in first[1:]] == [
        evaluation.mapping for evaluation in other[1:]
    ]
    assert first[0].mapping != other[0].mapping
    assert len(first) == 5


@dataclass(frozen=True)
class Notes:
    """Notes the question of each run."""

    asked: list[tuple[float, tuple[str, ...]]]

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        self.asked.append((problem.accuracy_limit.max_drop, problem.objectives))
        yield [problem.pretrained(problem.all_analog)]


def test_each_threshold_asks_without_the_drop_largest_threshold_first() -> None:
    """The problem's own threshold is one of them, those above it are left out."""
    for thresholds in ([0.05, 0.5, 0.2], [0.2, 0.3, 0.05, 0.2]):
        asked: list[tuple[float, tuple[str, ...]]] = []
        drive(EachThreshold(f"{__name__}:Notes", {"asked": asked}, thresholds), fronted(0.3))
        assert asked == [(threshold, ("latency_s",)) for threshold in (0.3, 0.2, 0.05)]


@pytest.mark.parametrize("thresholds", [[0.1, 0.0], [0.0, 0.1], [1.1], [0.5, 1.001], [-0.1]])
def test_thresholds_are_all_above_0_and_at_most_1(thresholds: list[float]) -> None:
    with pytest.raises(InputError, match=r"must be in \(0, 1\]"):
        EachThreshold(thresholds=thresholds)
    assert EachThreshold(thresholds=[1.0, 1e-6]).thresholds == [1.0, 1e-6]


def test_each_threshold_hands_arguments_on() -> None:
    strategy = EachThreshold("greedy", {"order": "sensitivity"}, [0.05])
    assert drive(strategy, fronted())[0].candidate.training == "none"
    with pytest.raises(InputError, match=r"each_threshold: strategy: unknown strategy 'mac_gredy'"):
        drive(EachThreshold("mac_gredy"), fronted())
    with pytest.raises(InputError, match="unknown argument 'ordr'"):
        drive(EachThreshold("greedy", {"ordr": "macs"}), fronted())
    with pytest.raises(InputError, match=r"thresholds: got \[0\]; must be in \(0, 1\]"):
        EachThreshold(thresholds=[0])
