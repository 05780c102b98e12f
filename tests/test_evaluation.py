"""Which of several answers is best, which no other dominates, and what they took together."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_strategies

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import COST_OBJECTIVES, Cost, LayerCost
from lionheart_opt.evaluation import Evaluation, front, incumbent, non_dominated, oracle_seconds
from lionheart_opt.mapping import Candidate, Mapping


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
            float, st.tuples(st.integers(1, 8), st.integers(1, 3)), elements=st.integers(0, 3)
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


class TestCost:
    layers = tuple(
        LayerCost(
            name=name, kind="linear", target="tile", macs=7, components={"mvm": price, "move": (1.0, 2.0)}
        )
        for name, price in (("a", (2.0, 3.0)), ("b", (4.0, 6.0)))
    )  # fmt: skip

    def test_sums(self) -> None:
        cost = Cost(layers=self.layers)
        assert [(layer.latency_s, layer.energy_j) for layer in cost.layers] == [(3, 5), (5, 8)]
        assert (cost.latency_s, cost.energy_j, cost.time_per_inference_s) == (8.0, 13.0, 8.0)
        assert [cost.value(name) for name in COST_OBJECTIVES] == [8.0, 13.0, 8.0]
        assert "interval" not in repr(cost)

    def test_a_pipeline_has_a_pace_of_its_own(self) -> None:
        cost = Cost(layers=self.layers, interval_s=0.0)
        assert (cost.latency_s, cost.time_per_inference_s, cost.value("interval_s")) == (8.0, 0, 0)
        assert "interval_s=0" in repr(cost)

    def test_a_frame_has_a_row_for_each_layer(self) -> None:
        frame = Cost(layers=self.layers, tiles={"tile": 2}).to_frame()
        assert frame.columns.tolist() == [
            *("name", "kind", "target", "macs", "latency_s", "energy_j")
        ]
        assert frame.loc[1].tolist() == ["b", "linear", "tile", 7, 5.0, 8.0]
        assert Cost(layers=self.layers)._repr_html_().count("<tr") == 1 + 2
