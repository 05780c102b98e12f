"""Knapsack: exact where losses add up, and corrected by what was measured."""

from dataclasses import dataclass, replace
from time import process_time

import numpy as np
import pytest
from by_hand import PriceList, problem_of
from strategy_runs import additive, after_profile, best

from lionheart_opt.cost import Cost, CostObjective
from lionheart_opt.errors import InputError
from lionheart_opt.limits import LIONHEART_THRESHOLDS
from lionheart_opt.mapping import Mapping
from lionheart_opt.prices import Prices
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.strategies import knapsack
from lionheart_opt.strategies.knapsack import Knapsack
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.integer_programme import IntegerProgramme
from lionheart_opt.synthetic import SyntheticOracle, synthetic_problem
from lionheart_opt.testing import brute_force, drive, tiny_problem
from lionheart_opt.workload import Workload


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


# --- by hand -------------------------------------------------------------------------------------

PRICES = {
    "fc0": {"cpu": 10.0, "tile": 4.0},
    "fc1": {"cpu": 10.0, "tile": 8.0},
    "fc2": {"cpu": 10.0, "tile": 5.0},
}
DROPS = {"fc0": {"tile": 0.06}, "fc1": {"tile": 0.01}, "fc2": {"tile": 0.04}}


def proposed(problem: Problem, **settings: object) -> list[tuple[str, ...]]:
    """Analog units of each proposal after the profile."""
    evaluations = after_profile(problem, drive(Knapsack(**settings), problem))  # type: ignore[arg-type]
    trained = [each for each in evaluations if each.candidate.training != "none"]
    return [evaluation.mapping.units_on("tile") for evaluation in trained]


@pytest.mark.parametrize(
    ("max_drop", "units"),
    [
        (0.11, ("fc0", "fc1", "fc2")),
        (0.1, ("fc0", "fc2")),  # exactly
        (0.06, ("fc1", "fc2")),  # saves more than `fc0`, which loses as much as is allowed
        (0.05, ("fc1", "fc2")),
        (0.01, ("fc1",)),
    ],
)
def test_the_best_mapping_is_the_only_proposal_where_the_profile_is_right(
    max_drop: float, units: tuple[str, ...]
) -> None:
    problem = problem_of(PRICES, DROPS, max_drop=max_drop)
    (first, *others) = proposed(problem)
    assert first == units
    assert all(len(other) == 3 or "fc0" in other for other in others), "only what is cheaper"


@pytest.mark.parametrize(("min_gain", "units"), [(0.18, [("fc0",)]), (0.19, [])])
def test_a_gain_that_is_too_small_is_not_asked_for(
    min_gain: float, units: list[tuple[str, ...]]
) -> None:
    """The only unit saves 2 s of 11 s: 18.2 %."""
    problem = problem_of({"fc0": PRICES["fc1"]}, {"fc0": {"tile": 0.01}})
    assert proposed(problem, min_gain=min_gain) == units


@pytest.mark.parametrize(("loss", "units"), [(63.0, [("fc0",)]), (127.0, [("fc0",)]), (129.0, [])])
def test_a_profile_may_overestimate_by_a_factor_of_128(
    loss: float, units: list[tuple[str, ...]]
) -> None:
    """Log losses without training, relative to the accepted one; trained, nothing is lost."""
    accepted = -np.log(1 - 0.001 / 0.9)
    drop = 0.9 * (1 - np.exp(-loss * accepted))
    prices = {"fc0": PRICES["fc0"]}
    problem = problem_of(prices, {"fc0": {"tile": drop * 1e-9}}, max_drop=0.001, untrained=1e9)
    assert proposed(problem) == units


def test_where_nothing_holds_yet_the_least_loss_is_proposed_if_none_is_predicted_to_hold() -> None:
    """All-digital breaks the limit of 26 s. What keeps it comes in the order of its loss."""
    limits: dict[CostObjective, float] = {"latency_s": 26.0}
    problem = problem_of(PRICES, DROPS, max_drop=0.02, cost_limits=limits)
    assert proposed(problem) == [
        ("fc2",),
        ("fc1", "fc2"),  # which says what `fc1` loses, that breaks the limit alone
        ("fc0",),
        ("fc0", "fc1"),
        ("fc0", "fc2"),
        ("fc0", "fc1", "fc2"),
    ]
    possible = problem_of(PRICES, DROPS, max_drop=0.1, cost_limits=limits)
    assert proposed(possible) == [("fc0", "fc2")], "predicted to hold, so the cheapest comes first"


