"""The mapping problem with a predicted loss as an exact integer programme (scipy, HiGHS)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from lionheart_opt.mapping import Mapping
from lionheart_opt.strategies.parts.additive import Additive


@dataclass(frozen=True)
class IntegerProgramme:
    """Finds the mapping of least cost that keeps a predicted loss, the cost limits and the capacities.

    There is one binary variable for each allowed (unit, target), and one continuous variable for each
    allowed pair of targets of a pair of units, tied to the binaries by its marginals (the standard
    linearisation of products in assignment problems, exact for binary assignments).

    Args:
        costs: Costs of the mappings.
    """

    costs: Additive

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
    ) -> Mapping | None:
        """The cheapest mapping whose predicted loss is accepted, or None if there is none.

        Args:
            quantity: Number of the quantity to minimise.
            losses: Predicted loss of each unit on each target, shape (n_units, n_targets).
            max_loss: Largest accepted sum of losses.
            below: Largest accepted cost, up to the solver's tolerance; infinite for no bound.
            excluded: Mappings that must not be returned.
        """
        cost = self._row(quantity)
        limits = [(self._spread(losses), max_loss)]
        if np.isfinite(below):
            limits.append((cost, below - self.costs.fixed[quantity]))
        return self._minimise(cost, limits, excluded)

    def least_loss(self, losses: np.ndarray, excluded: Iterable[Mapping] = ()) -> Mapping | None:
        """The mapping of least predicted loss that keeps limits and capacities; None without one.

        Args:
            losses: Predicted loss of each unit on each target, shape (n_units, n_targets).
            excluded: Mappings that must not be returned.
        """
        return self._minimise(self._spread(losses), [], excluded)

    def _minimise(
        self,
        objective: np.ndarray,
        limits: list[tuple[np.ndarray, float]],
        excluded: Iterable[Mapping],
    ) -> Mapping | None:
        """Minimise under the problem's limits, and `row @ variables <= bound` for each (row, bound)."""
        equal, constant = self._structure()
        rows = [_scaled(*limit) for limit in [*limits, *self._given_limits()]]
        for mapping in excluded:
            chosen = np.zeros(self.costs.allowed.shape)
            chosen[np.arange(len(chosen)), self.costs.encode([mapping])[0]] = 1.0
            rows.append((self._spread(chosen), len(chosen) - 1.0))
        constraints = [LinearConstraint(equal, constant, constant)]
        if rows:
            bounds = np.array([bound for _, bound in rows])
            constraints.append(
                LinearConstraint(np.array([row for row, _ in rows]), -np.inf, bounds)
            )
        result = milp(
            _scaled(objective, 0.0)[0],
            integrality=np.arange(len(objective)) < len(self._choices),
            bounds=Bounds(0.0, 1.0),
            constraints=constraints,
            options={"mip_rel_gap": 0.0},
        )
        if result.x is None:
            return None
        weights = np.zeros(self.costs.allowed.shape)
        weights[tuple(self._choices.T)] = result.x[: len(self._choices)]
        return self.costs.decode(weights.argmax(axis=1))

    def _given_limits(self) -> list[tuple[np.ndarray, float]]:
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
        return limits

    def _spread(self, table: np.ndarray) -> np.ndarray:
        """A table over (unit, target) as a row over the variables."""
        return np.concatenate([table[tuple(self._choices.T)], np.zeros(len(self._couples))])

    def _row(self, quantity: int) -> np.ndarray:
        """The quantity's coefficients, without the fixed part."""
        unit = self.costs.unit[..., quantity][tuple(self._choices.T)]
        return np.concatenate([unit, self.costs.pair[..., quantity][tuple(self._couples.T)]])

    def _structure(self) -> tuple[csr_array, np.ndarray]:
        """Matrix and constants of the equalities.

        Each unit is on one target, and the couples have the choices as their marginals.
        """
        n_choices, n_couples = len(self._choices), len(self._couples)
        numbers = {(int(unit), int(target)): k for k, (unit, target) in enumerate(self._choices)}
        placed = csr_array(
            (np.ones(n_choices), (self._choices[:, 0], np.arange(n_choices))),
            shape=(len(self.costs.allowed), n_choices + n_couples),
        )
        marginals: dict[tuple[int, int, int], int] = {}  # (pair, end, target) -> row
        entries: list[tuple[int, int, float]] = []
        for column, (pair, *ends) in enumerate(self._couples):
            for end, target in enumerate(ends):
                key = (int(pair), end, int(target))
                if key not in marginals:
                    marginals[key] = len(marginals)
                    unit = int(self.costs.pairs[pair, end])
                    entries.append((marginals[key], numbers[unit, int(target)], -1.0))
                entries.append((marginals[key], n_choices + column, 1.0))
        if not entries:
            return placed, np.ones(placed.shape[0])
        rows, columns, data = (np.array(part) for part in zip(*entries, strict=True))
        coupled = csr_array((data, (rows, columns)), shape=(len(marginals), placed.shape[1]))
        constants = np.r_[np.ones(placed.shape[0]), np.zeros(len(marginals))]
        return vstack([placed, coupled]).tocsr(), constants


def _scaled(row: np.ndarray, bound: float) -> tuple[np.ndarray, float]:
    """The same limit with coefficients up to 1: the solver's tolerances are absolute."""
    scale = float(np.abs(row).max()) or 1.0
    return row / scale, bound / scale
