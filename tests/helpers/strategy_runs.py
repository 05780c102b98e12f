"""Problems that tests of strategies share, and what they read from the evaluations of a run."""

from dataclasses import replace

from lionheart_opt.cost import CostObjective
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.sensitivity import MoveProfile, measure_moves
from lionheart_opt.strategy import Proposals
from lionheart_opt.synthetic import SyntheticOracle
from lionheart_opt.testing import tiny_problem


def additive(problem: Problem, none_factor: float) -> Problem:
    """Without interaction and noise, in log losses; probes overestimate losses by a factor."""
    oracle = problem.oracle
    assert isinstance(oracle, SyntheticOracle)
    single = {**oracle.single, "none": none_factor * oracle.single["full"]}
    exact = replace(oracle, single=single, pair=0.0 * oracle.pair, noise=0.0)
    return replace(problem, oracle=exact)


def fronted(max_drop: float = 0.3) -> Problem:
    """With the drop among the objectives, and a fixed number of draws."""
    problem = tiny_problem(objectives=("latency_s", "drop"), max_drop=max_drop)
    return replace(problem, accuracy_limit=replace(problem.accuracy_limit, draws=(8,)))


def best(evaluations: list[Evaluation], objective: CostObjective = "latency_s") -> float:
    """Smallest cost of a feasible evaluation."""
    return min(
        evaluation.cost.value(objective) for evaluation in evaluations if evaluation.feasible
    )


def run_inner(problem: Problem, search: Proposals) -> tuple[list[Candidate], object]:
    """The candidates that a part of a strategy asked for, and what it returned."""
    asked: list[Candidate] = []
    try:
        batch = next(search)
        while True:
            asked += batch
            batch = search.send([problem.evaluate(candidate) for candidate in batch])
    except StopIteration as stop:
        return asked, stop.value


def measured(problem: Problem, training: str = "none") -> MoveProfile:
    """The profile that strategies get."""
    _, profile = run_inner(problem, measure_moves(problem, training))
    return profile


def after_profile(problem: Problem, evaluations: list[Evaluation]) -> list[Evaluation]:
    """What a strategy asked for once it had its profile."""
    count = len(measured(problem).losses)
    assert all(evaluation.candidate.training == "none" for evaluation in evaluations[:count])
    return evaluations[count:]
