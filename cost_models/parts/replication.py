"""How to build and replicate each stage of a pipeline under a budget of clusters: solved exactly."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import inf
from typing import NamedTuple

import numpy as np

#: What two times may differ by and still count as equal.
_EQUAL = 1e-12
#: Work and clusters of ways, as a key of a cache.
_Ways = tuple[tuple[tuple[tuple[float, int], ...], int], ...]


class Option(NamedTuple):
    """A way to build a stage, and a number of copies of it.

    Attributes:
        clusters: Clusters of all copies together.
        time_s: Time that all copies together take for an inference.
        way: Number of the way in `Stage.ways`.
        copies: Number of copies.
    """

    clusters: int
    time_s: float
    way: int
    copies: int


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to build a copy of a stage.

    Args:
        work: Time that one copy takes for a slice -> number of such slices for each inference. Copies
            share the slices of each kind, so that more copies than slices are of no use.
        clusters: Clusters that one copy occupies.
    """

    work: dict[float, int]
    clusters: int

    def time_s(self, copies: int) -> float:
        """Time that all copies together take for an inference."""
        return float(_times_s(self.work, np.array([copies]))[0])


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of a pipeline, which works on one slice of its results after the other.

    Args:
        name: Name of its (first) layer.
        ways: The ways to build it.
        room: Clusters beyond which options are not sought.
    """

    name: str
    ways: tuple[Way, ...]
    room: int

    @cached_property
    def kind(self) -> tuple[object, ...]:
        """Equal for stages that differ in their name only, as those of repeated blocks do."""
        return self.room, self._ways

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """Every option that is faster than all with fewer clusters, from the fewest clusters on.

        The first is there even if it takes more than `room`.
        """
        return _options(self.room, self._ways)

    @cached_property
    def _ways(self) -> _Ways:
        return tuple((tuple(way.work.items()), way.clusters) for way in self.ways)

    def smallest(self, copies: int) -> Option:
        """That many copies, built in the way that takes the fewest clusters."""
        fewest = self.options[0]
        time_s = self.ways[fewest.way].time_s(copies)
        return fewest._replace(clusters=fewest.clusters * copies, time_s=time_s, copies=copies)

    def cheapest(self, time_s: float) -> Option | None:
        """The fewest clusters that take no longer than that; None if no option is fast enough."""
        slowest = -time_s * (1 + _EQUAL)
        place = bisect_left(self.options, slowest, key=lambda option: -option.time_s)
        return self.options[place] if place < len(self.options) else None


@lru_cache(maxsize=10_000)
def _options(room: int, ways: _Ways) -> tuple[Option, ...]:
    rows = []
    for number, (work, clusters) in enumerate(ways):
        most = min(max(slices for _, slices in work), max(1, room // clusters))
        copies = np.arange(1, most + 1)
        times_s = _times_s(dict(work), copies)
        rows.append(np.stack([copies * clusters, times_s, np.full(most, number), copies]))
    table = np.concatenate(rows, axis=1)
    table = table[:, np.lexsort(table[1::-1])]  # fewest clusters first, then the shortest time
    clusters, times_s = table[:2]
    shortest = np.minimum.accumulate(times_s)
    keeps = np.ones(len(times_s), dtype=bool)
    keeps[1:] = (times_s[1:] < shortest[:-1] * (1 - _EQUAL)) & (clusters[1:] <= room)
    return tuple(
        Option(clusters=int(taken), time_s=time_s, way=int(way), copies=int(count))
        for taken, time_s, way, count in table[:, keeps].T.tolist()
    )


def _times_s(work: dict[float, int], copies: np.ndarray) -> np.ndarray:
    times_s = np.zeros(len(copies))
    for slice_s, slices in work.items():
        times_s += -(-slices // copies) * slice_s
    return times_s


def replicate(stages: Sequence[Stage], budget: int, least_s: float = 0.0) -> tuple[Option, ...]:
    """An option of each stage: the shortest interval within the budget, then the fewest clusters.

    This is the integer programme "minimise max_i time_i(o_i) subject to sum_i clusters_i(o_i) <= budget".
    It decomposes: for a given interval, each stage needs its cheapest option that keeps it, independently
    of the others, and the clusters that all stages need do not grow with the interval. The optimum is one
    of finitely many intervals (the times of the options), so that bisection over them is exact.

    Args:
        stages: The stages of the pipeline.
        budget: Clusters for all stages.
        least_s: Interval that something else imposes. Shorter ones are not sought.

    Returns:
        Options in the order of the stages; those with the fewest clusters if not even they fit.
    """
    counts = Counter(stage.kind for stage in stages)
    kinds = {stage.kind: stage for stage in stages}
    alike = [(stage, counts[kind]) for kind, stage in kinds.items()]
    times_s = {option.time_s for stage, _ in alike for option in stage.options}
    candidates = sorted({time_s for time_s in times_s if time_s > least_s} | {least_s})
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if _clusters(alike, candidates[middle]) <= budget:
            high = middle
        else:
            low = middle + 1
    fits = _clusters(alike, candidates[low]) <= budget
    chosen = {
        stage.kind: (stage.cheapest(candidates[low]) if fits else None) or stage.options[0]
        for stage, _ in alike
    }
    return tuple(chosen[stage.kind] for stage in stages)


def _clusters(alike: Sequence[tuple[Stage, int]], interval_s: float) -> float:
    """Clusters of all stages; for each kind of stage, there is how many there are of it."""
    total = 0
    for stage, count in alike:
        option = stage.cheapest(interval_s)
        if option is None:
            return inf
        total += count * option.clusters
    return total
