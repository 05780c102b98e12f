"""Profiles of sensitivity: losses, savings and the orders that follow from them."""

from dataclasses import replace

import numpy as np
import pytest
from strategy_runs import measured

from lionheart_opt import plugins
from lionheart_opt.accuracy import DIVERGED
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.oracle.table import AccuracyTable
from lionheart_opt.problem import Problem
from lionheart_opt.space import every_mapping
from lionheart_opt.strategies.parts.pricing import price
from lionheart_opt.strategies.parts.sensitivity import (
    MoveProfile,
    measure_moves,
    observed_loss,
    trained,
)
from lionheart_opt.testing import drive, tiny_problem


def profile(**losses: float) -> MoveProfile:
    """Moves to the tile, unless a name says another target; all save the same."""
    moves = {tuple((name if "__" in name else f"{name}__tile").split("__")): loss
             for name, loss in losses.items()}  # fmt: skip
    return MoveProfile(losses=moves, savings=dict.fromkeys(moves, 1.0), baseline=0.9)


def test_moves_of_the_same_loss_keep_execution_order() -> None:
    ties = profile(a=0.2, b=0.1, c=0.2, d=0.1)
    order = [("b", "tile"), ("d", "tile"), ("a", "tile"), ("c", "tile")]
    assert ties.by_loss() == order
    assert ties.by_saving_per_loss() == order


def test_of_the_moves_of_a_unit_the_best_one_counts() -> None:
    both = profile(a__tile=0.3, b__tile=0.2, a__sram=0.1)
    assert both.by_loss() == [("a", "sram"), ("b", "tile")]
    both.savings["a", "tile"] = 10.0
    assert both.by_saving_per_loss() == [("a", "tile"), ("b", "tile")]


def test_noise_below_zero_does_not_turn_the_order_round() -> None:
    """A loss of about nothing, of either sign, makes a move that saves something the best."""
    noisy = profile(a=-1e-9, b=1e-9, c=0.5)
    assert noisy.by_saving_per_loss() == [("a", "tile"), ("b", "tile"), ("c", "tile")]
    noisy.savings["b", "tile"] = 2.0
    assert noisy.by_saving_per_loss()[0] == ("b", "tile")


def test_a_mapping_loses_what_its_analog_units_lose() -> None:
    problem = tiny_problem()
    losses = {(unit.name, "tile"): 0.1 * k for k, unit in enumerate(problem.units)}
    measured = MoveProfile(losses=losses, savings=dict.fromkeys(losses, 1.0), baseline=0.9)
    assert measured.loss(problem.all_digital) == 0.0
    assert measured.loss(problem.mapping({"fc1": "tile", "fc3": "tile"})) == pytest.approx(0.4)


def test_the_problems_own_training_stays_unset() -> None:
    problem = tiny_problem()
    candidate = problem.pretrained(problem.all_analog)
    assert trained(problem, candidate, problem.training) is candidate
    assert trained(problem, candidate, None) is candidate
    assert trained(problem, candidate, "short").training == "short"


def test_no_loss_was_observed_where_the_oracle_was_not_asked() -> None:
    problem = tiny_problem(latency_limit_s=1e-12)
    assert observed_loss(problem, problem.evaluate(problem.pretrained(problem.all_analog))) is None
    problem = tiny_problem()
    digital = problem.evaluate(problem.pretrained(problem.all_digital))
    assert observed_loss(problem, digital) == 0.0
    analog = problem.evaluate(problem.pretrained(problem.all_analog))
    assert analog.accuracy is not None and observed_loss(problem, analog) is not None
    diverged = replace(analog.accuracy, note=f"{DIVERGED} in epoch 1")
    assert observed_loss(problem, replace(analog, accuracy=diverged)) is None


def test_nothing_is_measured_where_nothing_can_be_analog() -> None:
    problem = replace(tiny_problem(), digital=("*",))
    measuring = measure_moves(problem, "none")
    with pytest.raises(StopIteration) as returned:
        next(measuring)
    assert returned.value.value == MoveProfile(losses={}, savings={}, baseline=1.0)


def test_a_profile_holds_losses_and_savings() -> None:
    problem = tiny_problem()
    profile = measured(problem)
    for unit, target in profile.losses:
        mapping = problem.all_digital.move(unit, target)
        candidate = problem.pretrained(mapping).with_training("none")
        accuracy = problem.evaluate(candidate).accuracy
        mean = accuracy.samples[:, 1].mean()
        assert profile.losses[unit, target] == pytest.approx(np.log(accuracy.baseline / mean))
        saving = price(problem, problem.all_digital) - price(problem, mapping)
        assert profile.savings[unit, target] == pytest.approx(saving)
    first_two = dict(list(profile.losses)[:2])
    assert profile.loss(problem.mapping(first_two)) == pytest.approx(
        sum(profile.losses[move] for move in first_two.items())
    )


def test_a_profile_that_cost_limits_hide_is_flat() -> None:
    """One unit alone breaks the latency limit, so that the oracle is not asked."""
    latency_s = tiny_problem().digital_cost.latency_s
    problem = tiny_problem(latency_limit_s=0.2 * latency_s)
    assert len(set(measured(problem).losses.values())) == 1
    [loss] = set(measured(tiny_problem(latency_limit_s=1e-12)).losses.values())
    assert 0 < loss < np.inf


def test_nested_mappings_grow_by_the_best_ratio() -> None:
    problem = tiny_problem()
    profile = measured(problem)
    nested = profile.nested(problem, 3)
    sets = [set(mapping.units_on("tile")) for mapping in nested]
    assert [len(mapping) for mapping in sets] == [1, 3, 5]
    assert sets[0] < sets[1] < sets[2]
    sets = [set(mapping.units_on("tile")) for mapping in profile.nested(problem, 4)]
    assert [len(mapping) for mapping in sets] == [1, 2, 4, 5], "1, 2.3, 3.7 and 5 moves"
    ratio = {unit: profile.savings[unit, t] / profile.losses[unit, t] for unit, t in profile.losses}
    assert sets[0] == {max(ratio, key=lambda unit: ratio[unit])}


@pytest.fixture(scope="module")
def one_shot_only() -> Problem:
    """A problem on a table with rows of training `one_shot`, and no others."""
    problem = replace(tiny_problem(), training="one_shot")
    rows = [Candidate(mapping, training="one_shot") for mapping in every_mapping(problem)]
    table = AccuracyTable.measure(problem.oracle, rows, 8, problem.seed)
    return replace(problem, oracle=table, answers=None)


@pytest.mark.parametrize(
    ("strategy", "arguments", "setting"),
    [
        ("knapsack", {}, "profile"),
        ("quadratic", {}, "profile"),
        ("local_search", {}, "profile"),
        ("harmonica", {}, "profile"),
        ("greedy", {"order": "sensitivity"}, "profile"),
        ("one_at_a_time", {}, "training"),
    ],
)
def test_a_profile_that_the_table_does_not_have_is_refused_with_the_remedy(
    one_shot_only: Problem, strategy: str, arguments: dict[str, str], setting: str
) -> None:
    built = plugins.build("strategies", strategy, arguments)
    message = (
        f"{setting}: got 'none'; the accuracy table of the study has only rows with training "
        f"'one_shot': set {setting} = \"one_shot\" in the strategy's arguments"
    )
    with pytest.raises(InputError, match=message):
        next(built.search(one_shot_only, np.random.default_rng(0)))
    fixed = plugins.build("strategies", strategy, {**arguments, setting: "one_shot"})
    assert drive(fixed, one_shot_only, trials=8), "the remedy works"
