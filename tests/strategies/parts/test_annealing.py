"""Annealing against enumeration."""

from itertools import product

import numpy as np
import pytest

from lionheart_opt.strategies.parts.annealing import Sums, anneal


def first_sum(values: np.ndarray) -> np.ndarray:
    return values[:, 0]


def test_annealing_finds_what_enumeration_finds() -> None:
    """Two sums, one of them with pairs."""
    rng = np.random.default_rng(3)
    single, pair = rng.normal(size=(24, 2)), rng.normal(size=(24, 24))
    pair[np.arange(24) // 2 == np.arange(24)[:, None] // 2] = 0.0
    sums = Sums(choices=single, pairs={1: pair + pair.T})

    def energy(values: np.ndarray) -> np.ndarray:
        total: np.ndarray = values[:, 1] + np.maximum(values[:, 0], 0.0)
        return total

    every = 2 * np.arange(12) + np.array(list(product((0, 1), repeat=12)))
    state = anneal(sums, energy, np.ones((12, 2), bool), np.random.default_rng(0))
    least = energy(sums.values(every)).min()
    assert energy(sums.values(2 * np.arange(12) + state[None]))[0] == pytest.approx(least)


def test_sums_add_choices_and_pairs() -> None:
    """Two units with two targets each; the pair (1, 2) adds 5 to the second sum."""
    pair = np.zeros((4, 4))
    pair[1, 2] = pair[2, 1] = 5.0
    sums = Sums(choices=np.array([[1.0, 0], [2, 0], [3, 10], [4, 0]]), pairs={1: pair})
    assert sums.values(np.array([[0, 2], [1, 2], [1, 3]])).tolist() == [[4, 10], [5, 15], [6, 0]]


def test_sums_of_chains_are_those_of_their_assignments() -> None:
    """What is updated step by step equals what is computed at once."""
    rng = np.random.default_rng(1)
    pair = rng.normal(size=(40, 40)) * (np.arange(40) // 4 != np.arange(40)[:, None] // 4)
    sums = Sums(choices=rng.normal(size=(40, 3)), pairs={0: pair + pair.T, 2: 2 * (pair + pair.T)})
    least = np.inf

    def energy(values: np.ndarray) -> np.ndarray:
        nonlocal least
        total: np.ndarray = values.sum(axis=1)
        least = min(least, total.min())
        return total

    state = anneal(sums, energy, np.ones((10, 4), bool), rng)
    assert sums.values(4 * np.arange(10) + state[None]).sum() == pytest.approx(least)


def test_annealing_stays_where_it_may() -> None:
    allowed = np.array([[True, False, True], [True, False, False], [False, True, True]])
    sums = Sums(choices=-np.argwhere(allowed)[:, 1:].astype(float), pairs={})
    assert anneal(sums, first_sum, allowed, np.random.default_rng(0)).tolist() == [2, 0, 2]


def test_annealing_depends_on_its_generator_only() -> None:
    weights = np.random.default_rng(5).normal(size=(8, 3))
    sums = Sums(choices=weights.reshape(-1, 1), pairs={})
    allowed = np.ones((8, 3), bool)
    runs = [anneal(sums, first_sum, allowed, np.random.default_rng(seed)) for seed in (1, 1)]
    assert runs[0].tolist() == runs[1].tolist()
    assert runs[0].tolist() == weights.argmin(axis=1).tolist()


def test_annealing_without_a_choice_returns_the_only_assignment() -> None:
    allowed = np.array([[False, True], [True, False]])
    sums = Sums(choices=np.zeros((2, 1)), pairs={})
    assert anneal(sums, first_sum, allowed, np.random.default_rng(0)).tolist() == [1, 0]


def test_annealing_keeps_the_best_assignment_that_any_chain_had() -> None:
    """One assignment of 1,024 is better than all others: chains pass it and leave it again."""
    target = np.arange(10) % 2
    away = np.ones((10, 2))
    away[np.arange(10), target] = 0.0
    passed = []

    def energy(values: np.ndarray) -> np.ndarray:
        energies = np.where(values[:, 0] == 0, -0.001, 0.0)
        passed.append(energies.min())
        return energies

    sums = Sums(choices=away.reshape(-1, 1), pairs={})
    state = anneal(sums, energy, np.ones((10, 2), bool), np.random.default_rng(0), sweeps=200)
    assert min(passed) < 0.0
    assert state.tolist() == target.tolist()


def test_what_a_chain_begins_with_counts_too() -> None:
    """Differences far below the temperature: chains leave what they begin with at once."""
    sums = Sums(choices=1e-9 * ((7.0 * np.arange(101)) % 101)[:, None], pairs={})
    for seed in range(20):
        seen: list[float] = []

        def energy(values: np.ndarray, seen: list[float] = seen) -> np.ndarray:
            seen.extend(values[:, 0].tolist())
            return first_sum(values)

        allowed = np.ones((1, 101), bool)
        state = anneal(sums, energy, allowed, np.random.default_rng(seed), sweeps=2)
        assert sums.choices[state[0], 0] == pytest.approx(min(seen), abs=1e-15)
