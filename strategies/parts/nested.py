"""Strategies that run inside another one, each on a problem of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import islice

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.strategy import Proposals

#: Yields batches like a strategy and returns the evaluations that it received.
Nested = Generator[Sequence[Candidate], Sequence[Evaluation], list[Evaluation]]


def nested(
    problem: Problem,
    search: Proposals,
    translate: Callable[[Candidate], Candidate] = lambda candidate: candidate,
    most: int | None = None,
) -> Nested:
    """Yield the batches of an inner search, and answer it in terms of its own problem.

    Both problems have the same oracle and workload.

    Args:
        problem: The problem of the inner search.
        search: The inner search; closed at the end.
        translate: Maps a candidate of the inner search to the outer candidate that is evaluated for it.
        most: Number of answers, repeats included, after which the inner search is stopped. The batch
            that would exceed it is cut off. None is no limit.

    Returns:
        The outer evaluations, without repeats, in the order in which they were first received.
    """
    received: dict[str, Evaluation] = {}
    answered = 0
    try:
        batch = next(search)
        while most is None or answered < most:
            proposed = len(batch)
            batch = batch if most is None else batch[: most - answered]
            outer = [translate(candidate) for candidate in batch]
            evaluations = yield outer
            answered += len(evaluations)
            received |= {
                candidate.digest: evaluation
                for candidate, evaluation in zip(outer, evaluations, strict=True)
            }
            if len(batch) < proposed:
                break
            batch = search.send(
                [
                    problem.evaluation(candidate, evaluation.accuracy)
                    for candidate, evaluation in zip(batch, evaluations, strict=True)
                ]
            )
    except StopIteration:
        pass
    finally:
        search.close()
    return list(received.values())


def side_by_side(
    searches: Sequence[Generator[Sequence[Candidate], Sequence[Evaluation], object]],
) -> Proposals:
    """Run inner searches at once: a batch of each is evaluated together.

    What a search proposes does not depend on the others.

    Args:
        searches: The inner searches; closed at the end.
    """
    batches: list[Sequence[Candidate] | None] = [None] * len(searches)
    answers: list[Sequence[Evaluation] | None] = [None] * len(searches)
    running = list(range(len(searches)))
    try:
        while True:
            for number in list(running):
                answer, search = answers[number], searches[number]
                try:
                    batches[number] = next(search) if answer is None else search.send(answer)
                except StopIteration:
                    running.remove(number)
            if not running:
                return
            joined = [list(batches[number] or ()) for number in running]
            evaluations = iter((yield [candidate for batch in joined for candidate in batch]))
            for number, batch in zip(running, joined, strict=True):
                answers[number] = list(islice(evaluations, len(batch)))
    finally:
        for search in searches:
            search.close()