@dataclass(frozen=True)
class WaitingTogether(PriceList):
    """Three analog units wait for each other, 9 s in all: no sum over units and pairs."""

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        cost = super().cost(workload, mapping)
        waiting_s = 9.0 if len(mapping.units_on("tile")) == 3 else 0.0
        first, *others = cost.layers
        first = replace(first, components={**first.components, "wait": (waiting_s, 0.0)})
        return replace(cost, layers=(first, *others))


@pytest.mark.parametrize(("most", "units"), [(2, [("fc0", "fc2")]), (1, [])])
def test_what_breaks_a_limit_only_in_reality_is_not_evaluated(
    most: int, units: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All-analog takes 18 s by the sum and 27 s in reality; so many of its kind end the search."""
    monkeypatch.setattr(knapsack, "MAX_UNFIT", most)
    problem = problem_of(PRICES, DROPS, max_drop=0.2, cost_limits={"latency_s": 26.0})
    problem = replace(problem, cost_model=WaitingTogether(PRICES), prices=Prices())
    assert problem.cost(problem.all_analog).latency_s == 27.0
    assert proposed(problem) == units


def test_several_objectives_are_solved_for_in_turn() -> None:
    """Where energy is ten times the latency, the second objective has nothing to add."""
    objectives: tuple[Objective, ...] = ("energy_j", "latency_s")
    problem = problem_of(PRICES, DROPS, max_drop=0.1, objectives=objectives)
    assert proposed(problem)[0] == ("fc0", "fc2")


def test_smaller_thresholds_are_solved_for_only_where_the_drop_is_an_objective() -> None:
    """Largest first; those above the limit are left out."""
    thresholds = (0.015, 0.5, 0.06, 0.005, 0.002, 0.001)
    front = problem_of(PRICES, DROPS, max_drop=0.1, objectives=("latency_s", "drop"))
    assert proposed(front, thresholds=thresholds) == [("fc0", "fc2"), ("fc1", "fc2"), ("fc1",)]
    single = problem_of(PRICES, DROPS, max_drop=0.1)
    assert proposed(single, thresholds=thresholds) == [("fc0", "fc2")]


@pytest.mark.parametrize("thresholds", [[0.1, 0.0], [0.1, 1.01], [-0.1]])
def test_all_thresholds_must_be_possible(thresholds: list[float]) -> None:
    with pytest.raises(InputError, match=r"thresholds: got .*; must be in \(0, 1\]"):
        Knapsack(thresholds=thresholds)
    with pytest.raises(InputError, match="min_gain: got 1"):
        Knapsack(min_gain=1)
    assert Knapsack(thresholds=[1.0], min_gain=1e-9).thresholds == [1.0]


# --- hundreds of units ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("targets", [("cpu", "tile"), ("cpu", "tile", "sram", "npu")])
def test_a_proposal_takes_little_time_with_hundreds_of_units(targets: tuple[str, ...]) -> None:
    """A dozen mappings that cost nearly the same are excluded, and one asks for what is cheaper yet."""
    problem = synthetic_problem(n_units=361, seed=0, targets=targets)
    programme = IntegerProgramme(Additive.of(problem))
    assert isinstance(problem.oracle, SyntheticOracle)
    shares = [problem.oracle.analog.get(target, 0.0) for target in programme.costs.targets]
    losses = np.outer(problem.oracle.single["none"], shares)
    question = 0, losses, 0.5 * losses.max(axis=1).sum()
    excluded: list[Mapping] = []
    started = process_time()
    for _ in range(12):
        mapping = programme.cheapest(*question, np.inf, excluded, 0.001)
        assert mapping is not None and mapping not in excluded
        excluded.append(mapping)
    below = min(problem.cost(mapping).latency_s for mapping in excluded)
    assert programme.cheapest(*question, 0.99995 * below, excluded, 0.001) is None
    assert process_time() - started < 30.0, "4 s here; 8 s for the last question alone before"
