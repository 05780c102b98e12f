"""Screening: few measurements find the units that matter, and rank those of blocks that are alike."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from strategy_runs import additive, run_inner

from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.screening import (
    Group,
    crossed_groups,
    estimate,
    estimate_with_errors,
    most_measurements,
    next_alone,
    screening,
)
from lionheart_opt.strategies.parts.sensitivity import MoveProfile, measure_moves
from lionheart_opt.synthetic import synthetic_problem

#: 24 blocks of 15 kinds.
ENCODER = [f"encoder.layer.{block}.k{kind}" for block in range(24) for kind in range(15)]


def screened(names: list[str], losses: np.ndarray, noise: float = 0.0) -> tuple[np.ndarray, int]:
    """The estimate, and how many measurements it took; losses add up."""
    rng = np.random.default_rng(0)
    steps = screening(names)
    groups, asked = next(steps), 0
    while True:
        asked += len(groups)
        answers = [losses[list(group)].sum() + noise * rng.normal() for group in groups]
        try:
            groups = steps.send(answers)
        except StopIteration as stop:
            return stop.value, asked


def test_names_of_repeated_blocks_give_blocks_and_kinds() -> None:
    names = [f"layer.{k}.{kind}" for k in range(6) for kind in ("a.b", "c.0", "c.1", "d", "e", "f")]
    groups = crossed_groups(names)
    assert len(groups) == 6 + 5, "c.0 and c.1 are of one kind"
    assert groups[0] == tuple(range(6)) and groups[6] == tuple(range(0, 36, 6))
    assert groups[7] == tuple(sorted([*range(1, 36, 6), *range(2, 36, 6)]))


@pytest.mark.parametrize("names", [[f"fc{k}" for k in range(50)], [str(k) for k in range(50)]])
def test_other_names_give_rows_and_columns(names: list[str]) -> None:
    groups = crossed_groups(names)
    assert len(groups) == 7 + 8
    assert groups[0] == tuple(range(8)) and groups[7] == tuple(range(0, 50, 8))
    assert all(sum(number in group for group in groups) == 2 for number in range(50))


def test_eight_units_of_two_hundred_are_found() -> None:
    rng = np.random.default_rng(1)
    losses = np.full(200, 1e-4)
    hot = rng.choice(200, 8, replace=False)
    losses[hot] = rng.uniform(0.02, 0.2, 8)
    found, asked = screened([f"fc{k}" for k in range(200)], losses, noise=0.002)
    assert asked <= 200 / 3
    assert set(np.argsort(-found)[:8]) == set(hot)
    assert spearmanr(found[hot], losses[hot]).statistic == pytest.approx(1.0)


def test_blocks_that_are_alike_are_ranked_with_a_third_of_the_measurements() -> None:
    """And better than one at a time, because noise of a group is that of one measurement."""
    rng = np.random.default_rng(2)
    losses = 0.002 * np.outer(rng.lognormal(sigma=0.7, size=24), rng.lognormal(sigma=1.2, size=15))
    losses = losses.ravel() * rng.lognormal(sigma=0.4, size=360)
    found, asked = screened(ENCODER, losses, noise=0.001)
    assert asked <= 120
    ours = spearmanr(found, losses).statistic
    one_at_a_time = spearmanr(losses + 0.001 * rng.normal(size=360), losses).statistic
    assert ours > 0.92 and ours > one_at_a_time


def test_an_estimate_agrees_with_every_group_and_is_otherwise_even() -> None:
    """A table with rows 6 and 2 and columns 2 and 6: the product of its margins over their sum."""
    measured: dict[Group, float] = {(0, 1): 6.0, (2, 3): 2.0, (0, 2): 2.0, (1, 3): 6.0}
    assert estimate(4, measured) == pytest.approx([1.5, 4.5, 0.5, 1.5], rel=1e-6)
    measured[(1,)] = 5.0
    assert estimate(4, measured) == pytest.approx([1.0, 5.0, 1.0, 1.0], rel=1e-3)


def test_what_cannot_be_measured_gets_the_mean() -> None:
    assert estimate(3, {}).tolist() == [1.0, 1.0, 1.0]
    assert estimate(3, {(0,): 0.2, (1,): 0.4}) == pytest.approx([0.2, 0.4, 0.3])
    steps = screening([f"fc{k}" for k in range(36)])
    groups = next(steps)
    with pytest.raises(StopIteration) as stop:
        while True:
            groups = steps.send([None] * len(groups))
    assert stop.value.value.tolist() == [1.0] * 36


def test_the_worst_units_are_measured_alone_first_and_once() -> None:
    losses = np.array([0.1, 0.4, 0.2, 0.3])
    assert next_alone(losses, [(1,), (0, 2)], 2) == [(3,), (2,)]
    assert next_alone(losses, [], 0) == [] and next_alone(losses, [], -3) == []


# --- as the profile of a problem -----------------------------------------------------------------


def profile(problem: Problem, screen: bool) -> tuple[MoveProfile, list[Mapping]]:
    asked, result = run_inner(problem, measure_moves(problem, "none", screen=screen))
    assert isinstance(result, MoveProfile)
    return result, [candidate.mapping for candidate in asked]


def test_a_screened_profile_takes_a_third_of_the_evaluations() -> None:
    problem = additive(synthetic_problem(n_units=60, seed=3, all_analog_drop=0.3), 1.0)
    full, all_asked = profile(problem, screen=False)
    quick, asked = profile(problem, screen=True)
    assert len(all_asked) == 60 and len(asked) <= 20 and len(set(asked)) == len(asked)
    assert list(quick.losses) == list(full.losses)
    assert quick.savings == full.savings and quick.baseline == full.baseline
    alone = [m.units_on("tile")[0] for m in asked if len(m.units_on("tile")) == 1]
    assert alone
    for unit in alone:
        move = (unit, "tile")
        assert quick.losses[move] == pytest.approx(full.losses[move], rel=1e-6)


def test_every_target_is_screened_for_itself_and_few_units_are_not() -> None:
    problem = synthetic_problem(n_units=40, targets=("cpu", "tile", "sram"))
    _, asked = profile(problem, screen=True)
    assert len(asked) <= 2 * 13
    small = synthetic_problem(n_units=35)
    assert profile(small, screen=True)[1] == profile(small, screen=False)[1]


def test_groups_that_break_a_cost_limit_are_left_out() -> None:
    """Nothing can be measured: every loss is the same, as it is one at a time."""
    problem = synthetic_problem(n_units=40)
    limited = replace(problem, cost_limits={"latency_s": 1e-12})
    quick, asked = profile(limited, screen=True)
    assert asked and set(quick.losses.values()) == {1.0} and quick.baseline == 1.0


def test_errors_of_units_that_were_measured_alone_are_those_of_the_mean() -> None:
    draws = np.random.default_rng(0).normal(0.1, 0.05, (3, 8))
    losses, errors = estimate_with_errors(3, {(k,): draws[k] for k in range(3)})
    np.testing.assert_allclose(losses, draws.mean(axis=1))
    np.testing.assert_allclose(errors, draws.std(axis=1, ddof=1) / np.sqrt(8))
    _, unknown = estimate_with_errors(3, {(0,): draws[0, :1]})
    assert np.isnan(unknown).all()


def test_errors_of_estimates_are_their_spread_over_repetitions() -> None:
    truth = np.outer([1.0, 2.0, 0.5, 1.5, 3.0, 0.2], [0.3, 1.0, 2.0, 0.6, 0.1, 0.8]).ravel()
    groups = crossed_groups([f"layer.{k}.{kind}" for k in range(6) for kind in "abcdef"])
    rng = np.random.default_rng(0)

    def once() -> tuple[np.ndarray, np.ndarray]:
        chips = truth * (1 + 0.2 * rng.normal(size=(8, 36)))
        return estimate_with_errors(36, {g: chips[:, list(g)].sum(axis=1) for g in groups})

    estimates, errors = (np.array(each) for each in zip(*(once() for _ in range(60)), strict=True))
    np.testing.assert_allclose(estimates.mean(axis=0), truth, rtol=0.05)
    ratio = errors.mean(axis=0) / estimates.std(axis=0, ddof=1)
    assert np.all((ratio > 0.7) & (ratio < 1.4))


@pytest.mark.parametrize("names", [ENCODER, [f"fc{k}" for k in range(50)]])
def test_it_is_known_how_many_measurements_there_will_be(names: list[str]) -> None:
    losses = np.random.default_rng(0).lognormal(size=len(names))
    assert screened(names, losses)[1] == most_measurements(names) <= len(names) / 3
