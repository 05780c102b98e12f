"""The mapping problem on a pipeline that is replicated under one budget of clusters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from lionheart_opt.cost import COST_OBJECTIVES
from lionheart_opt.mapping import Mapping
from lionheart_opt.pipeline_tables import PipelineTables
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.assignment import Limit
from lionheart_opt.strategies.parts.integer_programme import IntegerProgramme

#: Units up to which pairs of moves are tried, too.
MOST_PAIRED = 64
#: Intervals at which the shortest latency is sought.
MOST_INTERVALS = 12
#: Bounds on the times of units that are tried at each interval.
MOST_BOUNDS = 8


@dataclass(frozen=True)
class PipelineProgramme(IntegerProgramme):
    """Finds the cheapest mapping that keeps a predicted loss, by the cost of its pipeline.

    Whether an interval can be kept is a linear condition, so that the shortest interval is found by
    bisection with an integer programme at each step: exactly. So is the least energy, which is a sum and
    static power for an interval: the least sum is sought at ever shorter intervals, until static power
    alone cannot save what the sum then takes more. The shortest
    latency is not a sum. It is sought at several intervals, from the shortest on, as long as the longest
    path could be shorter there, and improved by moves of one and two units. So is the least of another
    cost where a limit on the latency is not kept otherwise. What these find need not be the best.

    Args:
        costs: Costs of the mappings.
        tables: The pipeline.
    """

    tables: PipelineTables

    def cheapest(
        self,
        quantity: int,
        losses: np.ndarray,
        max_loss: float,
        below: float,
        excluded: Iterable[Mapping] = (),
        tolerance: float = 0.0,
    ) -> Mapping | None:
        """See `IntegerProgramme.cheapest`."""
        name = self.costs.quantities[quantity]
        number = COST_OBJECTIVES.index(name)
        without = list(excluded)
        limits: list[Limit] = [(self._spread(losses), max_loss)]
        last = len(self.tables.intervals) - 1
        targets: np.ndarray | None = None
        if name == "energy_j":
            targets = self._least_total_energy(limits, without, tolerance)
        elif name == "interval_s":
            fastest = int(np.searchsorted(self.tables.intervals, below, side="right")) - 1
            _, targets = self._shortest_interval(losses, limits, without, fastest)
        if name != "latency_s" and (targets is None or self._keeps_limits(targets)):
            is_cheap = targets is not None and self._values(targets[None])[0, number] <= below
            return self.costs.decode(targets) if targets is not None and is_cheap else None
        place, targets = self._shortest_interval(losses, limits, without, last)
        if targets is None:
            return None
        targets = self._shortest_latency(place, targets, losses, max_loss, without)
        if name != "latency_s":  # a limit on the latency, which is no sum, is kept from there on
            starts = [targets, *self._least_energy(place, quantity, limits, without)]
            ends = [self._descend(each, number, losses, max_loss, without) for each in starts]
            targets = ends[self._values(np.array(ends))[:, number].argmin()]
        is_cheap = self._values(targets[None])[0, number] <= below
        return self.costs.decode(targets) if is_cheap and self._keeps_limits(targets) else None

    def least_loss(
        self, losses: np.ndarray, excluded: Iterable[Mapping] = (), tolerance: float = 0.0
    ) -> Mapping | None:
        """The mapping of least predicted loss that keeps limits and clusters; None without one.

        Where there is a limit on the latency, another mapping may lose up to 5 % less.

        Args:
            losses: Predicted loss of each unit on each target, shape (n_units, n_targets).
            excluded: Mappings that must not be returned.
            tolerance: See `IntegerProgramme.least_loss`; only where no limit needs more than that.
        """
        without = list(excluded)
        targets = self._minimise(self._spread(losses), [], without, tolerance)
        if targets is None or self._keeps_limits(targets):
            return None if targets is None else self.costs.decode(targets)
        rows = np.arange(len(targets))

        def loss(of: np.ndarray) -> float:
            return float(losses[rows, of].sum())

        last = len(self.tables.intervals) - 1
        if "latency_s" not in self.costs.problem.cost_limits:
            kept = self._least_loss_within_energy(losses, without, last)
            return None if kept is None else self.costs.decode(kept)
        low, best = loss(targets), None
        high = float(losses.max(axis=1, initial=0.0, where=self.costs.allowed).sum())
        while best is None or high - low > 0.05 * abs(high):
            max_loss = high if best is None else (low + high) / 2.0
            limits: list[Limit] = [(self._spread(losses), max_loss)]
            place, start = self._shortest_interval(losses, limits, without, last)
            if start is not None:
                start = self._shortest_latency(place, start, losses, max_loss, without)
            if start is not None and self._keeps_limits(start):
                best, high = start, loss(start)
            elif best is None:
                return None
            else:
                low = max_loss
        return self.costs.decode(best)

    def _least_loss_within_energy(
        self, losses: np.ndarray, excluded: list[Mapping], last: int
    ) -> np.ndarray | None:
        """The mapping of least loss that keeps limits on energy and interval: exactly.

        Ranges of intervals are bounded as in `_shortest_interval`, and halved as long as they may hold a
        mapping that loses less than the best so far.
        """
        rows, objective = np.arange(len(losses)), self._spread(losses)
        best, least = None, np.inf
        ranges = [(0, last)]
        while ranges:
            low, high = ranges.pop()
            limit = self._capacity(high)
            if limit is None:
                continue
            targets = self._minimise(objective, [limit, *self._energy_limit(low)], excluded)
            if targets is None or (loss := float(losses[rows, targets].sum())) >= least:
                continue
            if self._keeps_limits(targets):
                best, least = targets, loss
            elif low < high:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]
        return best

    def _shortest_interval(
        self, losses: np.ndarray, limits: list[Limit], excluded: list[Mapping], last: int
    ) -> tuple[int, np.ndarray | None]:
        """Number of the shortest interval up to the last one, and a mapping of least loss that keeps it.

        Longer intervals allow all that shorter ones do, so that bisection is exact. But static power
        takes more of a limit on the energy at longer ones. A range of intervals is left out if nothing
        keeps its longest one with the static power of its shortest, and halved otherwise.
        """
        if last < 0:
            return last, None
        objective = self._spread(losses)
        has_energy_limit = bool(self._energy_limit(0))

        def keeping(first: int, last: int) -> np.ndarray | None:
            limit = self._capacity(last)
            if limit is None:
                return None
            rows = [*limits, limit, *self._energy_limit(first)]
            return self._minimise(objective, rows, excluded)

        ranges = [(0, last)]
        while ranges:
            low, high = ranges.pop()
            targets = keeping(low, high)
            while targets is not None and low < high:
                middle = (low + high) // 2
                shorter = keeping(low, middle)
                if shorter is None:
                    low = middle + 1
                    targets = keeping(low, high) if has_energy_limit else targets
                else:
                    if has_energy_limit:
                        ranges.append((middle + 1, high))
                    targets, high = shorter, middle
            if targets is not None:
                return high, targets
        return last, None

    def _shortest_latency(
        self,
        place: int,
        best: np.ndarray,
        losses: np.ndarray,
        max_loss: float,
        excluded: list[Mapping],
    ) -> np.ndarray:
        """The mapping of the shortest latency that was found, from one of the shortest interval on."""
        limits: list[Limit] = [(self._spread(losses), max_loss)]
        number = COST_OBJECTIVES.index("latency_s")
        places = np.arange(place, len(self.tables.intervals))
        shortest = self._values(best[None])[0, number]
        places = places[self._least_latency[places] < shortest]
        chosen = np.unique(np.linspace(0, len(places) - 1, MOST_INTERVALS).round().astype(int))
        for each in places[chosen] if len(places) else ():
            if self._least_latency[each] >= shortest:
                break
            limit = self._capacity(int(each))
            if limit is None:
                continue
            rows = [*limits, limit, *self._energy_limit(int(each))]
            targets = self._minimise(self._own(int(each)), rows, excluded)
            if targets is None:
                continue
            targets = self._descend(targets, number, losses, max_loss, excluded)
            if (latency := self._values(targets[None])[0, number]) < shortest:
                best, shortest = targets, latency
        return self._descend(best, number, losses, max_loss, excluded)

    def _least_energy(
        self, place: int, quantity: int, limits: list[Limit], excluded: list[Mapping]
    ) -> list[np.ndarray]:
        """The mapping of least energy found that keeps all limits, if any, from one interval on.

        At several intervals, the energy is least under a bound on the sum of the times that units take
        for a slice. The bound is as loose as the limit on the latency seems to allow.
        """
        if self.costs.quantities[quantity] != "energy_j":
            return []
        allowed = self._least_latency <= self.costs.problem.cost_limits.get("latency_s", np.inf)
        places = np.flatnonzero(allowed[place:]) + place
        chosen = np.unique(np.linspace(0, len(places) - 1, MOST_INTERVALS).round().astype(int))
        number = COST_OBJECTIVES.index("energy_j")
        kept = []
        for each in places[chosen] if len(places) else ():
            capacity, own = self._capacity(int(each)), self._own(int(each))
            if capacity is None:
                continue
            low, high = 0.0, float(np.abs(own).sum())
            for _ in range(MOST_BOUNDS):
                rows = [*limits, capacity, (own, (low + high) / 2)]
                targets = self._minimise(self._sums_j, rows, excluded)
                if targets is None:
                    low = (low + high) / 2
                elif self._keeps_limits(targets):
                    kept.append(targets)
                    low = (low + high) / 2
                else:
                    high = (low + high) / 2
        return sorted(kept, key=lambda targets: self._values(targets[None])[0, number])[:1]

    def _descend(
        self,
        targets: np.ndarray,
        number: int,
        losses: np.ndarray,
        max_loss: float,
        excluded: list[Mapping],
    ) -> np.ndarray:
        """Move one or two units at a time as long as that lowers the cost of that number."""
        forbidden = {tuple(row) for row in self.costs.encode(excluded)}
        rows = np.arange(len(targets))
        while True:
            near = self._neighbours(targets)
            keeps = losses[rows, near].sum(axis=1) <= max_loss
            keeps &= self.tables.fits(near)
            near = near[keeps & [tuple(row) not in forbidden for row in near]]
            values = self._values(near)
            keeps = self._keeps(values, besides=number)
            near, values = near[keeps], values[keeps]
            least = self._values(targets[None])[0, number]
            if not len(near) or values[:, number].min() >= least * (1.0 - 1e-12):
                return targets
            targets = near[values[:, number].argmin()]

    def _neighbours(self, targets: np.ndarray) -> np.ndarray:
        """Assignments with one or two units moved, shape (n_neighbours, n_units)."""
        moves = [(u, t) for u, t in self._choices if targets[u] != t]
        steps: list[tuple[tuple[int, int], ...]] = [(move,) for move in moves]
        if len(targets) <= MOST_PAIRED:
            steps += [pair for pair in combinations(moves, 2) if pair[0][0] != pair[1][0]]
        near = np.tile(targets, (len(steps), 1))
        for row, step in enumerate(steps):
            for unit, target in step:
                near[row, unit] = target
        return near

    def _values(self, assignments: np.ndarray) -> np.ndarray:
        """Latency, energy and interval, in the order of `COST_OBJECTIVES`."""
        return self.tables.cost_batch(assignments)

    def _keeps(self, values: np.ndarray, besides: int | None = None) -> np.ndarray:
        """Whether the cost limits hold, that of the quantity `besides` left out, shape (n_mappings,)."""
        keeps: np.ndarray = np.ones(len(values), dtype=bool)
        for name, limit in self.costs.problem.cost_limits.items():
            number = COST_OBJECTIVES.index(name)
            keeps &= (values[:, number] <= limit) | (number == besides)
        return keeps

    def _keeps_limits(self, targets: np.ndarray) -> bool:
        return bool(self._keeps(self._values(targets[None]))[0])

    def _capacity(self, place: int) -> Limit | None:
        """The clusters that keep an interval as a limit; None where nothing keeps it."""
        tables = self.tables
        room = tables.room - tables.fixed_clusters[place]
        clusters = np.where(self.costs.allowed, tables.clusters[place], np.inf)
        if not clusters.min(axis=1, initial=np.inf).sum() <= room:
            return None
        return self._spread(np.minimum(clusters, room + 1.0)), float(room)

    def _given_limits(self) -> list[Limit]:
        """(row, bound) of the clusters, and of each cost limit as far as it is linear.

        An interval holds a limit exactly where its clusters fit. A latency does so only where the
        interval leaves room for the shortest path, and an energy where static power takes no more than
        at the shortest interval of all, which is necessary and not sufficient (`_energy_limit`).
        """
        place = len(self.tables.intervals) - 1
        for name, limit in self.costs.problem.cost_limits.items():
            if name != "energy_j":
                reached = self.tables.intervals if name == "interval_s" else self._least_latency
                place = min(place, int(np.searchsorted(reached, limit, side="right")) - 1)
        capacity = self._capacity(place) if place >= 0 else None
        nothing = np.zeros(len(self._choices) + len(self._couples)), -1.0
        return [*self._energy_limit(0), nothing if capacity is None else capacity]

    def _energy_limit(self, place: int) -> list[Limit]:
        """The limit on the energy as one on its sum, if there is one.

        A mapping that keeps an interval and this sum keeps the limit, and one that keeps the limit keeps
        its own interval and this sum.

        Args:
            place: Number of the interval that static power is drawn for.
        """
        limit = self.costs.problem.cost_limits.get("energy_j")
        if limit is None:
            return []
        static_j = self.tables.static_w * float(self.tables.intervals[place])
        return [(self._sums_j, limit - self.tables.fixed_j - static_j)]

    def _least_total_energy(
        self, limits: list[Limit], excluded: list[Mapping], tolerance: float
    ) -> np.ndarray | None:
        """The mapping of least energy, static power included.

        Of all mappings that keep one interval, the one of the least sum is sought. It is no dearer than
        any other one whose own interval is at least its own, so that only shorter intervals are left.
        """
        tables, energy = self.tables, COST_OBJECTIVES.index("energy_j")
        interval = COST_OBJECTIVES.index("interval_s")
        place, best, least_j = len(tables.intervals) - 1, None, np.inf
        while place >= 0 and (capacity := self._capacity(place)) is not None:
            targets = self._minimise(self._sums_j, [*limits, capacity], excluded, tolerance)
            if targets is None:
                break
            values = self._values(targets[None])[0]
            if values[energy] < least_j:
                best, least_j = targets, values[energy]
            if not tables.static_w:
                break
            sum_j = values[energy] - tables.static_w * values[interval]
            longest_s = min(
                values[interval], (least_j * (1.0 - tolerance) - sum_j) / tables.static_w
            )
            place = int(np.searchsorted(tables.intervals, longest_s * (1.0 - 1e-12))) - 1
        return best

    @cached_property
    def _sums_j(self) -> np.ndarray:
        """Energies of units without static power, as a row over the variables."""
        return self._spread(np.where(self.costs.allowed, self.tables.energy_j, 0.0))

    @cached_property
    def _least_latency(self) -> np.ndarray:
        """The longest path at each interval or a longer one if every unit were on its fastest target."""
        own = self.tables.own_s.min(axis=2).T
        paths = self.tables.longest_path(own, self.tables.intervals)
        least: np.ndarray = np.minimum.accumulate(paths[::-1])[::-1]
        return least

    def _own(self, place: int) -> np.ndarray:
        """Time of each unit's stages for a slice at an interval, as a row over the variables."""
        own = np.zeros(self.costs.allowed.shape)
        for stage, unit in enumerate(self.tables.unit_of):
            if unit >= 0:
                own[unit] += self.tables.own_s[place, stage]
        return self._spread(np.where(self.costs.allowed, own, 0.0))


def programme_of(costs: Additive) -> IntegerProgramme:
    """The programme for the costs of a problem: that of a pipeline where the cost model has one."""
    if costs.pipeline is None:
        return IntegerProgramme(costs)
    return PipelineProgramme(costs, costs.pipeline)
