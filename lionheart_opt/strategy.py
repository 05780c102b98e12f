"""The protocol of strategies: all that a writer of one must read."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Iterable, Sequence
from typing import Protocol

import numpy as np

from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem
from lionheart_opt.text import shown

#: A strategy's generator: it yields batches of candidates and receives their evaluations in order.
Proposals = Generator[Sequence[Candidate], Sequence[Evaluation], None]


class Strategy(Protocol):
    """A search method: a frozen dataclass whose fields are its hyper-parameters.

    It reads like a plain loop and returns when it has nothing more to propose. Budget, record,
    resume and the choice of the incumbent belong to the search. Its only randomness is `rng`. What it
    wants to know beside evaluations it asks with `Problem.ask`.
    """

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """Propose candidates until done; see `strategies/mac_greedy.py` for the shortest example."""
        ...


def started(strategy: Strategy, problem: Problem, rng: np.random.Generator) -> Proposals:
    """The generator of a strategy, which anybody can write.

    Raises:
        InputError: Its `search` takes other arguments, or gives no generator.
    """
    where = f"{type(strategy).__name__}: search"
    try:
        inspect.signature(strategy.search).bind(problem, rng)
    except TypeError as error:
        raise InputError(f"{where}: {error}; must take (problem, rng)") from error
    proposals: object = strategy.search(problem, rng)
    if not isinstance(proposals, Generator):
        raise InputError(
            f"{where}: got {shown(proposals)}; must be a generator: a function that yields lists of "
            "candidates"
        )
    return proposals


def as_batch(strategy: Strategy, proposed: object) -> list[Candidate]:
    """The candidates that a strategy has yielded.

    Raises:
        InputError: It has yielded something else.
    """
    batch = list(proposed) if isinstance(proposed, Iterable) else None
    if batch is None or not all(isinstance(each, Candidate) for each in batch):
        raise InputError(
            f"{type(strategy).__name__}: yielded {shown(proposed)}; must be a list of candidates, such "
            "as [problem.pretrained(mapping)]"
        )
    return batch
