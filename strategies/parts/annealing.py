"""Simulated annealing over assignments, many chains at once: for spaces too large to enumerate."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Energies of assignments: (n_chains, n_units) -> (n_chains,), all of order 1 or more.
Energy = Callable[[np.ndarray], np.ndarray]


def anneal(
    energy: Energy,
    allowed: np.ndarray,
    rng: np.random.Generator,
    *,
    chains: int = 16,
    sweeps: int = 20,
) -> np.ndarray:
    """The assignment of least energy that Metropolis chains with falling temperature find.

    Kirkpatrick, Gelatt, Vecchi (Science 1983), geometric cooling from 1 to 0.001.

    Args:
        energy: what is minimised.
        allowed: shape (n_units, n_targets): which targets each unit can be on.
        rng: source of all randomness.
        chains: independent chains.
        sweeps: proposals for each unit that has a choice.

    Returns:
        Shape (n_units,).
    """
    choices = [np.flatnonzero(row) for row in allowed]
    movable = np.flatnonzero(allowed.sum(axis=1) > 1)
    state = np.array([[rng.choice(row) for row in choices] for _ in range(chains)])
    energies = energy(state)
    best: np.ndarray = state[energies.argmin()].copy()
    least = float(energies.min())
    everyone = np.arange(chains)
    for temperature in np.geomspace(1.0, 1e-3, sweeps * len(movable)):
        units = rng.choice(movable, size=chains)
        trial = state.copy()
        trial[everyone, units] = [rng.choice(choices[unit]) for unit in units]
        found = energy(trial)
        worse = np.clip((found - energies) / temperature, 0.0, 700.0)
        accepted = rng.random(chains) < np.exp(-worse)
        state[accepted], energies[accepted] = trial[accepted], found[accepted]
        if energies.min() < least:
            best, least = state[energies.argmin()].copy(), float(energies.min())
    return best
