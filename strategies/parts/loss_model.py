"""The loss that a profile predicts for whole mappings, corrected by the oracle's answers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lionheart_opt.evaluation import Evaluation
from lionheart_opt.limits import drop_excess
from lionheart_opt.mapping import Mapping
from lionheart_opt.problem import Problem
from lionheart_opt.strategies.parts.pricing import excess
from lionheart_opt.strategies.parts.sensitivity import Move, MoveProfile

#: Prior standard deviation of a move's loss: relative to itself, and to the mean of all.
SPREAD = (0.5, 0.1)
#: Prior standard deviation of all interactions together, relative to the mean loss of a move.
INTERACTION = 0.5
#: Least standard deviation of an observed log loss, even where draws agree.
FLOOR = 0.003
#: Proposals that may fail in a row before the next ones keep a distance to the limit.
PATIENCE = 2
#: By how much that distance grows with every further failure.
CAUTION = 0.9


def caution(failures: int) -> float:
    """What the largest loss is multiplied with after so many failures in a row.

    Of many mappings whose predictions just hold, the cheapest is one that is predicted too well.
    """
    return float(CAUTION ** max(failures - PATIENCE, 0))


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
        self._baseline, self._metric = profile.baseline, profile.metric
        self._profile = np.maximum(np.array([profile.losses[move] for move in self.moves]), 0.0)
        self._observed: dict[Mapping, _Observation] = {}
        self._unanswered: list[Mapping] = []
        self._has_pairs = interactions
        units = np.unique([unit for unit, _ in self.moves], return_inverse=True)[1]
        apart = (units[:, None] != units) & interactions
        self._apart: np.ndarray = np.triu(apart, 1)  # which pairs have a loss

    def learn(self, evaluation: Evaluation) -> None:
        """Take an evaluation with the problem's training into account."""
        if evaluation.accuracy is None or not evaluation.measured:
            self._unanswered.append(evaluation.mapping)
            return
        bounds = self._problem.accuracy_limit.bounds(evaluation.accuracy)
        loss = self._metric.log_loss(bounds.estimate, self._baseline)
        self._observed[evaluation.mapping] = _Observation(
            loss=loss,
            margin=self._metric.log_loss(bounds.high, self._baseline) - loss,
            high=bounds.high,
        )

    @property
    def is_fitted(self) -> bool:
        """Whether it has learned anything beyond the profile."""
        return bool(self._observed)

    def mean(self) -> np.ndarray:
        """Posterior mean of each move's loss, at least 0; shape (n_moves,)."""
        prior, spread, pair_spread = self._prior()
        losses, _ = self._update(prior, None, spread, pair_spread, None)
        return np.asarray(np.maximum(losses, 0.0))

    def sample(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw losses from the posterior.

        Returns:
            Loss of each move, shape (n_moves,), and of each pair, shape (n_moves, n_moves), above the
            diagonal.
        """
        prior, spread, pair_spread = self._prior()
        losses = prior + spread * rng.normal(size=len(prior))
        pairs = np.zeros((len(prior), len(prior)))
        pairs[self._apart] = pair_spread * rng.normal(size=np.count_nonzero(self._apart))
        return self._update(losses, pairs, spread, pair_spread, rng)

    def _features(self) -> np.ndarray:
        """Which moves each observed mapping has, 0 or 1, shape (n_observed, n_moves)."""
        rows = [
            [mapping[unit] == target for unit, target in self.moves] for mapping in self._observed
        ]
        return np.array(rows, float).reshape(len(rows), len(self.moves))

    def _losses(self) -> np.ndarray:
        """Observed log losses, shape (n_observed,)."""
        return np.array([observation.loss for observation in self._observed.values()])

    def _prior(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Prior mean and standard deviation of each move's loss, and the deviation of each pair's."""
        predicted = self._features() @ self._profile
        # As if one more mapping had been seen to do as the profile says, but very uncertainly.
        factor = (predicted @ self._losses() + 1e-6) / (predicted @ predicted + 1e-6)
        mean = max(float(factor), 0.0) * self._profile
        level = float(mean.mean()) if len(mean) else 0.0
        spread = SPREAD[0] * mean + SPREAD[1] * level + 1e-9
        return mean, spread, INTERACTION * level / max(len(mean), 1) ** 0.5

    def _update(
        self,
        losses: np.ndarray,
        pairs: np.ndarray | None,
        spread: np.ndarray,
        pair_spread: float,
        rng: np.random.Generator | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Condition losses of the prior on the observations.

        Matheron's rule turns a draw from the prior into one from the posterior. Without `rng` it turns
        the prior's mean into the posterior's. The covariance that pairs add to two mappings counts the
        pairs of moves that both have: of n common moves, n (n - 1) / 2.

        Args:
            losses: Loss of each move.
            pairs: Loss of each pair, above the diagonal; None where all are 0.
            spread: Standard deviation of each move's loss.
            pair_spread: Standard deviation of each pair's loss.
            rng: Source of the observations' errors.

        Returns:
            Losses of moves and of pairs.
        """
        has, observed = self._features(), self._losses()
        margins = np.array([observation.margin for observation in self._observed.values()])
        error = FLOOR + 0.5 * margins
        if rng is not None:
            observed = observed - error * rng.normal(size=len(error))
        predicted = has @ losses
        if pairs is None:
            pairs = np.zeros((len(losses), len(losses)))
        else:
            predicted += ((has @ pairs) * has).sum(axis=1)
        common = has @ has.T
        covariance = (has * spread**2) @ has.T + np.diag(error**2)
        covariance += self._has_pairs * pair_spread**2 * common * (common - 1.0) / 2.0
        change = np.linalg.solve(covariance, observed - predicted)
        pairs = pairs + self._apart * (pair_spread**2 * (has.T * change) @ has)
        return losses + spread**2 * (has.T @ change), pairs

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
        return self._metric.log_loss(max_drop, self._baseline) / (1.0 + margin)

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
