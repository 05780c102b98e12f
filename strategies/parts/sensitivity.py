"""The sensitivity profile that strategies search on: what each unit alone loses on an analog target."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from math import log

import numpy as np

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.space import analog_moves
from lionheart_opt.strategies.parts.pricing import price

#: (unit, target)
Move = tuple[str, str]


#: A part of a strategy that evaluates something and returns a profile; used with `yield from`.
Profiling = Generator[Sequence[Candidate], Sequence[Evaluation], "Profile"]


def log_loss(drop: float, baseline: float) -> float:
    """ln(baseline / accuracy), the accuracy taken as at least 1 % of the baseline.

    Losses of units add up better than drops do: a drop cannot exceed the baseline.
    """
    return -log(max(1.0 - drop / baseline, 0.01))


def observed_loss(problem: Problem, evaluation: Evaluation) -> float | None:
    """Log loss at the limit's time; None where the oracle was not asked."""
    if evaluation.accuracy is None:
        return None
    drop = problem.accuracy_limit.bounds(evaluation.accuracy).estimate
    return log_loss(drop, evaluation.accuracy.baseline)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Log loss and price of every move of one unit from all-digital to an analog target.

    Args:
        losses: log loss of the move alone; where it could not be measured, the mean of the others.
        savings: what the move alone takes off the first cost objective.
        baseline: accuracy of the floating-point network; 1 if the oracle was never asked.
    """

    losses: dict[Move, float]
    savings: dict[Move, float]
    baseline: float

    def loss(self, mapping: Mapping) -> float:
        """Sum over the mapping's analog units."""
        return sum(self.losses.get(move, 0.0) for move in mapping.assignments)

    def by_loss(self) -> list[Move]:
        """Moves, least loss first; of one unit only the least."""
        return _first_of_each_unit(sorted(self.losses, key=lambda move: self.losses[move]))

    def by_saving_per_loss(self) -> list[Move]:
        """Moves, most saving for its loss first; of one unit only the best.

        Losses below a thousandth of the largest (noise may even make them negative) count as that.
        """
        least = 1e-3 * max([*self.losses.values(), 1e-9])
        ratio = {m: self.savings[m] / max(self.losses[m], least) for m in self.losses}
        return _first_of_each_unit(sorted(ratio, key=lambda move: -ratio[move]))

    def nested(self, problem: Problem, count: int) -> list[Mapping]:
        """`count` mappings from one move up to all, each with the next best moves per loss added."""
        moves = self.by_saving_per_loss()
        sizes = np.unique(np.linspace(1, len(moves), min(count, len(moves))).round().astype(int))
        return [problem.mapping(dict(moves[:size])) for size in sizes]


def _first_of_each_unit(moves: list[Move]) -> list[Move]:
    first: dict[str, str] = {}
    for unit, target in moves:
        first.setdefault(unit, target)
    return list(first.items())


def trained(problem: Problem, candidate: Candidate, training: Training) -> Candidate:
    """The candidate with that training; the problem's own stays unsaid, so that records match."""
    return candidate if training == problem.training else candidate.with_training(training)


def profile(problem: Problem, training: Training) -> Profiling:
    """Measure every analog move alone, in one batch.

    Moves to digital targets lose nothing. Where cost limits keep the oracle from being asked about a
    move, it gets the mean loss of the others.
    """
    moves = analog_moves(problem)
    candidates = [
        trained(problem, problem.pretrained(problem.all_digital.move(*move)), training)
        for move in moves
    ]
    answers = (yield candidates) if candidates else []
    found = [observed_loss(problem, answer) for answer in answers]
    measured = [loss for loss in found if loss is not None]
    mean = float(np.mean(measured)) if measured else 1.0
    digital = price(problem, problem.all_digital)
    return Profile(
        losses={
            move: mean if loss is None else loss for move, loss in zip(moves, found, strict=True)
        },
        savings={move: digital - price(problem, problem.all_digital.move(*move)) for move in moves},
        baseline=next((one.accuracy.baseline for one in answers if one.accuracy), 1.0),
    )
