"""Run a strategy that is made for one threshold once for each of several, which gives a front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lionheart_opt import plugins
from lionheart_opt.errors import InputError
from lionheart_opt.limits import LIONHEART_THRESHOLDS
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.nested import nested, side_by_side
from lionheart_opt.strategies.parts.pricing import cost_objectives
from lionheart_opt.strategy import Proposals, Strategy


@dataclass(frozen=True)
class EachThreshold:
    """Runs a strategy to its end for every threshold, all of them at once, the largest first.

    LionHeart does so, too (IEEE TETC 2025, section IV-B4): it trains anew for every threshold. A
    batch holds the next candidates of every run, so that workers evaluate them side by side. Each
    run sees the problem without the objective `drop` and with the threshold as its `max_drop`.
    Unlike LionHeart, candidates that several runs propose are paid for once, which is generous to
    it.

    A study that uses this should take a fixed number of draws (`draws = [5]`). Otherwise draws end
    when the study's own limit is decided, which may leave a lower threshold undecided, and an undecided
    mapping is not feasible.

    Args:
        strategy: Name of a registered strategy, or `module:attr`. It must end by itself.
        arguments: Arguments of that strategy.
        thresholds: Largest drops to run it for. The problem's own is always added, and larger ones are
            left out.

    Raises:
        InputError: A threshold is not in (0, 1].
    """

    strategy: str = "mac_greedy"
    arguments: dict[str, Any] = field(default_factory=dict)
    thresholds: Sequence[float] = LIONHEART_THRESHOLDS

    def __post_init__(self) -> None:
        if not all(0 < threshold <= 1 for threshold in self.thresholds):
            raise InputError(
                f"each_threshold: thresholds: got {list(self.thresholds)}; must be in (0, 1]"
            )

    def search(self, problem: Problem, rng: np.random.Generator) -> Proposals:
        """The batches of all thresholds, joined; each run has a random generator of its own.

        Raises:
            InputError: There is no such strategy, or it does not take the arguments.
        """
        inner: Strategy = plugins.build(
            "strategies", self.strategy, self.arguments, "each_threshold: strategy"
        )
        limit = problem.accuracy_limit
        lower = {threshold for threshold in self.thresholds if threshold < limit.max_drop}
        thresholds = sorted({*lower, limit.max_drop}, reverse=True)
        runs = []
        for threshold, own_rng in zip(thresholds, rng.spawn(len(thresholds)), strict=True):
            own_problem = replace(
                problem,
                objectives=cost_objectives(problem),
                accuracy_limit=replace(limit, max_drop=threshold),
            )
            runs.append(nested(own_problem, inner.search(own_problem, own_rng)))
        yield from side_by_side(runs)
