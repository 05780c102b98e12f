"""Knapsack: exact where losses add up, and corrected by what was measured."""

import numpy as np
import pytest
from strategy_runs import additive, best

from lionheart_opt.errors import InputError
from lionheart_opt.limits import LIONHEART_THRESHOLDS
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.synthetic import synthetic_problem
from lionheart_opt.testing import brute_force, drive, tiny_problem


@pytest.mark.parametrize("seed", range(5))
def test_knapsack_is_exact_where_losses_add_up(seed: int) -> None:
    """With a profile of the problem's own losses, the first proposal is the best there is."""
    problem = additive(synthetic_problem(n_units=8, seed=seed), none_factor=1.0)
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    assert len(evaluations) == 8 + 1
    assert evaluations[-1].cost.latency_s == pytest.approx(best(brute_force(problem)))


@pytest.mark.parametrize("none_factor", [0.3, 3.0, 30.0])
def test_knapsack_corrects_a_profile_that_is_off_by_a_factor(none_factor: float) -> None:
    problem = additive(synthetic_problem(n_units=8, seed=2), none_factor)
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    trained = [evaluation for evaluation in evaluations if evaluation.candidate.training is None]
    assert best(trained) == pytest.approx(best(brute_force(problem)))
    assert len(trained) <= 6


def test_knapsack_ends_with_a_proposal_that_holds() -> None:
    for seed in range(6):
        problem = tiny_problem(seed=seed)
        trained = [
            evaluation
            for evaluation in drive(Knapsack(), problem)
            if evaluation.candidate.training is None
        ]
        assert any(evaluation.feasible for evaluation in trained)
        assert len({evaluation.mapping for evaluation in trained}) == len(trained)
        # After the first one that holds, only cheaper ones are asked for.
        for k, evaluation in enumerate(trained):
            held = [before.cost.latency_s for before in trained[:k] if before.feasible]
            assert evaluation.cost.latency_s < min(held, default=np.inf)


def test_knapsack_solves_for_every_threshold_where_the_drop_is_an_objective() -> None:
    problem = synthetic_problem(n_units=8, objectives=("latency_s", "drop"), max_drop=0.2)
    problem = additive(problem, none_factor=1.0)
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    truth = brute_force(problem)
    for threshold in (*LIONHEART_THRESHOLDS, 0.2):
        ours, theirs = (
            min(
                (
                    evaluation.cost.latency_s
                    for evaluation in run
                    if evaluation.objectives["drop"] <= threshold
                ),
                default=problem.digital_cost.latency_s,
            )
            for run in (evaluations, truth)
        )
        assert ours == pytest.approx(theirs)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"thresholds": [0.0]}, r"thresholds: got \[0.0\]; must be in \(0, 1\]"),
        ({"min_gain": 0.0}, r"min_gain: got 0.0; must be in \(0, 1\)"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Knapsack(**settings)
