"""What strategies share: inner searches, annealing, profiles."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.annealing import anneal
from lionheart_opt.strategies.parts.nested import nested
from lionheart_opt.strategies.parts.sensitivity import MoveProfile, observed_loss, trained
from lionheart_opt.strategy import Proposals
from lionheart_opt.testing import tiny_problem

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
