"""Which of several answers is best, which no other dominates, and what they took together."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import Cost
from lionheart_opt.evaluation import Evaluation, front, incumbent, non_dominated, oracle_seconds
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.testing import brute_force, tiny_problem


def evaluation(*objectives: float, drop: float = -0.01, oracle_s: float = 1.0) -> Evaluation:
    return Evaluation(
        candidate=Candidate(Mapping.of({"a": "tile"})),
        cost=Cost(layers=()),
        accuracy=None,
        objectives=dict(zip(("latency_s", "energy_j"), objectives, strict=False)),
        violations={"latency_s": -0.5, "drop": drop},
        oracle_s=oracle_s,
    )


def with_training(shared_s: float, oracle_s: float) -> Evaluation:
    accuracy = Accuracy(samples=np.ones((1, 1)), times_s=(1.0,), baseline=1.0, shared_s=shared_s)
    return Evaluation(**{**vars(evaluation(1.0, oracle_s=oracle_s)), "accuracy": accuracy})


class TestFeasible:
    @pytest.mark.parametrize(("drop", "is_feasible"), [(-1e-9, True), (0.0, True), (1e-9, False)])
    def test_a_limit_that_is_just_met_holds(self, drop: float, is_feasible: bool) -> None:
        answer = evaluation(1.0, drop=drop)
        assert answer.feasible == is_feasible
        assert ("feasible" in repr(answer)) == is_feasible
        assert ("breaks drop" in repr(answer)) != is_feasible

    def test_what_is_no_number_does_not_hold(self) -> None:
        answer = evaluation(1.0, drop=nan)
        assert not answer.feasible and "breaks drop" in repr(answer)


class TestIncumbent:
    def test_the_first_objective_decides_then_the_next(self) -> None:
        slow, fast, thrifty = evaluation(3.0, 0.0), evaluation(2.0, 5.0), evaluation(2.0, 4.0)
        assert incumbent([slow, fast, thrifty]) is thrifty
        assert incumbent([slow, thrifty, evaluation(2.0, 4.0)]) is thrifty, "the first of equals"

    def test_what_breaks_a_limit_is_none(self) -> None:
        broken = evaluation(1.0, drop=0.1)
        assert incumbent([broken]) is None and incumbent([]) is None
        assert incumbent([broken, slow := evaluation(9.0)]) is slow


class TestFront:
    def test_equal_points_stay_once_and_ties_in_one_coordinate_are_dominated(self) -> None:
        points = np.array([[1.0, 5.0], [1.0, 5.0], [1.0, 6.0], [2.0, 5.0], [2.0, 4.0], [0.5, 9.0]])
        assert non_dominated(points).tolist() == [5, 0, 4]
        assert non_dominated(np.empty((0, 2))).tolist() == []

    @given(
        numpy_strategies.arrays(
            float,
            st.tuples(st.integers(1, 8), st.integers(1, 3)),
            elements=st.sampled_from([0.0, 1.0, 2.0, inf]),
        )
    )
    def test_equals_the_definition(self, points: np.ndarray) -> None:
        kept = non_dominated(points)
        for number, point in enumerate(points):
            others = points[(points <= point).all(axis=1) & (points < point).any(axis=1)]
            first = next(k for k, other in enumerate(points) if (other == point).all())
            assert (number in kept) == (len(others) == 0 and first == number)
        assert points[kept, 0].tolist() == sorted(points[kept, 0])

    def test_only_what_is_feasible(self) -> None:
        best, other = evaluation(1.0, 2.0), evaluation(2.0, 1.0)
        assert front([other, evaluation(0.5, 0.5, drop=0.1), best]) == [best, other]
        assert front([evaluation(1.0, drop=0.1)]) == []


def test_a_shared_training_counts_once() -> None:
    assert oracle_seconds([]) == 0.0
    assert oracle_seconds([evaluation(1.0, oracle_s=2.0), evaluation(1.0, oracle_s=3.0)]) == 5.0
    trained = [with_training(10.0, 2.0), with_training(10.0, 3.0), with_training(0.0, 1.0)]
    assert oracle_seconds(trained) == 16.0


def test_the_front_is_what_no_other_feasible_mapping_dominates():
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=0.3)
    evaluations = brute_force(problem)
    kept = front(evaluations)
    values = {tuple(on_front.objectives.values()) for on_front in kept}
    assert 1 < len(kept) < len(evaluations)
    assert [on_front.objectives["latency_s"] for on_front in kept] == sorted(
        on_front.objectives["latency_s"] for on_front in kept
    )
    for candidate in evaluations:
        if not candidate.feasible:
            continue
        own = np.array(list(candidate.objectives.values()))
        dominated = any(
            np.all(np.array(other) <= own) and np.any(np.array(other) < own) for other in values
        )
        assert dominated != (tuple(own) in values)
