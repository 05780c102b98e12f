"""What strategies share: prices and moves, inner searches, annealing, profiles, pairs of units."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt import plugins
from lionheart_opt.cost import COST_OBJECTIVES
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.space import Space, analog_units, neighbours
from lionheart_opt.strategies.parts.annealing import anneal
from lionheart_opt.strategies.parts.nested import nested
from lionheart_opt.strategies.parts.pricing import (
    acceptable,
    cheapest_digital,
    cost_objectives,
    excess,
    other_targets,
    price,
)
from lionheart_opt.strategies.parts.sensitivity import MoveProfile, observed_loss, trained
from lionheart_opt.strategy import Proposals
from lionheart_opt.synthetic import (
    SyntheticCosts,
    convolutional_workload,
    synthetic_problem,
    synthetic_workload,
)
from lionheart_opt.system import Target
from lionheart_opt.testing import tiny_problem

FOUR = ("cpu", "tile", "sram", "npu")


def with_target(problem: Problem, name: str, **changes: object) -> Problem:
    """The problem with one of its targets changed."""
    targets = tuple(
        target.model_copy(update=changes) if target.name == name else target
        for target in problem.system.targets
    )
    return on_targets(problem, targets)


def on_targets(problem: Problem, targets: Sequence[Target]) -> Problem:
    system = problem.system.model_copy(update={"targets": tuple(targets)})
    return replace(problem, system=system, cost_model=SyntheticCosts(system))


# --- pricing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        (("energy_j", "drop", "latency_s"), ("energy_j", "latency_s")),
        (("drop", "interval_s"), ("interval_s",)),
        (("drop",), ("latency_s",)),
    ],
)
def test_cost_objectives_are_the_others_in_their_order(
    objectives: tuple[Objective, ...], expected: tuple[str, ...]
) -> None:
    assert cost_objectives(tiny_problem(objectives=objectives)) == expected


@pytest.mark.parametrize("objective", COST_OBJECTIVES)
def test_a_price_is_the_cost_in_the_first_cost_objective(objective: Objective) -> None:
    problem = tiny_problem(objectives=("drop", objective, "latency_s"))
    cost = problem.cost(problem.all_analog)
    assert price(problem, problem.all_analog) == cost.value(objective)


def test_other_targets_are_the_analog_and_the_cheaper_digital_ones_cheapest_first() -> None:
    problem = tiny_problem(targets=FOUR)
    seen = set()
    for unit in (unit.name for unit in problem.units):
        for here in FOUR:
            mapping = problem.mapping({unit: here})
            targets = other_targets(problem, mapping, unit)
            prices = {name: price(problem, mapping.move(unit, name)) for name in FOUR}
            assert [prices[name] for name in targets] == sorted(prices[name] for name in targets)
            cheaper = {name for name in ("cpu", "npu") if prices[name] < prices[here]}
            assert set(targets) == ({"tile", "sram"} | cheaper) - {here}
            seen.add(tuple(targets))
    assert len(seen) > 1


def test_targets_of_one_price_keep_their_order_and_a_digital_one_of_this_price_is_left_out() -> (
    None
):
    """Twins of the tile and of the host: moving to the host's twin would change nothing."""
    problem = tiny_problem()
    cpu, tile = problem.system.targets
    twins = [target.model_copy(update={"name": f"{target.name}2"}) for target in (tile, cpu)]
    problem = on_targets(problem, (cpu, tile, *twins))
    problem = replace(problem, cost_model=Flat(problem.cost_model))
    assert other_targets(problem, problem.all_digital, "fc0") == ["tile", "tile2"]
    assert cheapest_digital(problem, problem.all_analog, "fc0") == "cpu"


@dataclass(frozen=True)
class Flat:
    """Every mapping costs what all-digital costs, and occupies the tiles that it occupies."""

    model: SyntheticCosts

    def cost(self, workload, mapping):
        digital = dict.fromkeys(mapping, "cpu")
        tiles = self.model.cost(workload, mapping).tiles
        return replace(self.model.cost(workload, type(mapping).of(digital)), tiles=tiles)


def test_the_cheapest_digital_target() -> None:
    problem = tiny_problem(targets=FOUR)
    for unit in (unit.name for unit in problem.units):
        chosen = cheapest_digital(problem, problem.all_analog, unit)
        prices = {
            name: price(problem, problem.all_analog.move(unit, name)) for name in ("cpu", "npu")
        }
        assert chosen == min(prices, key=lambda name: prices[name])


def test_the_excess_is_that_over_all_limits_together() -> None:
    free = tiny_problem()
    limits = {"latency_s": 0.5 * free.digital_cost.latency_s, "energy_j": 1.0}
    problem = replace(with_target(free, "tile", tiles=3), cost_limits=limits)
    assert excess(problem, problem.all_digital) == pytest.approx(1.0)
    assert excess(problem, problem.all_analog) == 2.0
    assert excess(with_target(free, "tile", tiles=5), free.all_analog) == 0.0, "exactly full"


