"""The protocol of strategies: all that a writer of one must read."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

import numpy as np

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate
from lionheart_opt.problem import Problem

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
