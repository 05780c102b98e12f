"""The loss that a profile predicts for whole mappings, corrected by the oracle's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import drop_excess
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.pricing import excess
from lionheart_opt.strategies.parts.sensitivity import Move, MoveProfile, log_loss

#: Prior standard deviation of a move's loss: relative to itself, and to the mean of all.
SPREAD = (0.5, 0.1)
#: Prior standard deviation of all interactions together, relative to the mean loss of a move.
INTERACTION = 0.5
#: Least standard deviation of an observed log loss, even where draws agree.
FLOOR = 0.003


@dataclass(frozen=True)
class _Observation:
    """What an evaluation says about a mapping.

    Args:
        loss: Log loss.
        margin: Upper bound of the log loss minus the log loss.
        high: Upper bound of the drop.
    """

    loss: float
    margin: float
    high: float


class LossModel:
    """Log loss of a mapping as a sum over its analog moves and, if asked for, over pairs of them.

    Bayesian linear regression. The prior of each move's loss is Gaussian around `factor` times that of
    the profile, that of each interaction is Gaussian around 0. The factor, common to all moves, is the
    difference between the profile's training and the problem's; it is fitted by least squares.

    Args:
        problem: The problem to search; losses are those at its limit's worst time.
        profile: Measured losses of single moves.
        interactions: Whether pairs of moves have losses of their own.
    """

    def __init__(self, problem: Problem, profile: MoveProfile, interactions: bool = False) -> None:
        self.moves: list[Move] = list(profile.losses)
        self._problem = problem
        self._baseline = profile.baseline
        self._profile = np.maximum(np.array([profile.losses[move] for move in self.moves]), 0.0)
        self._observed: dict[Mapping, _Observation] = {}
        self._unanswered: list[Mapping] = []
        first, second = np.triu_indices(len(self.moves), 1)
        units = np.array([unit for unit, _ in self.moves], dtype=object)
        apart = np.array(units[first] != units[second], bool)
        self._pairs = np.stack([first, second])[:, apart & interactions]

    def learn(self, evaluation: Evaluation) -> None:
        """Take an evaluation with the problem's training into account."""
        if evaluation.accuracy is None or not evaluation.measured:
            self._unanswered.append(evaluation.mapping)
            return
        bounds = self._problem.accuracy_limit.bounds(evaluation.accuracy)
        loss = log_loss(bounds.estimate, self._baseline)
        self._observed[evaluation.mapping] = _Observation(
            loss=loss,
            margin=log_loss(bounds.high, self._baseline) - loss,
            high=bounds.high,
        )

    @property
    def is_fitted(self) -> bool:
        """Whether it has learned anything beyond the profile."""
        return bool(self._observed)

    def mean(self) -> np.ndarray:
        """Posterior mean of each move's loss, at least 0; shape (n_moves,)."""
        prior, spread = self._prior()
        losses: np.ndarray = self._update(prior, spread, None)[: len(self.moves)]
        losses = np.maximum(losses, 0.0)
        return losses

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw losses from the posterior.

        Returns:
            Loss of each move, shape (n_moves,), and of each pair, shape (n_moves, n_moves), above the
            diagonal.
        """
        prior, spread = self._prior()
        drawn = self._update(prior + spread * rng.normal(size=len(prior)), spread, rng)
        pairs = np.zeros((len(self.moves), len(self.moves)))
        pairs[tuple(self._pairs)] = drawn[len(self.moves) :]
        return drawn[: len(self.moves)], pairs

    def _features(self, mappings: Sequence[Mapping]) -> np.ndarray:
        """Which moves and pairs a mapping has, 0 or 1, shape (n_mappings, n_moves + n_pairs)."""
        rows = [[mapping[unit] == target for unit, target in self.moves] for mapping in mappings]
        has = np.array(rows, float).reshape(len(mappings), len(self.moves))
        return np.hstack([has, has[:, self._pairs[0]] * has[:, self._pairs[1]]])

    def _losses(self) -> np.ndarray:
        """Observed log losses, shape (n_observed,)."""
        return np.array([observation.loss for observation in self._observed.values()])

    def _prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Prior mean and standard deviation of every weight, each of shape (n_moves + n_pairs,)."""
        features = self._features(list(self._observed))
        predicted = features[:, : len(self.moves)] @ self._profile
        # As if one more mapping had been seen to do as the profile says, but very uncertainly.
        factor = (predicted @ self._losses() + 1e-6) / (predicted @ predicted + 1e-6)
        mean = max(float(factor), 0.0) * self._profile
        level = float(mean.mean()) if len(mean) else 0.0
        spread = SPREAD[0] * mean + SPREAD[1] * level + 1e-9
        pairs = np.full(self._pairs.shape[1], INTERACTION * level / max(len(mean), 1) ** 0.5)
        return np.r_[mean, 0.0 * pairs], np.r_[spread, pairs]

    def _update(
        self, weights: np.ndarray, spread: np.ndarray, rng: np.random.Generator | None
    ) -> np.ndarray:
        """Condition weights of the prior on the observations.

        Matheron's rule turns a draw from the prior into one from the posterior. Without `rng` it turns
        the prior's mean into the posterior's.
        """
        features = self._features(list(self._observed))
        losses = self._losses()
        margins = np.array([observation.margin for observation in self._observed.values()])
        error = FLOOR + 0.5 * margins
        if rng is not None:
            losses = losses - error * rng.normal(size=len(error))
        covariance = (features * spread**2) @ features.T + np.diag(error**2)
        change = np.linalg.solve(covariance, losses - features @ weights)
        updated: np.ndarray = weights + spread**2 * (features.T @ change)
        return updated

    def max_loss(self, max_drop: float) -> float:
        """Largest predicted loss whose upper confidence bound can just stay within the drop.

        It leaves room for the least distance of the bound from the estimate, relative to the estimate,
        that has been observed so far.
        """
        margins = [
            observation.margin / max(observation.loss, 1e-6)
            for observation in self._observed.values()
        ]
        margin = min([*margins, 1.0]) if margins else 0.0
        return log_loss(max_drop, self._baseline) / (1.0 + margin)

    def holding(self, max_drop: float) -> list[Mapping]:
        """Evaluated mappings that keep all limits with that drop; and all-digital, if it keeps them."""
        holding = [
            mapping
            for mapping, seen in self._observed.items()
            if drop_excess(seen.high, max_drop) <= 0
        ]
        if not excess(self._problem, self._problem.all_digital):
            holding.append(self._problem.all_digital)
        return holding

    def failing(self, max_drop: float) -> list[Mapping]:
        """Evaluated mappings that break a limit with that drop."""
        failing = [
            mapping
            for mapping, seen in self._observed.items()
            if drop_excess(seen.high, max_drop) > 0
        ]
        return failing + self._unanswered
