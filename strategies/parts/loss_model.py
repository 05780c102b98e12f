"""What a profile predicts for whole mappings, corrected by what the oracle says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.pricing import broken
from lionheart_opt.strategies.parts.sensitivity import Move, Profile, log_loss

#: Prior standard deviation of a move's loss: relative to itself, and to the mean of all.
SPREAD = (0.5, 0.1)
#: Prior standard deviation of all interactions together, relative to the mean loss of a move.
INTERACTION = 0.5
#: Standard deviation of an observed log loss that is there even where draws agree.
FLOOR = 0.003


@dataclass(frozen=True)
class _Seen:
    """What an evaluation says: log loss, how far its upper bound is above, the drop's upper bound."""

    loss: float
    margin: float
    high: float


class LossModel:
    """Log loss of a mapping as a sum over its analog moves and, if asked for, over pairs of them.

    Bayesian linear regression. Prior: each move's loss is Gaussian around `factor` times that of the
    profile, interactions are Gaussian around 0. The factor, common to all, is what the profile's
    training and the problem's differ by; it is fitted by least squares.

    Args:
        problem: what is asked; its limit's time is the one that counts.
        measured: the profile.
        interactions: whether pairs have losses of their own.
    """

    def __init__(self, problem: Problem, measured: Profile, interactions: bool = False) -> None:
        self.moves: list[Move] = list(measured.losses)
        self._problem = problem
        self._baseline = measured.baseline
        self._profile = np.maximum(np.array([measured.losses[m] for m in self.moves]), 0.0)
        self._seen: dict[Mapping, _Seen] = {}
        self._unanswered: list[Mapping] = []
        one, two = np.triu_indices(len(self.moves), 1)
        apart = [self.moves[a][0] != self.moves[b][0] for a, b in zip(one, two, strict=True)]
        self._pairs = np.stack([one, two])[:, np.array(apart, bool) & interactions]

    def learn(self, evaluation: Evaluation) -> None:
        """Take an evaluation with the problem's training into account."""
        if evaluation.accuracy is None:
            self._unanswered.append(evaluation.mapping)
            return
        bounds = self._problem.accuracy_limit.bounds(evaluation.accuracy)
        loss = log_loss(bounds.estimate, self._baseline)
        self._seen[evaluation.mapping] = _Seen(
            loss=loss,
            margin=log_loss(bounds.high, self._baseline) - loss,
            high=bounds.high,
        )

    @property
    def is_fitted(self) -> bool:
        """Whether anything has been learned beyond the profile."""
        return bool(self._seen)

    def mean(self) -> np.ndarray:
        """Posterior mean of each move's loss, at least 0; shape (n_moves,)."""
        prior, spread = self._prior()
        losses: np.ndarray = self._update(prior, spread, None)[: len(self.moves)]
        losses = np.maximum(losses, 0.0)
        return losses

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One draw from the posterior.

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
        """Which moves and pairs of moves a mapping has, shape (n_mappings, n_moves + n_pairs)."""
        on = np.array([[m[unit] == target for unit, target in self.moves] for m in mappings], float)
        on = on.reshape(len(mappings), len(self.moves))
        return np.hstack([on, on[:, self._pairs[0]] * on[:, self._pairs[1]]])

    def _prior(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of every weight before it is updated."""
        features = self._features(list(self._seen))
        predicted = features[:, : len(self.moves)] @ self._profile
        found = np.array([one.loss for one in self._seen.values()])
        # As if one more mapping had been seen to do as the profile says, but very uncertainly.
        factor = (predicted @ found + 1e-6) / (predicted @ predicted + 1e-6)
        mean = max(float(factor), 0.0) * self._profile
        level = float(mean.mean()) if len(mean) else 0.0
        spread = SPREAD[0] * mean + SPREAD[1] * level + 1e-9
        pairs = np.full(self._pairs.shape[1], INTERACTION * level / max(len(mean), 1) ** 0.5)
        return np.r_[mean, 0.0 * pairs], np.r_[spread, pairs]

    def _update(
        self, weights: np.ndarray, spread: np.ndarray, rng: np.random.Generator | None
    ) -> np.ndarray:
        """Condition weights of the prior on what was seen (Matheron's rule; the mean without `rng`)."""
        if not self._seen:
            return weights
        features = self._features(list(self._seen))
        found = np.array([one.loss for one in self._seen.values()])
        error = FLOOR + np.array([0.5 * one.margin for one in self._seen.values()])
        if rng is not None:
            found = found - error * rng.normal(size=len(error))
        covariance = (features * spread**2) @ features.T + np.diag(error**2)
        change = np.linalg.solve(covariance, found - features @ weights)
        updated: np.ndarray = weights + spread**2 * (features.T @ change)
        return updated

    def max_loss(self, max_drop: float) -> float:
        """Largest predicted loss with which the upper confidence bound will just hold.

        The least distance of the bound from the estimate that was seen so far, relative to the
        estimate, is what is left free.
        """
        margins = [one.margin / max(one.loss, 1e-6) for one in self._seen.values()]
        free = min([*margins, 1.0]) if margins else 0.0
        return log_loss(max_drop, self._baseline) / (1.0 + free)

    def holding(self, max_drop: float) -> list[Mapping]:
        """Mappings that keep all limits with that threshold, all-digital among them if it does."""
        found = [mapping for mapping, one in self._seen.items() if one.high <= max_drop]
        if not broken(self._problem, self._problem.all_digital):
            found.append(self._problem.all_digital)
        return found

    def failing(self, max_drop: float) -> list[Mapping]:
        """Mappings that were evaluated and do not."""
        found = [mapping for mapping, one in self._seen.items() if one.high > max_drop]
        return found + self._unanswered
