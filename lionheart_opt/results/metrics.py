"""What a search is worth: gains over all-digital, hypervolume, the best mapping at each threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import Cost
from lionheart_opt.evaluation import Evaluation, incumbent, oracle_seconds
from lionheart_opt.limits import AccuracyLimit, Bounds
from lionheart_opt.problem import Problem
from lionheart_opt.study.search import Budget

#: Drops at which searches are compared: LionHeart's thresholds (section IV-B4).
THRESHOLDS = (0.005, 0.01, 0.03, 0.05, 0.1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
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


def thresholds(limit: AccuracyLimit) -> tuple[float, ...]:
    """The limit's largest drop, and those of `THRESHOLDS` below it; growing."""
    return (*(one for one in THRESHOLDS if one < limit.max_drop), limit.max_drop)


def drop_of(problem: Problem, evaluation: Evaluation) -> float | None:
    """The limit's statistic (mean or quantile) at its worst time; None if nothing was measured."""
    if evaluation.accuracy is None:
        return None
    return problem.accuracy_limit.bounds(evaluation.accuracy).estimate


def gains(problem: Problem, cost: Cost) -> tuple[float, float]:
    """Speed-up and energy gain over all-digital."""
    digital = problem.digital_cost
    return (
        digital.time_per_inference_s / cost.time_per_inference_s,
        digital.energy_j / cost.energy_j,
    )


def hypervolume(pairs: np.ndarray, largest_drop: float) -> float:
    """Area that points (to be minimised) dominate below (1, largest drop), as a share of that box.

    Drops below zero count as zero, so that a lucky draw gains nothing; an empty box has no area.

    Args:
        pairs: shape (n, 2): relative time and drop.
        largest_drop: what is worth nothing: the study's limit.
    """
    clipped = np.clip(pairs, 0.0, None)
    inside = clipped[(clipped < (1.0, largest_drop)).all(axis=1)]
    area, lowest = 0.0, largest_drop
    for time, drop in inside[np.argsort(inside[:, 0], kind="stable")].tolist():
        if drop < lowest:
            area += (1.0 - time) * (lowest - drop)
            lowest = drop
    return area / largest_drop if largest_drop > 0 else 0.0


def final_hypervolume(run: Run) -> float:
    """Hypervolume of everything that a search has measured."""
    return hypervolume(run.points, run.problem.accuracy_limit.max_drop)


def history(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Oracle seconds and hypervolume after each trial, each of shape (n_trials + 1,) from zero on.

    Answers beside accuracies count as if all of them had come before the first trial.
    """
    seconds = run.knowledge_s + np.cumsum([one.oracle_s for one in run.evaluations])
    shared = [one.accuracy.shared_s if one.accuracy else 0.0 for one in run.evaluations]
    if run.evaluations:
        seconds += np.maximum.accumulate(shared)
    largest_drop = run.problem.accuracy_limit.max_drop
    points = iter(run.points)
    front = np.empty((0, 2))
    volumes = [0.0]
    for one in run.evaluations:
        volume = volumes[-1]
        if one.accuracy is not None:
            point = np.clip(next(points), 0.0, None)
            if not (front <= point).all(axis=1).any():  # else nothing new is dominated
                front = np.vstack([front[~(point <= front).all(axis=1)], point])
                volume = hypervolume(front, largest_drop)
        volumes.append(volume)
    return np.array([0.0, *seconds]), np.array(volumes)
