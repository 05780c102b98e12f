"""How often to replicate each stage of a pipeline under a budget of clusters: solved exactly."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import ceil, inf
from operator import neg


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a pipeline, which works on one slice of its results after the other.

    Args:
        name: Name of its (first) layer.
        work: Time that one copy takes for a slice -> number of such slices for each inference. Copies
            share the slices of each kind, so that more copies than slices are of no use.
        clusters: Clusters that one copy occupies.
    """

    name: str
    work: dict[float, int]
    clusters: int

    @cached_property
    def times_s(self) -> list[float]:
        """Time for an inference with one copy, two, ...; more copies than entries are of no use."""
        return _times_s(self.kind[0])

    @property
    def kind(self) -> tuple[tuple[tuple[float, int], ...], int]:
        """Equal for stages that differ in their name only, as those of repeated blocks do."""
        return tuple(self.work.items()), self.clusters

    def time_s(self, copies: int) -> float:
        """Time that all copies together take for an inference."""
        return self.times_s[min(copies, len(self.times_s)) - 1]

    def least_copies(self, time_s: float) -> int | None:
        """Fewest copies that take no longer than that; None if no number of copies is fast enough."""
        place = bisect_left(self.times_s, -time_s * (1 + 1e-12), key=neg)
        return place + 1 if place < len(self.times_s) else None


@lru_cache(maxsize=10_000)
def _times_s(work: tuple[tuple[float, int], ...]) -> list[float]:
    times_s = [0.0] * max(slices for _, slices in work)
    for slice_s, slices in work:
        times_s = [
            time_s + ceil(slices / copies) * slice_s for copies, time_s in enumerate(times_s, 1)
        ]
    return times_s


def replicate(stages: Sequence[Stage], budget: int, least_s: float = 0.0) -> tuple[int, ...]:
    """Copies of each stage: the shortest interval within the budget, then the fewest clusters.

    This is the integer programme "minimise max_i time_i(n_i) subject to sum_i clusters_i n_i <= budget",
    where a stage with slices of one kind takes time_i(n_i) = ceil(slices_i / n_i) slice_i. It decomposes:
    for a given interval, each stage needs its least number of copies, independently of the others, and
    the clusters that all stages need do not grow with the interval. The optimum is one of finitely many
    intervals (the time of a stage with k copies), so that bisection over them is exact.

    Args:
        stages: The stages of the pipeline.
        budget: Clusters for all copies of all stages.
        least_s: Interval that something else imposes. Shorter ones are not sought.

    Returns:
        Copies in the order of the stages; one copy of each if not even those fit into the budget.
    """
    counts = Counter(stage.kind for stage in stages)
    kinds = {stage.kind: stage for stage in stages}
    alike = [(stage, counts[kind]) for kind, stage in kinds.items()]
    candidates = sorted(
        {time_s for stage, _ in alike for time_s in stage.times_s if time_s > least_s} | {least_s}
    )
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if _clusters(alike, candidates[middle]) <= budget:
            high = middle
        else:
            low = middle + 1
    if _clusters(alike, candidates[low]) > budget:
        return (1,) * len(stages)
    copies = {stage.kind: stage.least_copies(candidates[low]) or 1 for stage, _ in alike}
    return tuple(copies[stage.kind] for stage in stages)


def _clusters(alike: Sequence[tuple[Stage, int]], interval_s: float) -> float:
    """Clusters of all stages; for each kind of stage, there is how many there are of it."""
    total = 0
    for stage, count in alike:
        copies = stage.least_copies(interval_s)
        if copies is None:
            return inf
        total += count * copies * stage.clusters
    return total
