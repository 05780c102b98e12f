"""Evaluations: what is feasible, what is best, what dominates what; seconds counted once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import Cost
from lionheart_opt.evaluation import Evaluation, front, incumbent, non_dominated, oracle_seconds
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.testing import brute_force, tiny_problem


def evaluation(
    *values: float, violations: tuple[float, ...] = (), oracle_s: float = 0.0, **accuracy: float
) -> Evaluation:
    """Objectives a, b, ... with these values, and limits x, y, ... broken by so much."""
    measured = Accuracy(samples=np.zeros((1, 1)), times_s=(1.0,), baseline=0.5, **accuracy)
    return Evaluation(
        candidate=Candidate(Mapping.of({"fc": "tile"})),
        cost=Cost(layers=()),
        accuracy=measured if accuracy else None,
        objectives=dict(zip("abc", values, strict=False)),
        violations=dict(zip("xyz", violations, strict=False)),
        oracle_s=oracle_s,
    )


@pytest.mark.parametrize(
    ("violations", "feasible"),
    [((), True), ((0.0,), True), ((-1.0, 0.0), True), ((-1.0, 1e-12), False), ((np.nan,), False)],
)
def test_feasible_is_what_breaks_no_limit(violations, feasible):
    assert evaluation(1.0, violations=violations).feasible is feasible


def test_the_representation_names_the_limits_that_are_broken():
    text = repr(evaluation(1.23456, 2.0, violations=(1.0, -1.0, 0.5), oracle_s=61.25))
    assert "a=1.235, b=2; breaks x, z; 61.2 oracle seconds)" in text
    assert "; feasible; 0 oracle seconds)" in repr(evaluation(1.0))


def test_a_shared_training_counts_once():
    """Three answers of 1, 2 and 4 s; one training of 10 s that two of them share."""
    evaluations = [
        evaluation(1.0, oracle_s=1.0, shared_s=10.0),
        evaluation(1.0, oracle_s=2.0),
        evaluation(1.0, oracle_s=4.0, shared_s=10.0),
    ]
    assert oracle_seconds(evaluations) == 17.0
    assert oracle_seconds(evaluations[1:2]) == 2.0
    assert oracle_seconds([]) == 0.0


def test_the_incumbent_is_feasible_and_best_in_the_first_objective():
    slow, fast, broken = (
        evaluation(2.0, 1.0),
        evaluation(1.0, 3.0),
        evaluation(0.5, 0.0, violations=(1.0,)),
    )
    assert incumbent([slow, fast, broken]) is fast
    assert incumbent([broken]) is None and incumbent([]) is None


def test_ties_go_to_the_next_objective_and_then_to_the_first_evaluation():
    first, better, same = evaluation(1.0, 3.0), evaluation(1.0, 2.0), evaluation(1.0, 2.0)
    assert incumbent([first, better, same]) is better


def test_non_dominated_points_by_hand():
    points = np.array([[3, 1], [1, 3], [2, 2], [2, 3], [3, 3], [2, 2], [1, 4]], dtype=float)
    assert non_dominated(points).tolist() == [1, 2, 0]
    assert non_dominated(np.zeros((0, 2))).tolist() == []
    assert non_dominated(np.zeros((3, 1))).tolist() == [0]


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12))
def test_non_dominated_points_are_those_of_the_definition(rows):
    points = np.array(rows, dtype=float)
    kept = set(non_dominated(points).tolist())
    for number, point in enumerate(points):
        better = [
            other
            for other, values in enumerate(points)
            if (values <= point).all() and ((values < point).any() or other < number)
        ]
        assert (number in kept) == (not better)


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


def test_without_a_feasible_evaluation_there_is_no_front():
    assert front([evaluation(1.0, violations=(1.0,))]) == []
