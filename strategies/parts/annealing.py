"""Simulated annealing over assignments, many chains at once: for spaces too large to enumerate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

#: Energies of assignments from their sums: (n_chains, n_sums) -> (n_chains,), all of order 1 or more.
Energy = Callable[[np.ndarray], np.ndarray]

#: Units up to which the temperature begins at 1. With more, each matters less, and it is colder.
FEW_UNITS = 5
#: The last temperature relative to the first.
COOLING = 4e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Sums:
    """Quantities of assignments that are sums over units and over pairs of units.

    Choices are the allowed (unit, target), sorted by unit and then by target.

    Args:
        choices: What each choice adds to each sum, shape (n_choices, n_sums).
        pairs: Number of a sum -> what two choices together add to it beyond that, symmetric and 0 for
            choices of the same unit, shape (n_choices, n_choices). Sums without pairs have no entry.
    """

    choices: np.ndarray
    pairs: dict[int, np.ndarray]

    def values(self, chosen: np.ndarray) -> np.ndarray:
        """The sums of assignments, shape (n_assignments, n_sums).

        Args:
            chosen: Number of the choice of each unit, shape (n_assignments, n_units).
        """
        values: np.ndarray = self.choices[chosen].sum(axis=1)
        for number, table in self.pairs.items():
            has = np.zeros((len(chosen), len(self.choices)))
            np.put_along_axis(has, chosen, 1.0, axis=1)
            values[:, number] += 0.5 * ((has @ table) * has).sum(axis=1)
        return values


def anneal(
    sums: Sums,
    energy: Energy,
    allowed: np.ndarray,
    rng: np.random.Generator,
    *,
    chains: int = 16,
    sweeps: int = 20,
) -> np.ndarray:
    """The assignment of least energy that Metropolis chains with a falling temperature find.

    Kirkpatrick, Gelatt, Vecchi (Science 1983), with geometric cooling. A step moves
    one unit of every chain. Only the change of the sums is computed, from what each choice would add to
    them beside the other units' present choices.

    Args:
        sums: What the energy depends on.
        energy: Function to minimise.
        allowed: Which targets each unit can be on, shape (n_units, n_targets).
        rng: Source of all randomness.
        chains: Number of independent chains.
        sweeps: Proposals of each chain for each unit that has a choice.

    Returns:
        Number of the target of each unit, shape (n_units,).
    """
    targets: np.ndarray = np.nonzero(allowed)[1]
    counts = allowed.sum(axis=1)
    first = np.r_[0, np.cumsum(counts)[:-1]]
    movable = np.flatnonzero(counts > 1)
    chosen = first + (rng.random((chains, len(counts))) * counts).astype(np.intp)
    state = _State(sums, chosen)
    energies = energy(state.values)
    best: np.ndarray = chosen[energies.argmin()].copy()
    least = float(energies.min())
    if not len(movable):
        return np.asarray(targets[best])
    steps = sweeps * len(movable)
    moved = movable[rng.integers(len(movable), size=(steps, chains))]
    shifts = 1 + (rng.random((steps, chains)) * (counts[moved] - 1)).astype(np.intp)
    # Accepted where the energy rises by at most this: exp(-rise / temperature) against a uniform number.
    hottest = min(1.0, FEW_UNITS / len(movable))
    accepts = -np.log1p(-rng.random((steps, chains)))
    accepts *= np.geomspace(hottest, COOLING * hottest, steps)[:, None]
    numbers = np.arange(chains)
    for unit, shift, most in zip(moved, shifts, accepts, strict=True):
        old = chosen[numbers, unit]
        start = first[unit]
        new = start + (old - start + shift) % counts[unit]
        values = state.moved(old, new)
        trial_energies = energy(values)
        accepted = np.flatnonzero(trial_energies - energies <= most)
        if not len(accepted):
            continue
        chosen[accepted, unit[accepted]] = new[accepted]
        state.move(accepted, old[accepted], new[accepted], values[accepted])
        energies[accepted] = trial_energies[accepted]
        lowest = accepted[energies[accepted].argmin()]
        if energies[lowest] < least:
            best, least = chosen[lowest].copy(), float(energies[lowest])
    return np.asarray(targets[best])


class _State:
    """The sums of each chain, and how every choice would change them.

    Attributes:
        values: The sums, shape (n_chains, n_sums).
    """

    def __init__(self, sums: Sums, chosen: np.ndarray) -> None:
        self._sums = sums
        self.values = sums.values(chosen)
        # What each choice adds in pairs with the present ones, shape (n_chains, n_choices) for each sum.
        self._beside = {
            number: np.stack([table[row].sum(axis=0) for row in chosen])
            for number, table in sums.pairs.items()
        }
        self._chains = np.arange(len(chosen))

    def moved(self, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        """The sums with one choice of each chain replaced by another one of the same unit."""
        choices = self._sums.choices
        values: np.ndarray = self.values + choices[new] - choices[old]
        for number, beside in self._beside.items():
            values[:, number] += beside[self._chains, new] - beside[self._chains, old]
        return values

    def move(
        self, chains: np.ndarray, old: np.ndarray, new: np.ndarray, values: np.ndarray
    ) -> None:
        """Replace choices of some chains."""
        self.values[chains] = values
        for number, table in self._sums.pairs.items():
            self._beside[number][chains] += table[new] - table[old]
