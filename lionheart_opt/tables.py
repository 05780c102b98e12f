"""Coefficient tables of additive cost models: many mappings priced at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lionheart_opt.mapping import Mapping


@dataclass(frozen=True, kw_only=True, eq=False)
class CostTables:
    """Cost = fixed + sum over units + sum over pairs of units that exchange data.

    The last axis of every table is (latency in s, energy in J).

    Args:
        units: unit names, shape (n_units,).
        targets: target names, shape (n_targets,).
        fixed: shape (2,): layers that belong to no unit.
        unit: shape (n_units, n_targets, 2); infinite where the target cannot run the unit.
        pairs: shape (n_pairs, 2): numbers of units of which the second reads the first's result.
        pair: shape (n_pairs, n_targets, n_targets, 2): cost by the targets of the two.
        tiles: shape (n_units, n_targets): crossbars that the unit occupies on the target.
    """

    units: tuple[str, ...]
    targets: tuple[str, ...]
    fixed: np.ndarray
    unit: np.ndarray
    pairs: np.ndarray
    pair: np.ndarray
    tiles: np.ndarray

    def encode(self, mappings: Sequence[Mapping]) -> np.ndarray:
        """Numbers of targets, shape (n_mappings, n_units)."""
        number = {name: k for k, name in enumerate(self.targets)}
        return np.array([[number[m[unit]] for unit in self.units] for m in mappings], dtype=np.intp)

    def cost_batch(self, assignments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Price mappings in bulk.

        Args:
            assignments: shape (n_mappings, n_units), integers: the number of the target of each unit.

        Returns:
            Latency in s and energy in J, each of shape (n_mappings,).
        """
        total = np.tile(self.fixed, (len(assignments), 1))
        for k in range(len(self.units)):
            total += self.unit[k].take(assignments[:, k], axis=0)
        n_targets = len(self.targets)
        for (first, second), table in zip(self.pairs, self.pair, strict=True):
            both = assignments[:, first] * n_targets + assignments[:, second]
            total += table.reshape(-1, 2).take(both, axis=0)
        return total[:, 0], total[:, 1]
