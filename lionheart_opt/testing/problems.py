"""Small problems that tests can search completely, and what searches them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from lionheart_opt.evaluation import Evaluation, oracle_seconds
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Objective, Problem
from lionheart_opt.questions import consult
from lionheart_opt.space import Space, every_mapping, random_mapping
from lionheart_opt.strategy import Strategy
from lionheart_opt.study.plan import Budget
from lionheart_opt.study.record import InMemory, Record
from lionheart_opt.study.search import Search
from lionheart_opt.synthetic import synthetic_problem, tabulated


@cache
def tiny_problem(
    *,
    targets: tuple[str, ...] = ("cpu", "tile"),
    objectives: tuple[Objective, ...] = ("latency_s",),
    max_drop: float = 0.05,
    latency_limit_s: float | None = None,
    seed: int = 3,
) -> Problem:
    """Five units and a table oracle with interaction and noise: small enough for brute force.

    What the table does not know the made-up oracle answers, from which it was recorded.
    """
    problem = synthetic_problem(
        n_units=5,
        seed=seed,
        targets=targets,
        objectives=objectives,
        max_drop=max_drop,
        cost_limits={} if latency_limit_s is None else {"latency_s": latency_limit_s},
    )
    return replace(
        problem,
        oracle=tabulated(problem),
        answers=lambda question: consult(problem.oracle, question, problem.seed),
    )


def brute_force(problem: Problem) -> list[Evaluation]:
    """Every mapping evaluated, trained from the floating-point network."""
    return [problem.evaluate(problem.pretrained(mapping)) for mapping in every_mapping(problem)]


def drive(
    strategy: Strategy,
    problem: Problem,
    *,
    seed: int = 0,
    trials: int | None = None,
    oracle_s: float | None = None,
    record: Iterable[Evaluation] = (),
) -> list[Evaluation]:
    """Run a strategy as a search does, in memory.

    Args:
        strategy: What to run.
        problem: What it is asked.
        seed: Seed of its random generator.
        trials: Evaluations paid for; None is no limit.
        oracle_s: Seconds of oracle time paid for; None is no limit.
        record: Evaluations of an earlier run, which answer for free.

    Returns:
        Every new evaluation, in order (those of `record` are not in it).

    Raises:
        AssertionError: The strategy goes on without proposing anything new.
    """
    earlier = list(record)
    paid_s = oracle_seconds(earlier)
    budget = Budget(
        trials=None if trials is None else max(trials, 0) + len(earlier),
        oracle_s=None if oracle_s is None else oracle_s + paid_s,
    )
    kept = Record(problem, InMemory(evaluations=earlier))
    ending = Search(kept, strategy, seed, budget).run()
    assert ending != "repeats", f"{strategy} proposes only what is known"
    return kept.evaluations()[len(earlier) :]


def digests(evaluations: Sequence[Evaluation]) -> list[str]:
    """Digests of the candidates, in order."""
    return [evaluation.candidate.digest for evaluation in evaluations]


def sample(space: Space) -> list[Mapping]:
    """The ends of the scale and a few mappings between them."""
    rng = np.random.default_rng(0)
    between = [random_mapping(space, rng) for _ in range(10)]
    return [space.all_digital, space.all_analog, *between]
