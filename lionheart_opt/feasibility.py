"""Is the drop within the threshold? Confidence bounds over programming draws, decided in looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from lionheart_opt.protocols import Accuracy


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The drop's estimate with a two-sided confidence interval, as fractions of 1."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class AccuracyLimit:
    """Largest accepted drop against the floating-point network, and how sure one must be.

    Args:
        max_drop: in [0, 1] (0.01 is one point of top-1).
        time_s: when, after programming, it must hold.
        confidence: of the whole decision, over all looks at growing numbers of draws.
        draws: numbers of draws at which to look, growing; the last is the maximum.
    """

    max_drop: float
    time_s: float
    confidence: float = 0.95
    draws: tuple[int, ...] = (5, 10, 20)

    def bounds(self, accuracy: Accuracy) -> Bounds:
        """Interval of the mean drop at `time_s` (Student's t over draws).

        The error is shared equally between the looks (Bonferroni), so that looking early does not
        raise the chance of a wrong decision. Draws without spread (all-digital) are exact.
        """
        drops = accuracy.drops_at(self.time_s)
        estimate = float(np.mean(drops))
        if len(drops) < 2:
            spread = 0.0 if np.ptp(accuracy.samples) == 0 and estimate == 0 else np.inf
            return Bounds(estimate=estimate, low=estimate - spread, high=estimate + spread)
        error = float(np.std(drops, ddof=1)) / np.sqrt(len(drops))
        tail = (1 - self.confidence) / len(self.draws)
        width = float(stdtrit(len(drops) - 1, 1 - tail)) * error
        return Bounds(estimate=estimate, low=estimate - width, high=estimate + width)

    def decision(self, accuracy: Accuracy) -> Literal["holds", "broken", "open"]:
        """Whether the bounds clear the threshold, break it, or more draws are needed."""
        bounds = self.bounds(accuracy)
        if bounds.high <= self.max_drop:
            return "holds"
        return "broken" if bounds.low > self.max_drop else "open"

    def violation(self, accuracy: Accuracy) -> float:
        """Upper bound of the drop minus the threshold: `<= 0` means that it surely holds."""
        return self.bounds(accuracy).high - self.max_drop
