"""How often to replicate each stage of a pipeline under a budget of clusters: solved exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a pipeline, which works on one slice of its result after the other.

    Args:
        name: Name of the layer.
        slices: Slices of a result. Copies share them, so that more copies than slices are of no use.
        slice_s: Time that one copy takes for a slice.
        clusters: Clusters that one copy occupies.
    """

    name: str
    slices: int
    slice_s: float
    clusters: int

    def time_s(self, copies: int) -> float:
        """Time that all copies together take for a result."""
        return ceil(self.slices / copies) * self.slice_s

    def least_copies(self, time_s: float) -> int | None:
        """Fewest copies that take no longer than that; None if no number of copies is fast enough."""
        per_copy = self.slices if self.slice_s == 0 else int(time_s / self.slice_s * (1 + 1e-12))
        return ceil(self.slices / min(per_copy, self.slices)) if per_copy >= 1 else None


def replicate(stages: Sequence[Stage], budget: int, least_s: float = 0.0) -> tuple[int, ...]:
    """Copies of each stage: the shortest interval within the budget, then the fewest clusters.

    This is the integer programme "minimise max_i ceil(slices_i / n_i) slice_i subject to
    sum_i clusters_i n_i <= budget". It decomposes: for a given interval, each stage needs its least
    number of copies, independently of the others, and the clusters that all stages need do not grow with
    the interval. The optimum is one of finitely many intervals (the time of a stage with k slices for the
    busiest copy), so that bisection over them is exact.

    Args:
        stages: The stages of the pipeline.
        budget: Clusters for all copies of all stages.
        least_s: Interval that something else imposes. Shorter ones are not sought.

    Returns:
        Copies in the order of the stages; one copy of each if not even those fit into the budget.
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
