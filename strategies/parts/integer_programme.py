"""The mapping problem with a predicted loss as an exact integer programme (scipy, HiGHS)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from lionheart_opt.mapping import Mapping
from lionheart_opt.strategies.parts.additive import Additive


@dataclass(frozen=True)
class IntegerProgramme:
    """Least cost over mappings whose predicted loss, cost limits and tiles hold.

    One binary variable for each allowed (unit, target), one continuous variable for each allowed pair
    of targets of a pair of units, tied to the binaries by its marginals (the standard linearisation of
    products in assignment problems, exact for binary assignments).

    Args:
        costs: what is priced.
    """

    costs: Additive
    _choices: np.ndarray = field(init=False)  # (n_choices, 2): unit, target
    _couples: np.ndarray = field(init=False)  # (n_couples, 3): pair, target, target

    def __post_init__(self) -> None:
        allowed = self.costs.allowed
        couples = [
            (number, a, b)
            for number, (one, two) in enumerate(self.costs.pairs)
            for a in np.flatnonzero(allowed[one])
            for b in np.flatnonzero(allowed[two])
        ]
        object.__setattr__(self, "_choices", np.argwhere(allowed))
        object.__setattr__(self, "_couples", np.array(couples, dtype=np.intp).reshape(-1, 3))

    def cheapest(
        self,
        quantity: int,
        losses: np.ndarray,
        max_loss: float,
        below: float,
        excluded: Iterable[Mapping] = (),
    ) -> Mapping | None:
        """The cheapest mapping whose predicted loss holds, or None if there is none.

        Args:
            quantity: number of the quantity that is minimised.
            losses: predicted loss of each choice, shape (n_units, n_targets).
            max_loss: largest accepted sum of losses.
            below: largest accepted cost, up to the solver's tolerance.
            excluded: mappings that are cut off.
        """
        cost = self._row(quantity)
        limits = [(self._spread(losses), max_loss)]
        if np.isfinite(below):
            limits.append((cost, below - self.costs.fixed[quantity]))
        return self._minimise(cost, limits, excluded)

    def least_loss(self, losses: np.ndarray, excluded: Iterable[Mapping] = ()) -> Mapping | None:
        """The mapping of least predicted loss that keeps cost limits and capacities, if there is one."""
        return self._minimise(self._spread(losses), [], excluded)

    def _minimise(
        self,
        objective: np.ndarray,
        limits: list[tuple[np.ndarray, float]],
        excluded: Iterable[Mapping],
    ) -> Mapping | None:
        """Least objective under `row @ variables <= bound` for each limit, and the problem's own."""
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
        """Cost limits and tile capacities."""
        limits = []
        for name, limit in self.costs.problem.cost_limits.items():
            number = self.costs.number(name)
            limits.append((self._row(number), limit - self.costs.fixed[number]))
        for k, name in enumerate(self.costs.targets):
            capacity = self.costs.problem.system.target(name).tiles
            if capacity is not None:
                used = np.zeros(self.costs.allowed.shape)
                used[:, k] = self.costs.tiles[:, k]
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
        """Equalities: each unit is on one target; couples have the choices as their marginals."""
        n_choices, n_couples = len(self._choices), len(self._couples)
        number = {(int(u), int(t)): k for k, (u, t) in enumerate(self._choices)}
        one = csr_array(
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
                    entries.append((marginals[key], number[unit, int(target)], -1.0))
                entries.append((marginals[key], n_choices + column, 1.0))
        if not entries:
            return one, np.ones(one.shape[0])
        row, column_, data = (np.array(part) for part in zip(*entries, strict=True))
        couple = csr_array((data, (row, column_)), shape=(len(marginals), one.shape[1]))
        return vstack([one, couple]).tocsr(), np.r_[np.ones(one.shape[0]), np.zeros(len(marginals))]


def _scaled(row: np.ndarray, bound: float) -> tuple[np.ndarray, float]:
    """The same limit with coefficients up to 1: the solver's tolerances are absolute."""
    scale = float(np.abs(row).max()) or 1.0
    return row / scale, bound / scale