def test_a_limit_that_is_met_exactly_is_kept() -> None:
    free = tiny_problem()
    latency_s = free.digital_cost.latency_s
    assert excess(replace(free, cost_limits={"latency_s": latency_s}), free.all_digital) == 0.0
    below = float(np.nextafter(latency_s, 0.0))
    assert excess(replace(free, cost_limits={"latency_s": below}), free.all_digital) > 0.0


def test_a_step_is_acceptable_if_it_holds_or_exceeds_the_limits_by_less() -> None:
    free = tiny_problem(max_drop=0.9)
    energy_j = free.cost(free.all_analog).energy_j
    problem = replace(free, cost_limits={"energy_j": 1.01 * energy_j})
    largest = max(problem.units, key=problem.workload.unit_macs).name
    first = problem.mapping({largest: "tile"})

    def evaluated(mapping):
        return problem.evaluate(problem.pretrained(mapping))

    assert evaluated(first).accuracy is None and evaluated(problem.all_analog).feasible
    assert acceptable(problem, problem.all_digital, evaluated(first))
    assert not acceptable(problem, first, evaluated(first)), "it is not better by itself"
    assert not acceptable(problem, first, evaluated(problem.all_digital))
    assert acceptable(problem, first, evaluated(problem.all_analog))
    strict = replace(
        problem, cost_limits={}, accuracy_limit=replace(problem.accuracy_limit, max_drop=0.0)
    )
    lossy = strict.evaluate(strict.pretrained(strict.all_analog))
    assert not acceptable(strict, strict.all_digital, lossy)


# --- inner searches ---------------------------------------------------------------------------


@dataclass
class Inner:
    """Proposes given batches and keeps what it receives."""

    batches: list[list[Candidate]]

    def __post_init__(self) -> None:
        self.received: list[Evaluation] = []
        self.closed = False

    def search(self) -> Proposals:
        try:
            for batch in self.batches:
                self.received += yield batch
        finally:
            self.closed = True


def run(problem: Problem, search) -> tuple[list[Candidate], list[Evaluation]]:
    """The candidates that an inner search asked for, and what it returned."""
    asked: list[Candidate] = []
    batch = next(search)
    while True:
        asked += batch
        try:
            batch = search.send([problem.evaluate(candidate) for candidate in batch])
        except StopIteration as stop:
            return asked, stop.value


def candidates(problem: Problem) -> list[Candidate]:
    units = [unit.name for unit in problem.units]
    return [problem.pretrained(problem.analog(units[:count])) for count in range(4)]


def test_an_inner_search_is_answered_in_terms_of_its_own_problem() -> None:
    problem = tiny_problem(max_drop=0.001)
    own = replace(
        problem,
        objectives=("energy_j", "drop"),
        accuracy_limit=replace(problem.accuracy_limit, max_drop=0.9),
    )
    first, second, third, _ = candidates(problem)
    inner = Inner([[first, second], [third]])
    asked, returned = run(
        problem,
        nested(own, inner.search(), lambda candidate: candidate.with_training("one_shot")),
    )
    assert asked == [candidate.with_training("one_shot") for candidate in (first, second, third)]
    assert [evaluation.candidate for evaluation in inner.received] == [first, second, third]
    assert all(evaluation.feasible for evaluation in inner.received)
    assert {tuple(evaluation.objectives) for evaluation in inner.received} == {("energy_j", "drop")}
    assert [evaluation.candidate for evaluation in returned] == asked
    assert {tuple(evaluation.objectives) for evaluation in returned} == {("latency_s",)}
    for outer, own_evaluation in zip(returned, inner.received, strict=True):
        assert outer.accuracy is own_evaluation.accuracy
    assert inner.closed


def test_an_inner_search_returns_each_candidate_once() -> None:
    problem = tiny_problem()
    first, second, *_ = candidates(problem)
    asked, returned = run(problem, nested(problem, Inner([[first], [second, first]]).search()))
    assert asked == [first, second, first]
    assert [evaluation.candidate for evaluation in returned] == [first, second]


@pytest.mark.parametrize(("most", "count"), [(1, 1), (2, 3), (3, 3), (4, 4), (None, 4)])
def test_an_inner_search_stops_after_the_batch_that_reaches_its_most(
    most: int | None, count: int
) -> None:
    problem = tiny_problem()
    first, second, third, fourth = candidates(problem)
    inner = Inner([[first], [second, third], [fourth]])
    asked, returned = run(problem, nested(problem, inner.search(), most=most))
    assert len(asked) == len(returned) == count
    assert inner.closed


def test_an_inner_search_that_proposes_nothing_returns_nothing() -> None:
    search = nested(tiny_problem(), Inner([]).search())
    with pytest.raises(StopIteration) as stop:
        next(search)
    assert stop.value.value == []


def test_closing_the_outer_search_closes_the_inner_one() -> None:
    problem = tiny_problem()
    inner = Inner([[candidate] for candidate in candidates(problem)])
    search = nested(problem, inner.search())
    next(search)
    search.close()
    assert inner.closed


# --- annealing --------------------------------------------------------------------------------


