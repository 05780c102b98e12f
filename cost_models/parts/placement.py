"""Which of several alike cores runs each group of layers, so that results come as often as possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Relative difference below which two loads of a core count as equal.
_EQUAL = 1e-12


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A result that costs time at both ends where it passes from one core to another.

    Args:
        source: Number of the group that computes it.
        readers: Numbers of the other groups that read it, ascending, each once.
        send_s: Time in s that it takes the core that computes it, once.
        receive_s: Time in s that it takes each core that receives it.
    """

    source: int
    readers: tuple[int, ...]
    send_s: float
    receive_s: float


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where groups of layers run.

    Args:
        cores: Number of the core of each group, counted from 0.
        busy_s: Time in s that the busiest core works for one inference.
        bound_s: No placement has a busiest core that works less.
    """

    cores: tuple[int, ...]
    busy_s: float
    bound_s: float


def place(work_s: Sequence[float], passed: Sequence[Passed], cores: int) -> Placement:
    """Cut the groups, in execution order, into runs of consecutive groups, one run a core.

    A dynamic programme over the cuts finds the runs whose busiest core works least and, among those, the
    ones whose cores work least together, hand-overs included. It is exact for runs, whatever the data
    flow. Placements that are no runs may be better; `bound_s` says by how much at most.

    Args:
        work_s: Time in s of each group, in execution order.
        passed: Results that groups read from each other.
        cores: Number of cores.
    """
    count = len(work_s)
    cores = min(cores, count)
    loads = _loads(work_s, passed)
    least = _least(loads, cores, np.maximum)
    busy_s = float(least[-1, count])
    allowed = np.where(loads <= busy_s * (1.0 + _EQUAL), loads, np.inf)
    least = _least(allowed, cores, np.add)
    ends = [count]
    for cuts in range(cores - 1, -1, -1):
        ends.append(int(np.argmin(least[cuts] + allowed[:, ends[-1]])))
    starts = ends[:0:-1]  # some runs may be empty
    chosen = np.searchsorted(starts, np.arange(count), side="right") - 1
    _, numbers = np.unique(chosen, return_inverse=True)
    return Placement(
        cores=tuple(int(number) for number in numbers),
        busy_s=busy_s,
        bound_s=_bound(work_s, cores),
    )


def _least(loads: np.ndarray, cores: int, joined: np.ufunc) -> np.ndarray:
    """Best joined load of the first j groups on at most k cores, shape (cores + 1, n_groups + 1).

    Args:
        loads: Load of the groups from i up to j, infinite where that is not allowed.
        cores: Number of cores.
        joined: Joins the loads of two sets of cores: `np.maximum` or `np.add`.
    """
    least = np.full((cores + 1, len(loads)), np.inf)
    least[0, 0] = 0.0
    for k in range(cores):
        least[k + 1] = joined(least[k][:, None], loads).min(axis=0)
    return least


def _loads(work_s: Sequence[float], passed: Sequence[Passed]) -> np.ndarray:
    """Load in s of a core that runs the groups from i up to j (excluded), shape (n + 1, n + 1).

    It is 0 where i = j and infinite where i > j.
    """
    count = len(work_s)
    corners = np.zeros((count + 2, count + 2))

    def add(first: tuple[int, int], ends: tuple[int, int], time_s: float) -> None:
        """Add to all runs whose first group and whose end are in the given (inclusive) ranges."""
        if first[0] <= first[1] and ends[0] <= ends[1]:
            corners[first[0], ends[0]] += time_s
            corners[first[1] + 1, ends[0]] -= time_s
            corners[first[0], ends[1] + 1] -= time_s
            corners[first[1] + 1, ends[1] + 1] += time_s

    for result in passed:
        source, readers = result.source, result.readers
        everyone = (*readers, source)
        add((0, source), (source + 1, count), result.send_s)
        add((0, min(everyone)), (max(everyone) + 1, count), -result.send_s)
        after = 0  # runs are counted by the first reader that is in them
        for reader in readers:
            if reader < source:
                add((after, reader), (reader + 1, source), result.receive_s)
            else:
                add((max(after, source + 1), reader), (reader + 1, count), result.receive_s)
            after = reader + 1
    handed: np.ndarray = corners.cumsum(axis=0).cumsum(axis=1)[: count + 1, : count + 1]
    before = np.concatenate([[0.0], np.cumsum(work_s)])
    loads: np.ndarray = before[None, :] - before[:, None] + np.maximum(handed, 0.0)
    loads[np.tril_indices(count + 1, -1)] = np.inf
    np.fill_diagonal(loads, 0.0)
    return loads


def _bound(work_s: Sequence[float], cores: int) -> float:
    """Least time in s of the busiest core under any placement, hand-overs left out.

    All cores share the work, the longest group is on one of them, and of the `cores` + 1 longest groups
    two are on the same.
    """
    longest = sorted(work_s, reverse=True)
    bound = max(sum(longest) / cores, longest[0])
    if len(longest) > cores:
        bound = max(bound, longest[cores - 1] + longest[cores])
    return bound
