"""The mapping problem with a predicted loss as an exact integer programme."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lionheart_opt.mapping import Mapping
from lionheart_opt.strategies.parts.additive import Additive
from lionheart_opt.strategies.parts.assignment import Assignment, Limit
from lionheart_opt.strategies.parts.crowds import Crowd


@dataclass(frozen=True)
class IntegerProgramme:
    """Finds the mapping of least cost that keeps a predicted loss, the cost limits and the capacities.

    Its variables are those of `Assignment`: the allowed (unit, target), and the allowed pairs of targets
    of a pair of units.

    Args:
        costs: Costs of the mappings.
        crowds: Units and their targets that do not fit together, although the sum of their crossbars
            would. The caller adds to them.
    """

    costs: Additive
    crowds: list[Crowd] = field(default_factory=list, kw_only=True)

    @cached_property
    def _assignment(self) -> Assignment:
        return Assignment(choices=self._choices, pairs=self.costs.pairs, couples=self._couples)

    @cached_property
    def _choices(self) -> np.ndarray:
        """Unit and target of each binary variable, shape (n_choices, 2)."""
        return np.argwhere(self.costs.allowed)

    @cached_property
    def _couples(self) -> np.ndarray:
        """Pair and its two targets of each continuous variable, shape (n_couples, 3)."""
        allowed = self.costs.allowed
        couples = [
            (number, a, b)
            for number, (first, second) in enumerate(self.costs.pairs)
            for a in np.flatnonzero(allowed[first])
            for b in np.flatnonzero(allowed[second])
        ]
        return np.array(couples, dtype=np.intp).reshape(-1, 3)

    def cheapest(
        self,
        quantity: int,
        losses: np.ndarray,
        max_loss: float,
        below: float,
        excluded: Iterable[Mapping] = (),
        tolerance: float = 0.0,
    ) -> Mapping | None:
        """The cheapest mapping whose predicted loss is accepted, or None if there is none.

        Args:
            quantity: Number of the quantity to minimise.
            losses: Predicted loss of each unit on each target, shape (n_units, n_targets).
            max_loss: Largest accepted sum of losses.
            below: Largest accepted cost; infinite for no bound.
            excluded: Mappings that must not be returned.
            tolerance: By what share of its cost the mapping may be dearer than the cheapest.
        """
        limits: list[Limit] = [(self._spread(losses), max_loss)]
        targets = self._minimise(self._row(quantity), limits, excluded, tolerance)
        # Not a limit of the programme: that nothing is cheaper follows from what is cheapest, in a tenth
        # of the time in which the solver finds that nothing is left.
        if targets is None or self.costs.values(targets[None])[0, quantity] > below:
            return None
        return self.costs.decode(targets)

    def least_loss(
        self, losses: np.ndarray, excluded: Iterable[Mapping] = (), tolerance: float = 0.0
    ) -> Mapping | None:
        """The mapping of least predicted loss that keeps limits and capacities; None without one.

        Args:
            losses: Predicted loss of each unit on each target, shape (n_units, n_targets).
            excluded: Mappings that must not be returned.
            tolerance: By what share of its loss the mapping may lose more than the one that loses least.
        """
        targets = self._minimise(self._spread(losses), [], excluded, tolerance)
        return None if targets is None else self.costs.decode(targets)

    def _minimise(
        self,
        objective: np.ndarray,
        limits: list[Limit],
        excluded: Iterable[Mapping],
        tolerance: float = 0.0,
    ) -> np.ndarray | None:
        """Minimise under the problem's limits, and `row @ variables <= bound` for each (row, bound)."""
        rows = [*limits, *self._given_limits()]
        for mapping in excluded:
            chosen = np.zeros(self.costs.allowed.shape)
            chosen[np.arange(len(chosen)), self.costs.encode([mapping])[0]] = 1.0
            rows.append((self._spread(chosen), len(chosen) - 1.0))
        return self._assignment.minimise(objective, rows, tolerance)

    def _given_limits(self) -> list[Limit]:
        """(row, bound) of each cost limit and tile capacity."""
        limits = []
        for name, limit in self.costs.problem.cost_limits.items():
            number = self.costs.number(name)
            limits.append((self._row(number), limit - self.costs.fixed[number]))
        for column, target in enumerate(self.costs.targets):
            capacity = self.costs.problem.system.target(target).tiles
            if capacity is not None:
                used = np.zeros(self.costs.allowed.shape)
                used[:, column] = self.costs.tiles[:, column]
                limits.append((self._spread(used), float(capacity)))
        for crowd in self.crowds:
            chosen = self.costs.table(dict.fromkeys(crowd, 1.0))
            limits.append((self._spread(chosen), len(crowd) - 1.0))
        return limits

    def _spread(self, table: np.ndarray) -> np.ndarray:
        """A table over (unit, target) as a row over the variables."""
        return np.concatenate([table[tuple(self._choices.T)], np.zeros(len(self._couples))])

    def _row(self, quantity: int) -> np.ndarray:
        """The quantity's coefficients, without the fixed part."""
        unit = self.costs.unit[..., quantity][tuple(self._choices.T)]
        return np.concatenate([unit, self.costs.pair[..., quantity][tuple(self._couples.T)]])
