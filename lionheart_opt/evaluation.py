"""The answer to a candidate, and which of several answers are best."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum

import numpy as np

from lionheart_opt.accuracy import Accuracy
from lionheart_opt.cost import Totals
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.statistics.bounds import Bounds


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Evaluation:
    """The answer to a candidate.

    Args:
        candidate: The candidate that was evaluated.
        cost: What its mapping costs in total; `Problem.cost` has it by layer.
        accuracy: Its accuracy; None where the cost alone broke a limit, so that no oracle time was spent,
            or where the evaluation failed.
        objectives: Name -> value, all to be minimised.
        violations: Name of a limit -> by how much it is broken; `<= 0` is feasible.
        oracle_s: Seconds of oracle time that the answer cost, without what it shares with others.
        failed: Why there is no accuracy although the cost keeps the limits: every worker process that
            evaluated it has died. Empty where there is one.
        drop: The limit's statistic at its worst time, with its bounds; None where nothing was measured,
            or the training diverged.
    """

    candidate: Candidate
    cost: Totals
    accuracy: Accuracy | None
    objectives: dict[str, float]
    violations: dict[str, float]
    oracle_s: float
    failed: str = ""
    drop: Bounds | None = None

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value:.4g}" for name, value in self.objectives.items())
        broken = [name for name, excess in self.violations.items() if not excess <= 0]
        state = "feasible" if not broken else f"breaks {', '.join(broken)}"
        return (
            f"Evaluation({self.mapping!r}: {values}; {state}; {self.oracle_s:.3g} oracle seconds)"
        )

    @property
    def feasible(self) -> bool:
        """Whether every limit holds."""
        return all(violation <= 0 for violation in self.violations.values())

    @property
    def measured(self) -> bool:
        """Whether it has an accuracy of its own: it was measured, and its training did not diverge."""
        return self.accuracy is not None and not self.accuracy.diverged

    @property
    def mapping(self) -> Mapping:
        """The candidate's mapping."""
        return self.candidate.mapping


def oracle_seconds(evaluations: Iterable[Evaluation]) -> float:
    """Oracle seconds of evaluations together; a training that they share counts once."""
    each, shared = [], 0.0
    for evaluation in evaluations:
        each.append(evaluation.oracle_s)
        if evaluation.accuracy is not None:
            shared = max(shared, evaluation.accuracy.shared_s)
    return fsum(each) + shared


def incumbent(evaluations: Sequence[Evaluation]) -> Evaluation | None:
    """The feasible evaluation that is best in the first objective; ties go to the next ones.

    The one rule for all strategies; none reports its own winner.
    """
    feasible = [evaluation for evaluation in evaluations if evaluation.feasible]
    return min(feasible, key=lambda evaluation: tuple(evaluation.objectives.values()), default=None)


def non_dominated(points: np.ndarray) -> np.ndarray:
    """Numbers of the points that no other point dominates, in order of the first coordinate.

    A point is dominated if another one is at least as good in every coordinate; of equal points the
    first one stays.

    Args:
        points: Values to be minimised, shape (n_points, n_objectives).

    Returns:
        Row numbers, shape (n_kept,).
    """
    # sorted like this, a point can only be dominated by one that came before
    order = np.lexsort(points.T[::-1])
    if points.shape[1] == 2:
        seconds, is_kept = points[order, 1], np.ones(len(points), dtype=bool)
        is_kept[1:] = seconds[1:] < np.minimum.accumulate(seconds)[:-1]
        return order[is_kept]
    kept: list[int] = []
    for number in order:
        if not (points[kept] <= points[number]).all(axis=1).any():
            kept.append(int(number))
    return np.array(kept, dtype=int)


def front(evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """The feasible evaluations that no other feasible one dominates, by the first objective."""
    feasible = [evaluation for evaluation in evaluations if evaluation.feasible]
    if not feasible:
        return []
    points = np.array([list(evaluation.objectives.values()) for evaluation in feasible])
    return [feasible[number] for number in non_dominated(points)]