def test_annealing_depends_on_its_generator_only() -> None:
    weights = np.random.default_rng(5).normal(size=(8, 3))

    def energy(states: np.ndarray) -> np.ndarray:
        return weights[np.arange(8), states].sum(axis=1)

    allowed = np.ones((8, 3), bool)
    runs = [anneal(energy, allowed, np.random.default_rng(seed)) for seed in (1, 1)]
    assert runs[0].tolist() == runs[1].tolist()
    assert runs[0].tolist() == weights.argmin(axis=1).tolist()


def test_annealing_without_a_choice_returns_the_only_assignment() -> None:
    allowed = np.array([[False, True], [True, False]])
    state = anneal(lambda states: np.zeros(len(states)), allowed, np.random.default_rng(0))
    assert state.tolist() == [1, 0]


def test_annealing_keeps_the_best_assignment_that_any_chain_had() -> None:
    """One assignment of 1,024 is better than all others: chains pass it and leave it again."""
    target = np.arange(10) % 2
    passed = []

    def energy(states: np.ndarray) -> np.ndarray:
        away = (states != target).sum(axis=1)
        energies = np.where(away == 0, -0.001, 0.0)
        passed.append(energies.min())
        return energies

    state = anneal(energy, np.ones((10, 2), bool), np.random.default_rng(0), sweeps=200)
    assert min(passed) < 0.0
    assert state.tolist() == target.tolist()


# --- profiles ---------------------------------------------------------------------------------


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
    assert trained(problem, candidate, "short").training == "short"


def test_no_loss_was_observed_where_the_oracle_was_not_asked() -> None:
    problem = tiny_problem(latency_limit_s=1e-12)
    assert observed_loss(problem, problem.evaluate(problem.pretrained(problem.all_analog))) is None
    problem = tiny_problem()
    digital = problem.evaluate(problem.pretrained(problem.all_digital))
    assert observed_loss(problem, digital) == 0.0


# --- pairs of units ---------------------------------------------------------------------------


def lionheart(workload=None) -> Space:
    system = plugins.load_system("lionheart")
    return Space(workload=workload or convolutional_workload(), system=system)


def test_neighbours_share_data_flow_through_additions() -> None:
    expected = [("conv1", "conv2"), ("conv1", "shortcut"), ("conv2", "fc"), ("shortcut", "fc")]
    assert neighbours(lionheart()) == expected


def test_data_flow_passes_units_that_have_no_choice() -> None:
    workload = convolutional_workload()
    grouped = replace(workload.layer("conv2"), kind="depthwise_conv2d", mvm=None)
    layers = tuple(grouped if layer.name == "conv2" else layer for layer in workload.layers)
    space = lionheart(replace(workload, layers=layers))
    assert "conv2" not in {unit.name for unit in space.units}
    expected = [("conv1", "shortcut"), ("conv1", "fc"), ("shortcut", "fc")]
    assert neighbours(space) == expected
    digital = replace(lionheart(), digital=("conv2",))
    assert neighbours(digital) == expected


def test_the_units_to_pair_may_be_given() -> None:
    assert neighbours(lionheart(), ["conv1", "fc"]) == [("conv1", "fc")]
    assert neighbours(lionheart(), []) == []


def test_a_unit_that_reads_itself_is_no_pair_and_a_pair_is_listed_once() -> None:
    workload = convolutional_workload().grouped({"ends": ["conv1", "fc"]})
    assert neighbours(lionheart(workload)) == [("ends", "conv2"), ("ends", "shortcut")]


@settings(deadline=None)
@given(st.integers(1, 9), st.data())
def test_neighbours_are_those_that_reach_each_other_without_a_third(
    n_units: int, data: st.DataObject
) -> None:
    """Against a search along every path of the graph."""
    workload = synthetic_workload([100] * n_units)
    names = [unit.name for unit in workload.units]
    units = data.draw(st.sets(st.sampled_from(names)))
    space = replace(synthetic_problem(n_units=n_units), workload=workload)

    def producers(layer: str) -> set[str]:
        reached = set()
        for source in workload.layer(layer).inputs:
            if source in units:
                reached.add(source)
            elif source != "input":
                reached |= producers(source)
        return reached

    expected = {(producer, unit) for unit in units for producer in producers(unit)}
    pairs = neighbours(space, units)
    assert set(pairs) == expected
    assert len(pairs) == len(expected)


def test_analog_units_are_those_with_an_analog_target() -> None:
    problem = tiny_problem(targets=FOUR)
    assert analog_units(problem) == tuple(unit.name for unit in problem.units)
    assert analog_units(replace(problem, digital=("fc1",))) == ("fc0", "fc2", "fc3", "fc4")
    assert analog_units(tiny_problem(targets=("cpu", "npu"))) == ()


def test_the_mapping_with_given_units_analog() -> None:
    problem = tiny_problem(targets=FOUR)
    assert problem.analog([]) == problem.all_digital
    assert problem.analog(["fc3"]) == problem.mapping({"fc3": "tile"})
    assert replace(problem, digital=("fc3",)).analog(["fc3"]) == problem.all_digital
    with pytest.raises(ValueError, match="unknown unit 'fc9'"):
        problem.analog(["fc9"])
