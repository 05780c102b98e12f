"""Annealing against enumeration."""

from itertools import product

import numpy as np
import pytest

from lionheart_opt.strategies.parts.annealing import anneal


def test_annealing_finds_what_enumeration_finds() -> None:
    rng = np.random.default_rng(3)
    linear, pair = rng.normal(size=12), rng.normal(size=(12, 12))

    def energy(states: np.ndarray) -> np.ndarray:
        return states @ linear + ((states @ pair) * states).sum(axis=1)

    every = np.array(list(product((0, 1), repeat=12)))
    allowed = np.ones((12, 2), bool)
    state = anneal(energy, allowed, np.random.default_rng(0))
    assert energy(state[None])[0] == pytest.approx(energy(every).min())


def test_annealing_stays_where_it_may() -> None:
    allowed = np.array([[True, False, True], [True, False, False], [False, True, True]])
    seen = []

    def energy(states: np.ndarray) -> np.ndarray:
        seen.append(states.copy())
        return -states.sum(axis=1).astype(float)

    best = anneal(energy, allowed, np.random.default_rng(0))
    assert best.tolist() == [2, 0, 2]
    states = np.concatenate(seen)
    assert all(allowed[unit, target] for state in states for unit, target in enumerate(state))


def test_annealing_depends_on_its_generator_only() -> None:
    weights = np.random.default_rng(5).normal(size=(8, 3))

    def energy(states: np.ndarray) -> np.ndarray:
        return weights[np.arange(8), states].sum(axis=1)

    allowed = np.ones((8, 3), bool)
    runs = [anneal(energy, allowed, np.random.default_rng(seed)) for seed in (1, 1)]
    assert runs[0].tolist() == runs[1].tolist()
    assert runs[0].tolist() == weights.argmin(axis=1).tolist()


def test_annealing_without_a_choice_returns_the_only_assignment() -> None:
    allowed = np.array([[False, True], [True, False]])
    state = anneal(lambda states: np.zeros(len(states)), allowed, np.random.default_rng(0))
    assert state.tolist() == [1, 0]


def test_annealing_keeps_the_best_assignment_that_any_chain_had() -> None:
    """One assignment of 1,024 is better than all others: chains pass it and leave it again."""
    target = np.arange(10) % 2
    passed = []

    def energy(states: np.ndarray) -> np.ndarray:
        away = (states != target).sum(axis=1)
        energies = np.where(away == 0, -0.001, 0.0)
        passed.append(energies.min())
        return energies

    state = anneal(energy, np.ones((10, 2), bool), np.random.default_rng(0), sweeps=200)
    assert min(passed) < 0.0
    assert state.tolist() == target.tolist()


def test_what_a_chain_begins_with_counts_too() -> None:
    """Differences far below the temperature: chains leave what they begin with at once."""
    for seed in range(20):
        seen: list[float] = []

        def energy(states: np.ndarray, seen: list[float] = seen) -> np.ndarray:
            energies = 1e-9 * ((7 * states[:, 0]) % 101)
            seen.extend(energies.tolist())
            return energies

        state = anneal(energy, np.ones((1, 101), bool), np.random.default_rng(seed), sweeps=2)
        assert 1e-9 * ((7 * state[0]) % 101) == min(seen)
