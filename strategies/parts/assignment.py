"""Assignment problems as integer programmes (scipy, HiGHS) whose answers are checked.

HiGHS keeps constraints up to an absolute tolerance of 1e-6. With coefficients of 1e-11 (energies in J) or
of 1e6, it may call a point optimal that breaks a constraint. So every limit is scaled by the room that
it leaves, choices that alone break a limit are ruled out beforehand, and the answer is rounded and
checked against every limit in exact sums. A point that fails is cut off. If the solver does not come to
an answer, a branch and bound of our own takes over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from lionheart_opt.errors import InputError

#: A row over the variables, and the largest accepted sum of the chosen ones' coefficients.
Limit = tuple[np.ndarray, float]

#: A sum may exceed its bound by this share of its terms, which is more than rounding does.
ROUNDING = 1e-12
#: Largest error of a variable in the solver's points.
INTEGRALITY = 1e-5
#: Points that the solver may get wrong before it is given up.
MAX_CUTS = 10
#: Nodes after which the branch and bound gives up.
MAX_NODES = 200_000

#: `milp`'s status: the point is optimal, or there is none.
_OPTIMAL, _INFEASIBLE = 0, 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Assignment:
    """Each unit gets one of its targets; pairs of units have coefficients of their own.

    Variables are the choices, which are binary, and then the couples: one for each pair of targets of a
    pair of units, tied to the choices by their marginals (the standard linearisation of products in
    assignment problems, exact for binary choices).

    Args:
        choices: Unit and target of each choice, sorted by unit, shape (n_choices, 2).
        pairs: Numbers of the two units of each pair, shape (n_pairs, 2).
        couples: Pair and its two targets of each couple, sorted by pair, shape (n_couples, 3).
    """

    choices: np.ndarray
    pairs: np.ndarray
    couples: np.ndarray

    def minimise(
        self, objective: np.ndarray, limits: Sequence[Limit], tolerance: float = 0.0
    ) -> np.ndarray | None:
        """The targets of the units, shape (n_units,), that keep all limits and cost least.

        Args:
            objective: What each variable costs, shape (n_variables,).
            limits: What must hold.
            tolerance: By how much the answer may cost more than the least, as a share of what it costs
                beyond the cheapest choice of every unit. Proving the last digits takes most of the
                time where hundreds of units have many mappings that cost nearly the same.

        Returns:
            None if nothing keeps the limits.

        Raises:
            InputError: Neither the solver nor the branch and bound has an answer that holds.
        """
        allowed = self._possible(limits)
        if allowed is None:
            return None
        costs = self._above_least(objective, allowed)
        costs /= costs[allowed].max() or 1.0
        scaled = [row for limit in limits if (row := self._scaled(limit, allowed)) is not None]
        cuts: list[Limit] = []
        while len(cuts) < MAX_CUTS:
            result = milp(
                np.where(allowed, costs, 0.0),
                integrality=np.arange(len(costs)) < len(self.choices),
                bounds=Bounds(0.0, allowed.astype(float)),
                constraints=self._constraints([*((row, 1.0) for row in scaled), *cuts]),
                options={"mip_rel_gap": tolerance},
            )
            if result.status == _INFEASIBLE:
                return None
            if result.status != _OPTIMAL:
                break
            targets = self._rounded(result.x)
            chosen = self._variables(targets)
            if abs(fsum(costs[chosen]) - result.fun) > INTEGRALITY * len(costs):
                break
            if self._keeps(chosen, limits):
                return targets
            cut = np.zeros(len(costs))
            cut[chosen[chosen < len(self.choices)]] = 1.0
            cuts.append((cut, cut.sum() - 1.0))
        return self._branch_and_bound(costs, limits, scaled, allowed)

    # --- what is exact ----------------------------------------------------------------------------

    @cached_property
    def _starts(self) -> np.ndarray:
        """First variable of each group; exactly one variable of each group is 1."""
        first = np.unique(self.choices[:, 0], return_index=True)[1]
        second = np.unique(self.couples[:, 0], return_index=True)[1]
        starts: np.ndarray = np.r_[first, len(self.choices) + second]
        return starts

    @cached_property
    def _sizes(self) -> np.ndarray:
        """Number of variables of each group."""
        return np.diff(np.r_[self._starts, len(self.choices) + len(self.couples)])

    def _above_least(self, row: np.ndarray, allowed: np.ndarray) -> np.ndarray:
        """Coefficients beyond the least allowed one of their group; infinite where not allowed."""
        least = np.minimum.reduceat(np.where(allowed, row, np.inf), self._starts)
        above: np.ndarray = np.where(allowed, row - np.repeat(least, self._sizes), np.inf)
        return above

    def _room(self, limit: Limit, allowed: np.ndarray) -> tuple[float, float]:
        """What the bound leaves beyond the least sum, and what rounding may have done to it."""
        row, bound = limit
        least = np.minimum.reduceat(np.where(allowed, row, np.inf), self._starts)
        return bound - fsum(least), ROUNDING * (abs(bound) + fsum(np.abs(least)))

    def _possible(self, limits: Sequence[Limit]) -> np.ndarray | None:
        """Which variables can be 1 without breaking a limit alone; None if nothing keeps the limits."""
        allowed: np.ndarray = np.ones(len(self.choices) + len(self.couples), dtype=bool)
        before = -1
        while before != (before := int(allowed.sum())):
            for limit in limits:
                room, error = self._room(limit, allowed)
                if room < -error:
                    return None
                allowed &= self._above_least(limit[0], allowed) <= room + error
        return allowed

    def _scaled(self, limit: Limit, allowed: np.ndarray) -> np.ndarray | None:
        """The limit as a row with coefficients from 0 to 1 and the bound 1; None if it always holds."""
        room, error = self._room(limit, allowed)
        if room <= error:  # only variables that use nothing of it are left
            return None
        used = np.where(allowed, self._above_least(limit[0], allowed) / room, 0.0)
        capped: np.ndarray = np.minimum(used, 1.0)
        return capped

    def _keeps(self, chosen: np.ndarray, limits: Sequence[Limit]) -> bool:
        """Whether variables keep every limit."""
        for row, bound in limits:
            terms = row[chosen]
            if fsum(terms) > bound + ROUNDING * (abs(bound) + fsum(np.abs(terms))):
                return False
        return True

    # --- the solver -------------------------------------------------------------------------------

    def _rounded(self, solution: np.ndarray) -> np.ndarray:
        """The target of each unit whose choice is nearest to 1."""
        starts = np.unique(self.choices[:, 0], return_index=True)[1]
        ends = np.r_[starts[1:], len(self.choices)]
        best = [
            start + int(solution[start:end].argmax())
            for start, end in zip(starts, ends, strict=True)
        ]
        targets: np.ndarray = self.choices[best, 1]
        return targets

    def _variables(self, targets: np.ndarray) -> np.ndarray:
        """Numbers of the variables that are 1, one a group."""
        choices = self.choices[:, 1] == targets[self.choices[:, 0]]
        ends = targets[self.pairs[self.couples[:, 0]]]
        couples = (self.couples[:, 1:] == ends).all(axis=1)
        return np.flatnonzero(np.r_[choices, couples])

    def _constraints(self, rows: Sequence[Limit]) -> list[LinearConstraint]:
        equal, constant = self._structure
        constraints = [LinearConstraint(equal, constant, constant)]
        if rows:
            bounds = np.array([bound for _, bound in rows])
            matrix = np.array([row for row, _ in rows])
            constraints.append(LinearConstraint(matrix, -np.inf, bounds))
        return constraints

    @cached_property
    def _structure(self) -> tuple[csr_array, np.ndarray]:
        """Matrix and constants of the equalities.

        Each unit is on one target, and the couples have the choices as their marginals.
        """
        n_choices, n_couples = len(self.choices), len(self.couples)
        numbers = {(int(unit), int(target)): k for k, (unit, target) in enumerate(self.choices)}
        n_units = int(self.choices[-1, 0]) + 1
        placed = csr_array(
            (np.ones(n_choices), (self.choices[:, 0], np.arange(n_choices))),
            shape=(n_units, n_choices + n_couples),
        )
        marginals: dict[tuple[int, int, int], int] = {}  # (pair, end, target) -> row
        entries: list[tuple[int, int, float]] = []
        for column, (pair, *ends) in enumerate(self.couples):
            for end, target in enumerate(ends):
                key = (int(pair), end, int(target))
                if key not in marginals:
                    marginals[key] = len(marginals)
                    unit = int(self.pairs[pair, end])
                    entries.append((marginals[key], numbers[unit, int(target)], -1.0))
                entries.append((marginals[key], n_choices + column, 1.0))
        if not entries:
            return placed, np.ones(n_units)
        rows, columns, data = (np.array(part) for part in zip(*entries, strict=True))
        coupled = csr_array((data, (rows, columns)), shape=(len(marginals), placed.shape[1]))
        return vstack([placed, coupled]).tocsr(), np.r_[np.ones(n_units), np.zeros(len(marginals))]

    # --- without the solver -----------------------------------------------------------------------

    def _branch_and_bound(
        self,
        costs: np.ndarray,
        limits: Sequence[Limit],
        scaled: Sequence[np.ndarray],
        allowed: np.ndarray,
    ) -> np.ndarray | None:
        """As `minimise`, unit by unit: exact, and slow where there are many units.

        Args:
            costs: The objective beyond the least of each group, infinite where not allowed.
            limits: What must hold.
            scaled: The limits as `_scaled` gives them.
            allowed: Which variables may be 1.
        """
        table = np.array([costs, *scaled])
        n_units = int(self.choices[-1, 0]) + 1
        units = np.where(allowed[: len(self.choices)], self.choices[:, 0], -1)
        options = [np.flatnonzero(units == unit) for unit in range(n_units)]
        couples = {
            (int(pair), int(first), int(second)): len(self.choices) + number
            for number, (pair, first, second) in enumerate(self.couples)
        }
        closed = [np.flatnonzero(self.pairs.max(axis=1) == unit) for unit in range(n_units)]
        best: np.ndarray | None = None
        best_cost = np.inf
        nodes = 0
        targets = np.zeros(n_units, dtype=np.intp)

        def used(unit: int, choice: int) -> np.ndarray:
            """What the choice adds to the objective, infinite if not allowed, and to each limit."""
            targets[unit] = self.choices[choice, 1]
            chosen = [choice]
            for pair in closed[unit]:
                first, second = targets[self.pairs[pair]]
                chosen.append(couples[int(pair), int(first), int(second)])
            added: np.ndarray = table[:, chosen].sum(axis=1)
            return added

        def visit(unit: int, total: np.ndarray) -> None:
            nonlocal best, best_cost, nodes
            nodes += 1
            if nodes > MAX_NODES:
                raise InputError(
                    "the solver of integer programmes (scipy.optimize.milp) returned a mapping that "
                    "breaks a limit, and there are too many mappings to search without it; use another "
                    "strategy, for example quadratic"
                )
            if unit == n_units:
                if self._keeps(self._variables(targets), limits):
                    best, best_cost = targets.copy(), float(total[0])
                return
            sums = [(total + used(unit, int(choice)), choice) for choice in options[unit]]
            for reached, choice in sorted(sums, key=lambda child: float(child[0][0])):
                if reached[0] < best_cost and (reached[1:] <= 1.0 + 1e-9).all():
                    targets[unit] = self.choices[choice, 1]
                    visit(unit + 1, reached)

        visit(0, np.zeros(len(table)))
        return best
