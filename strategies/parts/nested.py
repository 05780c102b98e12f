"""A strategy run inside another one, under a question of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.strategy import Proposals

Nested = Generator[Sequence[Candidate], Sequence[Evaluation], list[Evaluation]]


def nested(
    question: Problem,
    search: Proposals,
    asked: Callable[[Candidate], Candidate] = lambda one: one,
    most: int | None = None,
) -> Nested:
    """The batches of a search of another question with the same oracle, answered as it would be.

    Args:
        question: what the inner search was given.
        search: the inner search; closed at the end.
        asked: the outer problem's candidate for one of the inner search.
        most: answers after which it is stopped, once the batch is answered; repeats count.

    Returns:
        What was answered, in the outer problem's terms, repeats left out.
    """
    found: dict[str, Evaluation] = {}
    answered = 0
    try:
        batch = next(search)
        while most is None or answered < most:
            outer = [asked(one) for one in batch]
            answers = yield outer
            answered += len(answers)
            found |= {one.digest: answer for one, answer in zip(outer, answers, strict=True)}
            pairs = zip(batch, answers, strict=True)
            batch = search.send([question.evaluation(one, got.accuracy) for one, got in pairs])
    except StopIteration:
        pass
    finally:
        search.close()
    return list(found.values())
