"""How often to replicate each stage of a pipeline under a budget of clusters: solved exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a pipeline, which works on one slice of its result after the other.

    Args:
        name: of the layer.
        slices: in a result; copies share them, so that more copies than slices are of no use.
        slice_s: time that one copy takes for a slice.
        clusters: that one copy occupies.
    """

    name: str
    slices: int
    slice_s: float
    clusters: int

    def time_s(self, copies: int) -> float:
        """Time that all copies together take for a result."""
        return ceil(self.slices / copies) * self.slice_s

    def least_copies(self, time_s: float) -> int | None:
        """Fewest copies that take no longer than that; None where no number does."""
        per_copy = self.slices if self.slice_s == 0 else int(time_s / self.slice_s * (1 + 1e-12))
        return ceil(self.slices / min(per_copy, self.slices)) if per_copy >= 1 else None


def replicate(stages: Sequence[Stage], budget: int, least_s: float = 0.0) -> tuple[int, ...]:
    """Copies of each stage: the shortest interval within the budget, then the fewest clusters.

    This is the integer programme "minimise max_i ceil(slices_i / n_i) slice_i subject to
    sum_i clusters_i n_i <= budget". It falls apart: for a given interval each stage needs its least
    number of copies, independently of the others, and the clusters that they need together do not
    grow with the interval. The optimum is one of finitely many intervals (a stage's time with k slices
    for the busiest copy), so bisection over them is exact.

    Args:
        stages: of the pipeline.
        budget: clusters for all copies of all stages.
        least_s: interval that something else imposes; none below it is sought.

    Returns:
        Copies in the order of the stages; one each where not even that fits the budget.
    """
    candidates = sorted(
        {
            k * stage.slice_s
            for stage in stages
            for k in range(1, stage.slices + 1)
            if k * stage.slice_s > least_s
        }
        | {least_s}
    )
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if _clusters(stages, candidates[middle]) <= budget:
            high = middle
        else:
            low = middle + 1
    if _clusters(stages, candidates[low]) > budget:
        return (1,) * len(stages)
    return tuple(stage.least_copies(candidates[low]) or 1 for stage in stages)


def _clusters(stages: Sequence[Stage], interval_s: float) -> float:
    total = 0
    for stage in stages:
        copies = stage.least_copies(interval_s)
        if copies is None:
            return inf
        total += copies * stage.clusters
    return total
