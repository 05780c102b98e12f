"""What each unit alone loses, from how far it moves the network's outputs on one chip."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Candidate, Training
from lionheart_opt.problem import Problem
from lionheart_opt.questions import Divergences, check_screening
from lionheart_opt.space import analog_moves
from lionheart_opt.strategies.parts.pricing import excess
from lionheart_opt.strategies.parts.sensitivity import (
    Move,
    MoveProfile,
    observed_loss,
    savings,
    trained,
)

#: Mappings whose losses turn divergences into losses: about the better half of all moves, and all.
SIZES = 3


def screened_moves(
    problem: Problem, training: Training, setting: str
) -> Generator[Sequence[Candidate], Sequence[Evaluation], MoveProfile]:
    """The profile in proportion to the divergence of each move, which takes few evaluations.

    Divergences on one chip rank moves as well as losses on many do, because they do not scatter from
    example to example (`benchmarks/screening.py`). Two mappings of many moves are measured, and give
    the factor between divergence and loss.

    Args:
        problem: The problem whose moves are measured.
        training: Training of the weights that they are measured with.
        setting: What the strategy calls the setting that gives the training.

    Raises:
        InputError: The training is not `none`, or the oracle says no divergences.
    """
    check_screening(problem.oracle, training, f"screen: {setting}")
    moves = analog_moves(problem)
    losses: dict[Move, float] = {}
    for target in problem.system.analog_targets:
        units = tuple(unit for unit, where in moves if where == target)
        if units:
            question = Divergences(
                units=units,
                target=target,
                others=problem.all_digital.to_json(),
                time_s=max(problem.accuracy_limit.times_s),
            )
            values = problem.ask(question).values["divergence"]
            losses |= {(unit, target): max(values[unit], 0.0) for unit in units}
    profile = MoveProfile(
        losses={move: losses[move] for move in moves},
        savings=savings(problem, moves),
        baseline=1.0,
    )
    mappings = [
        mapping for mapping in profile.nested(problem, SIZES)[1:] if not excess(problem, mapping)
    ]
    candidates = [trained(problem, problem.pretrained(mapping), "none") for mapping in mappings]
    evaluations = (yield candidates) if candidates else []
    lost, predicted = 0.0, 0.0
    for evaluation in evaluations:
        loss = observed_loss(problem, evaluation)
        if loss is not None and evaluation.accuracy is not None:
            lost, predicted = lost + max(loss, 0.0), predicted + profile.loss(evaluation.mapping)
            accuracy = evaluation.accuracy
            profile = replace(profile, baseline=accuracy.baseline, metric=accuracy.metric)
    factor = lost / predicted if lost > 0 and predicted > 0 else 1.0
    return replace(profile, losses={move: factor * loss for move, loss in profile.losses.items()})
