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
    """The assignment of least energy that Metropolis chains with a falling temperature find.

    Kirkpatrick, Gelatt, Vecchi (Science 1983), with geometric cooling from 1 to 0.001.

    Args:
        energy: Function to minimise.
        allowed: Which targets each unit can be on, shape (n_units, n_targets).
        rng: Source of all randomness.
        chains: Number of independent chains.
        sweeps: Proposals of each chain for each unit that has a choice.

    Returns:
        Number of the target of each unit, shape (n_units,).
    """
    choices = [np.flatnonzero(row) for row in allowed]
    movable = np.flatnonzero(allowed.sum(axis=1) > 1)
    state = np.array([[rng.choice(row) for row in choices] for _ in range(chains)])
    energies = energy(state)
    best: np.ndarray = state[energies.argmin()].copy()
    least = float(energies.min())
    numbers = np.arange(chains)
    for temperature in np.geomspace(1.0, 1e-3, sweeps * len(movable)):
        units = rng.choice(movable, size=chains)
        trial = state.copy()
        trial[numbers, units] = [rng.choice(choices[unit]) for unit in units]
        trial_energies = energy(trial)
        rise = np.clip((trial_energies - energies) / temperature, 0.0, 700.0)
        accepted = rng.random(chains) < np.exp(-rise)
        state[accepted], energies[accepted] = trial[accepted], trial_energies[accepted]
        if energies.min() < least:
            best, least = state[energies.argmin()].copy(), float(energies.min())
    return best
