"""What moves lose that cost limits do not allow alone: measured in mappings that keep the limits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import nnls

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping, Training
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.sensitivity import (
    Measuring,
    Move,
    MoveProfile,
    observed_loss,
    trained,
)

#: Finds the mapping whose moves have the least sum of weights and that keeps the cost limits; None
#: where there is none.
Finder = Callable[[dict[Move, float]], Mapping | None]

#: Error of a measured loss, relative to the mean loss of a move, beside what its bounds say.
ERROR = 0.1
#: Variance, relative to that of the loss of a move, from which on a mapping is worth a measurement:
#: below, its own loss follows from what is measured already.
UNKNOWN = 0.1


def measure_together(
    problem: Problem, training: Training, profile: MoveProfile, find: Finder
) -> Measuring:
    """Complete a profile by mappings of several moves, in one batch.

    For each move that was not measured, the one of whose loss is known least first, the mapping is
    measured that tells most about it: the smallest with or without the move that has few of the moves
    from which it cannot be told apart yet. A move that no mapping tells apart from others has the
    mean of their losses. Losses follow from all measurements by least squares, none below 0, with all
    losses alike as the prior (a sequential design by posterior variances, and ridge regression).

    Args:
        problem: The problem whose moves are measured.
        training: Training of the weights that they are measured with.
        profile: What was measured of single moves.
        find: Finds mappings.
    """
    moves = list(profile.losses)
    alone = [move for move in moves if move not in profile.unmeasured]
    rows = [np.array([other == move for other in moves], float) for move in alone]
    mappings = _telling(moves, rows, profile.unmeasured, find)
    asked = [trained(problem, problem.pretrained(mapping), training) for mapping in mappings]
    evaluations = (yield asked) if asked else []
    losses, margins = [profile.losses[move] for move in alone], [0.0] * len(alone)
    for evaluation in evaluations:
        loss = observed_loss(problem, evaluation)
        if loss is not None and evaluation.accuracy is not None:
            rows.append(_features(moves, evaluation.mapping))
            losses.append(loss)
            margins.append(_half_margin(problem, evaluation, loss))
            accuracy = evaluation.accuracy
            profile = replace(profile, baseline=accuracy.baseline, metric=accuracy.metric)
    if len(rows) == len(alone):
        return profile
    found = _fitted(np.array(rows), np.array(losses), np.array(margins))
    fitted = dict(zip(moves, found.tolist(), strict=True))
    measured = {move: profile.losses[move] for move in alone}
    return replace(profile, losses=fitted | measured)


def _features(moves: Sequence[Move], mapping: Mapping) -> np.ndarray:
    """Which moves a mapping has, 0 or 1, shape (n_moves,)."""
    return np.array([mapping[unit] == target for unit, target in moves], float)


def _half_margin(problem: Problem, evaluation: Evaluation, loss: float) -> float:
    """Half of the distance from the loss to its upper bound."""
    assert evaluation.accuracy is not None, "it was measured"
    accuracy = evaluation.accuracy
    high = problem.accuracy_limit.bounds(accuracy).high
    return 0.5 * (accuracy.metric.log_loss(high, accuracy.baseline) - loss)


def _telling(
    moves: Sequence[Move],
    rows: Sequence[np.ndarray],
    unmeasured: frozenset[Move],
    find: Finder,
) -> list[Mapping]:
    """Mappings to measure, at most one for each move that was not measured."""
    covariance = np.eye(len(moves))
    for row in rows:
        covariance = _learned(covariance, row)
    chosen: list[Mapping] = []
    left = [number for number, move in enumerate(moves) if move in unmeasured]
    while left:
        number = max(left, key=lambda each: covariance[each, each])
        left.remove(number)
        shares = covariance[number] / covariance[number, number]
        best, most = None, 0.0
        for sign in (-1.0, 1.0):  # with the move, or without it
            weights = 1.0 + sign * (len(moves) + 1.0) * shares
            mapping = find(dict(zip(moves, weights.tolist(), strict=True)))
            if mapping is None or mapping in chosen:
                continue
            row = _features(moves, mapping)
            variance = row @ covariance @ row
            told = (covariance[number] @ row) ** 2 / (variance + ERROR**2)
            if variance > UNKNOWN and told > most:
                best, most = mapping, told
        if best is not None:
            chosen.append(best)
            covariance = _learned(covariance, _features(moves, best))
    return chosen


def _learned(covariance: np.ndarray, row: np.ndarray) -> np.ndarray:
    """The covariance of losses once the loss of a mapping with these moves is measured."""
    moved = covariance @ row
    after: np.ndarray = covariance - np.outer(moved, moved) / (row @ moved + ERROR**2)
    return after


def _fitted(rows: np.ndarray, losses: np.ndarray, margins: np.ndarray) -> np.ndarray:
    """Losses of moves from those of mappings, shape (n_moves,).

    Args:
        rows: Which moves each mapping has, shape (n_mappings, n_moves).
        losses: Of the mappings, shape (n_mappings,).
        margins: Half of the distances from the losses to their upper bounds, shape (n_mappings,).
    """
    sizes = rows.sum(axis=1)
    level = max(float(sizes @ losses / (sizes @ sizes)), 1e-6)
    errors = margins + ERROR * level
    design = np.concatenate([rows / errors[:, None], np.eye(rows.shape[1]) / level])
    found: np.ndarray = nnls(design, np.concatenate([losses / errors, np.ones(rows.shape[1])]))[0]
    return found
