"""A strategy made for one threshold, run once for each of several: it gives a front then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.knapsack import THRESHOLDS
from lionheart_opt.strategies.parts.nested import nested
from lionheart_opt.strategies.parts.pricing import cost_objectives
from lionheart_opt.strategy import Proposals, Strategy


@dataclass(frozen=True)
class EachThreshold:
    """Runs a strategy to its end for one threshold after the other, the largest first.

    So does LionHeart (IEEE TETC 2025, section IV-B4): one campaign of trainings a threshold. Each run
    sees the problem without the objective `drop` and with the threshold in place of the limit's
    `max_drop`. Candidates that several runs propose are answered from the record: LionHeart pays for
    them anew, so this is generous to it.

    A study that uses this should take a fixed number of draws (`draws = [5]`): otherwise draws end
    when the study's own limit is decided, which may leave a lower threshold undecided, and undecided
    is not feasible.

    Args:
        strategy: name of a registered strategy, or `module:attr`; it must end by itself.
        arguments: of that strategy.
        thresholds: those above the problem's own are left out; its own is always there.
    """

    strategy: str = "mac_greedy"
    arguments: dict[str, Any] = field(default_factory=dict)
    thresholds: Sequence[float] = THRESHOLDS

    def __post_init__(self) -> None:
        if not all(0 < threshold <= 1 for threshold in self.thresholds):
            raise InputError(
                f"each_threshold: thresholds: got {list(self.thresholds)}; must be in (0, 1]"
            )

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """The strategy's batches for each threshold, whose generators do not depend on each other."""
        inner: Strategy = plugins.build(
            "strategies", self.strategy, self.arguments, "each_threshold: strategy"
        )
        limit = problem.accuracy_limit
        lower = {threshold for threshold in self.thresholds if threshold < limit.max_drop}
        thresholds = sorted({*lower, limit.max_drop}, reverse=True)
        for threshold, own in zip(thresholds, rng.spawn(len(thresholds)), strict=True):
            question = replace(
                problem,
                objectives=cost_objectives(problem),
                accuracy_limit=replace(limit, max_drop=threshold),
            )
            yield from nested(question, inner.search(question, own))
