"""Profiles where cost limits do not allow moves alone: from mappings of several moves."""

from dataclasses import replace

import pytest
from by_hand import problem_of
from strategy_runs import best, run_inner

from lionheart_opt.cost import CostObjective
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.parts.pricing import excess
from lionheart_opt.strategies.parts.sensitivity import Move, MoveProfile, measure_moves
from lionheart_opt.strategies.parts.together import measure_together
from lionheart_opt.testing import brute_force, drive

PRICES = {
    f"fc{k}": {"cpu": 10.0, "tile": price} for k, price in enumerate([1.0, 2.0, 4.0, 3.0, 1.5, 6.0])
}
LOST = [0.05, 0.01, 0.002, 0.03, 0.02, 0.004]
DROPS = {f"fc{k}": {"tile": drop} for k, drop in enumerate(LOST)}


def tight(latency_s: float, max_drop: float = 0.06) -> Problem:
    """All-digital takes 61 s, and the largest saving of a single unit is 9 s."""
    limits: dict[CostObjective, float] = {"latency_s": latency_s}
    return problem_of(PRICES, DROPS, max_drop=max_drop, cost_limits=limits)


def lightest(problem: Problem, weights: dict[Move, float]) -> Mapping | None:
    """By trying all mappings."""
    kept = [mapping for mapping in every_mapping(problem) if not excess(problem, mapping)]
    rest = dict.fromkeys(((unit, "cpu") for unit in PRICES), 0.0) | weights
    return min(kept, key=lambda each: sum(rest[move] for move in each.items()), default=None)


def completed(problem: Problem) -> tuple[list[Mapping], MoveProfile, MoveProfile]:
    """The mappings that are measured together, and the profile before and after."""
    _, before = run_inner(problem, measure_moves(problem, "none"))
    assert isinstance(before, MoveProfile)
    measuring = measure_together(problem, "none", before, lambda each: lightest(problem, each))
    asked, after = run_inner(problem, measuring)
    assert isinstance(after, MoveProfile)
    assert all(candidate.training == "none" for candidate in asked)
    return [candidate.mapping for candidate in asked], before, after


@pytest.mark.parametrize("latency_s", [52.5, 44.0, 36.0, 30.0])
def test_losses_follow_from_mappings_that_keep_the_limits(latency_s: float) -> None:
    problem = tight(latency_s)
    mappings, before, after = completed(problem)
    assert len(before.unmeasured) >= 4 and len(mappings) == len(set(mappings))
    assert len(mappings) <= len(before.unmeasured)
    assert not any(excess(problem, mapping) for mapping in mappings)
    unlimited = replace(problem, cost_limits={})
    _, free = run_inner(unlimited, measure_moves(unlimited, "none"))
    assert isinstance(free, MoveProfile)
    assert after.losses == pytest.approx(free.losses, abs=0.004), "drops add up, log losses nearly"


def test_what_was_measured_alone_stays() -> None:
    _, before, after = completed(tight(52.5))
    measured = {move for move in before.losses if move not in before.unmeasured}
    assert measured == {("fc0", "tile"), ("fc4", "tile")}
    assert all(after.losses[move] == before.losses[move] for move in measured)


def test_a_profile_knows_baseline_and_metric_from_mappings() -> None:
    mappings, before, after = completed(tight(30.0))
    assert mappings and before.baseline == 1.0 and after.baseline == 0.9


@pytest.mark.parametrize("latency_s", [18.5, 18.0])
def test_moves_that_nothing_tells_apart_share_their_loss(latency_s: float) -> None:
    """At 18.5 s only all-analog keeps the limit; below, nothing does."""
    problem = tight(latency_s)
    mappings, before, after = completed(problem)
    assert mappings == ([problem.all_analog] if latency_s == 18.5 else [])
    if mappings:
        [loss, *others] = after.losses.values()
        assert others == pytest.approx([loss] * 5)
    else:
        assert after == before


@pytest.mark.parametrize("latency_s", [50.0, 40.0, 36.0, 34.0])
@pytest.mark.parametrize("max_drop", [0.05, 0.065, 0.08])
def test_knapsack_is_exact_where_no_move_keeps_the_limits_alone(
    latency_s: float, max_drop: float
) -> None:
    problem = tight(latency_s, max_drop)
    truth = brute_force(problem)
    evaluations = drive(Knapsack(min_gain=1e-6), problem)
    if not any(evaluation.feasible for evaluation in truth):
        assert not any(evaluation.feasible for evaluation in evaluations)
    else:
        assert best(evaluations) == pytest.approx(best(truth))
