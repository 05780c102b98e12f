"""Crossbars that take turns: what is programmed, for many mappings at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: What sums of fractions of crossbars may exceed a capacity by.
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Turns:
    """Crossbars that are programmed in each inference, where they take turns.

    Where a target lacks some, each of those that it lacks and one more is programmed. That is exact
    where no matrix comes again and matrices do not share crossbars, and no more than what is programmed
    elsewhere.

    Args:
        needed: Crossbars of each unit, 0 on targets that are not reprogrammed, shape (n_units,
            n_targets).
        room: Crossbars of each target, shape (n_targets,).
        prices: Quantities of programming one crossbar of each target, shape (n_targets, n_quantities).
    """

    needed: np.ndarray
    room: np.ndarray
    prices: np.ndarray

    def values(self, assignments: np.ndarray) -> np.ndarray:
        """What programming adds to each assignment, shape (n_mappings, n_quantities)."""
        on_target = assignments[..., None] == np.arange(len(self.room))
        return self.of((on_target * self.needed).sum(axis=1))

    def of(self, needed: np.ndarray) -> np.ndarray:
        """What programming adds, shape (n_mappings, n_quantities).

        Args:
            needed: Crossbars that mappings need on each target, shape (n_mappings, n_targets).
        """
        lacking = np.ceil(needed - ROUNDING) - self.room
        added: np.ndarray = np.where(lacking > 0, lacking + 1, 0) @ self.prices
        return added

    def shares(self, allowed: np.ndarray) -> np.ndarray:
        """Programming as a share of each unit, shape (n_units, n_targets, n_quantities).

        The shares are right if all units that can are on the same target, and if none is.

        Args:
            allowed: Whether the target can run the unit, shape (n_units, n_targets).
        """
        needed = np.where(allowed, self.needed, 0.0)
        together = needed.sum(axis=0)
        added = np.array([self.of(row)[0] for row in np.diag(together)[:, None]])
        each = added / np.where(together > 0, together, 1.0)[:, None]
        shares: np.ndarray = needed[..., None] * each
        return shares
