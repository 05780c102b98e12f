"""How strategies begin: their first proposals, or the first question that they ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from lionheart_opt.accuracy import AccuracyOracle
from lionheart_opt.errors import Collected, InputError
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Answer, Question, cannot_answer, questions_of
from lionheart_opt.strategy import Strategy, as_batch, started
from lionheart_opt.study.plan import SearchPlan


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a run begins.

    Args:
        label: The run.
        candidates: Its first proposals; none if it asks a question first.
        question: The question that it asks first.
    """

    label: str
    candidates: tuple[Candidate, ...] = ()
    question: Question | None = None


class _Asked(Exception):
    """The strategy has asked a question that the oracle can answer."""


def openings(
    problem: Problem,
    oracle: AccuracyOracle | None,
    plans: Sequence[SearchPlan],
    build: Callable[[SearchPlan], Strategy],
    where: Callable[[SearchPlan], str],
    wrong: Collected,
) -> list[Opening]:
    """Build the strategy of each run and follow it to its first proposals, or to its first question.

    Args:
        problem: What the strategies see; its oracle is not asked.
        oracle: What decides which questions are answered; None allows every question.
        plans: The searches. Of those with the same label, the first one counts.
        build: Builds the strategy of a search.
        where: What error messages call a search.
        wrong: Receives what strategies refuse, and proposals that do not fit the problem.

    Returns:
        The openings of the runs in which nothing was wrong.
    """
    begun = []
    first_of_each_run = {plan.label: plan for plan in reversed(plans)}
    for plan in reversed(first_of_each_run.values()):
        asked: list[Question] = []

        def ask(question: Question, asked: list[Question] = asked) -> Answer:
            if oracle is not None and type(question) not in questions_of(oracle):
                raise cannot_answer(question)
            asked.append(question)
            raise _Asked

        seen = replace(problem, answers=ask)
        with wrong.collect():
            strategy = build(plan)
            candidates: tuple[Candidate, ...] = ()
            try:
                with closing(
                    started(strategy, seen, np.random.default_rng(plan.seed))
                ) as proposals:
                    candidates = tuple(as_batch(strategy, next(proposals, ())))
                    for candidate in candidates:
                        problem.check(candidate.mapping)
            except _Asked:
                pass
            except InputError as error:
                raise InputError(f"{where(plan)}: {error}") from error
            question = asked[0] if asked else None
            begun.append(Opening(label=plan.label, candidates=candidates, question=question))
    return begun
