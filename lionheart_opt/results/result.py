"""What one search found: its evaluations, its incumbent, its front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.evaluation import Evaluation, incumbent, oracle_seconds
from lionheart_opt.limits import Bounds
from lionheart_opt.problem import Problem
from lionheart_opt.study.search import Budget


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchResult:
    """One search as its record shows it.

    Args:
        label: what tables call the strategy.
        seed: of the strategy.
        problem: what it answers.
        evaluations: in the order in which they were proposed.
        strategy: its registered name.
        budget: that it was given.
        proposals: answered, repeats included; None where the record does not say.
        knowledge_s: oracle seconds of answers beside accuracies (`Record.knowledge_s`); they count as
            spent before the first trial.
        checks: digest of a finalist -> name of the check (`test`, ...) -> samples; see
            `lionheart_opt.results.final`.
    """

    label: str
    seed: int
    problem: Problem
    evaluations: Sequence[Evaluation]
    strategy: str = ""
    budget: Budget = field(default_factory=Budget)
    proposals: int | None = None
    knowledge_s: float = 0.0
    checks: dict[str, dict[str, Accuracy]] = field(default_factory=dict)

    @property
    def oracle_s(self) -> float:
        """Seconds of oracle time spent."""
        return oracle_seconds(self.evaluations) + self.knowledge_s

    @cached_property
    def best(self) -> Evaluation | None:
        """The incumbent."""
        return incumbent(self.evaluations)

    @property
    def repeats(self) -> float | None:
        """Share of the proposals that the record had answered already."""
        if not self.proposals:
            return None
        return max(1.0 - len(self.evaluations) / self.proposals, 0.0)

    @cached_property
    def measured(self) -> list[Evaluation]:
        """The evaluations with an accuracy: all but those that broke a cost limit."""
        return [one for one in self.evaluations if one.accuracy is not None]

    @cached_property
    def bounds(self) -> list[Bounds]:
        """The limit's statistic and its bounds for each of `measured`."""
        limit = self.problem.accuracy_limit
        return [limit.bounds(one.accuracy) for one in self.evaluations if one.accuracy is not None]

    @cached_property
    def points(self) -> np.ndarray:
        """Relative time (1 is all-digital) and drop of each of `measured`, shape (n, 2)."""
        digital = self.problem.digital_cost.time_per_inference_s
        pairs = [
            (one.cost.time_per_inference_s / digital, bounds.estimate)
            for one, bounds in zip(self.measured, self.bounds, strict=True)
        ]
        return np.array(pairs, dtype=float).reshape(-1, 2)

    def feasible_at(self, max_drop: float) -> list[Evaluation]:
        """What keeps every limit of the problem if the largest accepted drop is this one.

        By the same statistical test. Its bounds hold at any threshold, but draws were only added until
        the problem's own was decided: with a fixed number of draws none is at a disadvantage.
        """
        return [
            one
            for one, bounds in zip(self.measured, self.bounds, strict=True)
            if bounds.high <= max_drop
            and all(excess <= 0 for name, excess in one.violations.items() if name != "drop")
        ]

    def fastest_at(self, max_drop: float) -> Evaluation | None:
        """The fastest of `feasible_at`; of equal ones that of the least energy."""
        return min(
            self.feasible_at(max_drop),
            key=lambda one: (one.cost.time_per_inference_s, one.cost.energy_j),
            default=None,
        )
