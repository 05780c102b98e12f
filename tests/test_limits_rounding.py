"""A chip that loses exactly the allowed number of examples keeps the limit, whatever the rounding."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.limits import AccuracyLimit, drop_excess
from lionheart_opt.results.result import SearchResult
from lionheart_opt.strategies.parts.loss_model import LossModel
from lionheart_opt.strategies.parts.sensitivity import MoveProfile
from lionheart_opt.synthetic import synthetic_problem

Q90 = AccuracyLimit(max_drop=0.05, time_s=60.0, quantile=0.9, draws=(29,), over="examples")


def of_examples(right: int, before: int, n_examples: int, n_draws: int = 29) -> Accuracy:
    """Chips that all classify that many examples rightly, of the network's `before`."""
    return Accuracy(
        samples=np.full((n_draws, 1), right / n_examples),
        times_s=(60.0,),
        baseline=before / n_examples,
        n_examples=n_examples,
    )


def test_an_excess_is_never_a_matter_of_rounding() -> None:
    """Every number of examples up to 2,000, every loss of some of them, any baseline."""
    rng = np.random.default_rng(0)
    for n in range(1, 2001):
        allowed = np.unique(rng.integers(0, n + 1, size=12))
        for lost, before in zip(allowed.tolist(), rng.integers(allowed, n + 1), strict=True):
            drop, one_more = (before / n - (before - k) / n for k in (lost, lost + 1))
            assert drop_excess(drop, lost / n) == 0.0, f"{lost} of {n}, from {before}"
            assert drop_excess(one_more, lost / n) == pytest.approx(1 / n), f"{lost + 1} of {n}"
    assert 0.808 - 0.798 > 0.01 and drop_excess(0.808 - 0.798, 0.01) == 0.0
    assert 0.3 - 0.2 < 0.1 and str(drop_excess(0.3 - 0.2, 0.1)) == "0.0", "not -0.0"


@settings(deadline=None)
@given(st.integers(1, 5000), st.data())
def test_exactly_the_allowed_examples_may_be_lost(n_examples: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, n_examples))
    before = data.draw(st.integers(lost, n_examples))
    limit = replace(Q90, max_drop=lost / n_examples)
    just = of_examples(before - lost, before, n_examples)
    assert limit.decision(just) == "holds"
    if before > lost:
        assert limit.decision(of_examples(before - lost - 1, before, n_examples)) == "broken"


@pytest.mark.parametrize(("right", "is_feasible"), [(798, True), (797, False)])
def test_every_decision_allows_the_same_number_of_examples(right: int, is_feasible: bool) -> None:
    problem = synthetic_problem(n_units=3)
    problem = replace(problem, accuracy_limit=replace(Q90, max_drop=0.01))
    answer = of_examples(right, 808, 1000)
    evaluation = problem.evaluation(problem.pretrained(problem.all_analog), answer)
    assert evaluation.feasible == is_feasible
    assert evaluation.violations["drop"] == (0.0 if is_feasible else 0.001)
    result = SearchResult(label="search", seed=0, problem=problem, evaluations=[evaluation])
    assert (result.feasible_at(0.01) == [evaluation]) == is_feasible
    assert result.feasible_at(0.011) == [evaluation]
    move = (problem.units[0].name, "tile")
    profile = MoveProfile(losses={move: 0.1}, savings={move: 1.0}, baseline=0.808)
    model = LossModel(problem, profile)
    model.learn(evaluation)
    assert (evaluation.mapping in model.holding(0.01)) == is_feasible
    assert (evaluation.mapping in model.failing(0.01)) != is_feasible
