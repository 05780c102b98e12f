"""What each unit alone loses on each analog target: the measurements that strategies search on."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np

from lionheart_opt.accuracy import KnowsTrainings
from lionheart_opt.errors import InputError
from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate, Mapping, Training
from lionheart_opt.metric import ACCURACY, Metric
from lionheart_opt.problem import Problem
from lionheart_opt.space import analog_moves
from lionheart_opt.strategies.parts.pricing import price

#: (unit, target)
Move = tuple[str, str]


#: The part of a strategy that measures a `MoveProfile`; used with `yield from`.
Measuring = Generator[Sequence[Candidate], Sequence[Evaluation], "MoveProfile"]


def observed_loss(problem: Problem, evaluation: Evaluation) -> float | None:
    """Log loss of an evaluation at the limit's worst time; None where there is none of its own."""
    if evaluation.accuracy is None or not evaluation.measured:
        return None
    drop = problem.accuracy_limit.bounds(evaluation.accuracy).estimate
    return evaluation.accuracy.metric.log_loss(drop, evaluation.accuracy.baseline)


@dataclass(frozen=True, kw_only=True)
class MoveProfile:
    """Log loss and saving of every move of a single unit from all-digital to an analog target.

    Args:
        losses: Log loss of each move alone; the mean of the others where it could not be measured.
        savings: Reduction of the first cost objective by each move alone.
        baseline: Value of the floating-point network; 1 if the oracle was never asked.
        metric: What it is a value of.
        unmeasured: Moves that could not be measured.
    """

    losses: dict[Move, float]
    savings: dict[Move, float]
    baseline: float
    metric: Metric = ACCURACY
    unmeasured: frozenset[Move] = frozenset()

    def loss(self, mapping: Mapping) -> float:
        """Sum of the losses of the mapping's analog units."""
        return sum(self.losses.get(move, 0.0) for move in mapping.assignments)

    def by_loss(self) -> list[Move]:
        """The move of least loss of each unit, least loss first."""
        return _first_of_each_unit(sorted(self.losses, key=lambda move: self.losses[move]))

    def by_saving_per_loss(self) -> list[Move]:
        """The move of each unit with the most saving for its loss, best first.

        Losses below a thousandth of the largest one count as that: noise may even make them negative.
        """
        least = 1e-3 * max([*self.losses.values(), 1e-9])
        ratio = {move: self.savings[move] / max(self.losses[move], least) for move in self.losses}
        return _first_of_each_unit(sorted(ratio, key=lambda move: -ratio[move]))

    def nested(self, problem: Problem, count: int) -> list[Mapping]:
        """At most `count` mappings, from one move to all, each adding the next best moves per loss."""
        moves = self.by_saving_per_loss()
        sizes = np.unique(np.linspace(1, len(moves), min(count, len(moves))).round().astype(int))
        return [problem.mapping(dict(moves[:size])) for size in sizes]


def _first_of_each_unit(moves: list[Move]) -> list[Move]:
    first: dict[str, str] = {}
    for unit, target in moves:
        first.setdefault(unit, target)
    return list(first.items())


def trained(problem: Problem, candidate: Candidate, training: Training | None) -> Candidate:
    """The candidate with that training; None leaves it as it is.

    It stays unset where it is the problem's own, so that the candidate equals those of strategies that
    leave the training to the problem.
    """
    if training is None or training == problem.training:
        return candidate
    return candidate.with_training(training)


def check_training(problem: Problem, training: Training, setting: str) -> None:
    """Refuse a training that the oracle cannot answer, such as one that a table has no row of.

    Args:
        problem: Has the oracle.
        training: The training.
        setting: What the strategy calls the setting that asks for it.

    Raises:
        InputError: The message names the trainings that the oracle can answer.
    """
    oracle = problem.oracle
    if isinstance(oracle, KnowsTrainings) and training not in oracle.trainings:
        allowed = sorted(set(oracle.trainings))
        raise InputError(
            f"{setting}: got {training!r}; the accuracy table of the study has only rows with training "
            f"{' or '.join(map(repr, allowed))}: set {setting} = {json.dumps(allowed[0])} in the "
            "strategy's arguments"
        )


def observed_drop(problem: Problem, evaluation: Evaluation) -> float | None:
    """Mean drop of an evaluation at the limit's latest time; None where there is none of its own."""
    if evaluation.accuracy is None or not evaluation.measured:
        return None
    return float(evaluation.accuracy.drops_at(max(problem.accuracy_limit.times_s)).mean())


def savings(problem: Problem, moves: Sequence[Move]) -> dict[Move, float]:
    """Reduction of the first cost objective by each move alone."""
    digital = price(problem, problem.all_digital)
    return {move: digital - price(problem, problem.all_digital.move(*move)) for move in moves}


def measure_moves(
    problem: Problem,
    training: Training,
    setting: str = "profile",
    observed: Callable[[Problem, Evaluation], float | None] = observed_loss,
) -> Measuring:
    """Measure every analog move alone, in one batch.

    Moves to digital targets lose nothing. A move that breaks a cost limit is not measured, because the
    oracle is not asked: it gets the mean loss of the others (`measure_together` completes such a
    profile).

    Args:
        problem: The problem whose moves are measured.
        training: Training of the weights that they are measured with.
        setting: What the strategy calls the setting that gives the training.
        observed: What an evaluation says about the loss.

    Raises:
        InputError: The oracle cannot answer the training.
    """
    check_training(problem, training, setting)
    moves = analog_moves(problem)
    mappings = [problem.all_digital.move(*move) for move in moves]
    asked = [trained(problem, problem.pretrained(mapping), training) for mapping in mappings]
    evaluations = (yield asked) if asked else []
    losses = [observed(problem, evaluation) for evaluation in evaluations]
    measured = [loss for loss in losses if loss is not None]
    mean = float(np.mean(measured)) if measured else 1.0
    accuracy = next((each.accuracy for each in evaluations if each.accuracy), None)
    return MoveProfile(
        losses={
            move: mean if loss is None else loss for move, loss in zip(moves, losses, strict=True)
        },
        savings=savings(problem, moves),
        baseline=accuracy.baseline if accuracy else 1.0,
        metric=accuracy.metric if accuracy else ACCURACY,
        unmeasured=frozenset(
            move for move, loss in zip(moves, losses, strict=True) if loss is None
        ),
    )
