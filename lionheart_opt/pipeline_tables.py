"""Prices of pipelines in bulk: what each unit takes of a shared budget, at every possible interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The component of a layer's latency in which it waits for other layers of the pipeline.
WAIT = "wait"
#: Mappings priced at once, few enough for their tables to stay in the processor's cache.
_CHUNK = 2_048


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PipelineTables:
    """A pipeline whose units are replicated under one budget of clusters, for its shortest interval.

    Whether an interval can be kept is a sum over units: each takes the clusters that it needs for it,
    independently of the others. Energy is a sum over units, and static power for an interval. The latency
    is the longest path.

    Args:
        units: Unit names, shape (n_units,).
        targets: Target names, shape (n_targets,).
        room: Clusters that stages may take together.
        intervals: Every time between two results in s that a mapping can have, ascending, shape
            (n_intervals,).
        fixed_clusters: Clusters of what belongs to no unit, at each interval, shape (n_intervals,).
        clusters: Clusters that a unit needs to keep an interval, shape (n_intervals, n_units, n_targets);
            infinite where it cannot. At the last interval, every stage has the fewest that it can have.
        fixed_s: Interval that everything beside the units imposes with the fewest clusters.
        one_copy_s: Interval that the stages of a unit impose with the fewest clusters, shape (n_units,
            n_targets).
        fixed_j: Energy in J of what belongs to no unit, without static power.
        energy_j: Energy of each unit on each target, without static power, shape (n_units, n_targets).
        static_w: Power that is drawn whatever runs, for an interval of each inference.
        unit_of: Number of the unit of each stage of the data flow, in execution order, -1 where it
            belongs to none, shape (n_stages,).
        own_s: Time of each stage for a slice as it is built to keep each interval, shape (n_intervals,
            n_stages, n_targets); of one without a unit, the same in every column.
        sources: For each stage, the stages that it reads and the share of their results that must be
            there to begin.
        rest: Share of its results that each stage delivers after the first slice, shape (n_stages,); 1
            more for each further inference of a batch.
    """

    units: tuple[str, ...]
    targets: tuple[str, ...]
    room: int
    intervals: np.ndarray
    fixed_clusters: np.ndarray
    clusters: np.ndarray
    fixed_s: float
    one_copy_s: np.ndarray
    fixed_j: float
    energy_j: np.ndarray
    static_w: float
    unit_of: np.ndarray
    own_s: np.ndarray
    sources: tuple[tuple[tuple[int, float], ...], ...]
    rest: np.ndarray

    def __repr__(self) -> str:
        return (
            f"PipelineTables({len(self.units)} units, targets {', '.join(self.targets)}, "
            f"{self.room} clusters, {len(self.intervals)} intervals)"
        )

    def fits(self, assignments: np.ndarray) -> np.ndarray:
        """Whether everything fits with the fewest clusters, shape (n_mappings,).

        Args:
            assignments: Number of the target of each unit, integers of shape (n_mappings, n_units).
        """
        keeps: np.ndarray = self._clusters(assignments, len(self.intervals) - 1) <= self.room
        return keeps

    def cost_batch(self, assignments: np.ndarray) -> np.ndarray:
        """Latency in s, energy in J and interval in s of each mapping, shape (n_mappings, 3).

        Args:
            assignments: Number of the target of each unit, integers of shape (n_mappings, n_units).
        """
        total = np.empty((len(assignments), 3))
        rows = np.arange(len(self.units))
        for start in range(0, len(assignments), _CHUNK):
            part = np.asarray(assignments[start : start + _CHUNK], dtype=np.intp)
            number, interval_s = self._intervals(part)
            energy_j = self.fixed_j + self.energy_j[rows, part].sum(axis=1)
            energy_j += self.static_w * interval_s
            latency_s = self._latency(part, number, interval_s)
            total[start : start + _CHUNK] = np.stack([latency_s, energy_j, interval_s], axis=1)
        return total

    def _latency(
        self, assignments: np.ndarray, numbers: np.ndarray, interval_s: np.ndarray
    ) -> np.ndarray:
        """Longest path of an image at the given intervals, and their numbers, shape (n_mappings,)."""
        own = np.empty((len(self.unit_of), len(assignments)))
        for stage, unit in enumerate(self.unit_of):
            own[stage] = self.own_s[numbers, stage, assignments[:, unit] if unit >= 0 else 0]
        return self.longest_path(own, interval_s)

    def longest_path(self, own_s: np.ndarray, interval_s: np.ndarray) -> np.ndarray:
        """Longest path where each stage takes the given time for a slice, shape (n_mappings,).

        Args:
            own_s: Time of each stage for a slice, shape (n_stages, n_mappings).
            interval_s: Interval of each mapping in s, shape (n_mappings,).
        """
        first = np.empty_like(own_s)
        longest = np.zeros(len(interval_s))
        for stage, sources in enumerate(self.sources):
            start = np.zeros(len(interval_s))
            for source, share in sources:
                np.maximum(start, first[source] + share * interval_s, out=start)
            first[stage] = start + own_s[stage]
            np.maximum(longest, first[stage] + self.rest[stage] * interval_s, out=longest)
        return longest

    def _clusters(self, assignments: np.ndarray, intervals: np.ndarray | int) -> np.ndarray:
        """Clusters that mappings need to keep intervals, given by number, shape (n_mappings,)."""
        number = np.broadcast_to(intervals, (len(assignments),))
        rows = np.arange(len(self.units))
        taken = self.clusters[number[:, None], rows, assignments].sum(axis=1)
        total: np.ndarray = taken + self.fixed_clusters[number]
        return total

    def _intervals(self, assignments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Number and time in s of the shortest interval of each mapping, by bisection.

        One that does not fit has the number of the last interval, and the time of its slowest stage.
        """
        low = np.zeros(len(assignments), dtype=np.intp)
        high = np.full(len(assignments), len(self.intervals) - 1)
        while (low < high).any():
            middle = (low + high) // 2
            keeps = self._clusters(assignments, middle) <= self.room
            high = np.where(keeps, middle, high)
            low = np.where(keeps, low, np.minimum(middle + 1, high))
        one_copy = self.one_copy_s[np.arange(len(self.units)), assignments]
        slowest = np.maximum(one_copy.max(axis=1, initial=0.0), self.fixed_s)
        return low, np.where(self.fits(assignments), self.intervals[low], slowest)
