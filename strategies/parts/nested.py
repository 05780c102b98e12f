"""A strategy that runs inside another one, on a problem of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

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
