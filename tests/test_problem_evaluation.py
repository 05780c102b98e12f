"""How a problem evaluates: limits that are just kept, what the oracle is told, what it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf, nextafter

import pytest

from lionheart_opt.accuracy import Accuracy, AccuracyOracle, Fidelity
from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Proxies, Question
from lionheart_opt.synthetic import SyntheticCosts
from lionheart_opt.system import System
from lionheart_opt.testing import tiny_problem
from lionheart_opt.workload import Workload


@dataclass
class Told:
    """An oracle that notes what it is asked and what it is told to expect."""

    oracle: AccuracyOracle
    asked: list[Candidate] = field(default_factory=list)
    told: list[tuple[list[Candidate], Fidelity, int]] = field(default_factory=list)
    questions: tuple[type[Question], ...] = (Proxies,)

    def accuracy(self, candidate: Candidate, fidelity: Fidelity, seed: int) -> Accuracy:
        self.asked.append(candidate)
        return self.oracle.accuracy(candidate, fidelity, seed)

    def expect(self, candidates: Sequence[Candidate], fidelity: Fidelity, seed: int) -> None:
        self.told.append((list(candidates), fidelity, seed))

    def consult(self, question: Question, seed: int) -> Answer:
        return Answer(values={"seed": {"fc0": float(seed)}}, oracle_s=1.0)


def told(**changes: object) -> tuple[Problem, Told]:
    problem = tiny_problem(max_drop=0.9)
    oracle = Told(problem.oracle)
    return replace(problem, oracle=oracle, **changes), oracle


def with_capacity(problem: Problem, tiles: int) -> Problem:
    tile = problem.system.target("tile").model_copy(update={"tiles": tiles})
    targets = (problem.system.target("cpu"), tile)
    system = problem.system.model_copy(update={"targets": targets})
    return replace(problem, system=system, cost_model=SyntheticCosts(system))


def test_a_cost_limit_that_is_just_kept_holds() -> None:
    problem, oracle = told()
    energy_j = problem.cost(problem.all_analog).energy_j
    for limit, is_kept in ((energy_j, True), (nextafter(energy_j, 0.0), False)):
        oracle.asked.clear()
        limited = replace(problem, cost_limits={"energy_j": limit})
        evaluation = limited.evaluate(limited.pretrained(limited.all_analog))
        assert evaluation.feasible == is_kept == bool(oracle.asked)
        assert limited.breaks_cost_limits(limited.all_analog) != is_kept


def test_violations_are_relative_to_the_limit() -> None:
    problem = tiny_problem()
    cost = problem.cost(problem.all_analog)
    limits = {"latency_s": cost.latency_s / 1.5, "energy_j": 4.0 * cost.energy_j}
    violations = replace(problem, cost_limits=limits).cost_violations(cost)
    assert violations == pytest.approx({"latency_s": 0.5, "energy_j": -0.75})


def test_a_capacity_that_is_just_met_holds() -> None:
    problem, oracle = told()
    for tiles, is_kept in ((5, True), (4, False)):
        oracle.asked.clear()
        small = with_capacity(problem, tiles)
        evaluation = small.evaluate(small.pretrained(small.all_analog))
        assert evaluation.violations["tiles_tile"] == 5 - tiles
        assert evaluation.feasible == is_kept == bool(oracle.asked)


@dataclass(frozen=True)
class WithoutTiles:
    """A cost model that does not count crossbars."""

    system: System

    def cost(self, workload: Workload, mapping: Mapping) -> Cost:
        return replace(SyntheticCosts(self.system).cost(workload, mapping), tiles={})


def test_a_target_that_the_cost_does_not_name_occupies_nothing() -> None:
    small = with_capacity(tiny_problem(), 3)
    small = replace(small, cost_model=WithoutTiles(small.system))
    assert small.cost_violations(small.cost(small.all_analog)) == {"tiles_tile": -3.0}


def test_the_drop_of_what_was_not_measured_is_the_worst_there_is() -> None:
    problem = replace(
        tiny_problem(objectives=("drop", "latency_s")), cost_limits={"energy_j": 1e-30}
    )
    evaluation = problem.evaluate(problem.pretrained(problem.all_analog))
    latency_s = problem.cost(problem.all_analog).latency_s
    assert evaluation.objectives == {"drop": 1.0, "latency_s": latency_s}
    assert set(evaluation.violations) == {"energy_j"} and evaluation.oracle_s == 0.0


def test_a_mapping_that_does_not_fit_is_not_evaluated() -> None:
    problem, oracle = told()
    for assignments in ({"fc0": "cpu"}, {**dict(problem.all_digital.assignments), "fc1": "npu"}):
        with pytest.raises(InputError, match=r"fc1|npu"):
            problem.evaluate(problem.pretrained(Mapping.of(assignments)))
    pinned = replace(problem, digital=("fc0",))  # the cost model would price it all the same
    with pytest.raises(InputError, match="cannot run unit 'fc0'"):
        pinned.evaluate(problem.pretrained(problem.all_analog))
    assert not oracle.asked


def test_the_oracle_is_told_what_it_will_be_asked() -> None:
    """In order, with their training, the draws of the first look, and without what costs decide."""
    energy_j = tiny_problem().digital_cost.energy_j
    problem, oracle = told(training="short", seed=7, cost_limits={"energy_j": 0.99 * energy_j})
    moved = [problem.pretrained(problem.analog([name])) for name in ("fc0", "fc2", "fc3")]
    problem.expect([problem.pretrained(problem.all_digital), *reversed(moved)])
    [(candidates, fidelity, seed)] = oracle.told
    assert candidates == [each.with_training("short") for each in reversed(moved)]
    assert fidelity == Fidelity(draws=(0, problem.accuracy_limit.draws[0])) and seed == 7


def test_oracles_that_do_not_anticipate_are_not_told() -> None:
    problem = tiny_problem()
    assert not hasattr(problem.oracle, "expect")
    problem.expect([problem.pretrained(problem.all_digital)])


def test_questions_go_to_the_oracle_or_to_who_answers_for_it() -> None:
    problem, _ = told(seed=7, answers=None)
    assert problem.ask(Proxies(units=("fc0",))).values == {"seed": {"fc0": 7.0}}
    known = Answer(values={}, oracle_s=0.0)
    recorded = replace(problem, answers=lambda _: known)
    assert recorded.ask(Proxies(units=("fc0",))) is known


def test_what_a_problem_need_not_say() -> None:
    given = tiny_problem()
    problem = Problem(
        workload=given.workload,
        system=given.system,
        cost_model=given.cost_model,
        oracle=given.oracle,
        objectives=("latency_s",),
        accuracy_limit=given.accuracy_limit,
    )
    assert (problem.seed, problem.training, problem.cost_limits) == (0, "full", {})
    assert problem.answers is None
    assert repr(problem.prices) == "Prices(0 mappings)"


@pytest.mark.parametrize("limit", [inf, -1.0, 0.0])
def test_cost_limits_are_positive_and_finite(limit: float) -> None:
    with pytest.raises(InputError, match="cost limit energy_j: got"):
        replace(tiny_problem(), cost_limits={"energy_j": limit})
