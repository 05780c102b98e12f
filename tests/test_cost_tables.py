"""Pricing in bulk gives what adding up the coefficients one by one gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lionheart_opt import cost_tables as module
from lionheart_opt.cost_tables import CostTables
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping


def random_tables(n_units: int, n_targets: int, n_pairs: int, seed: int) -> CostTables:
    rng = np.random.default_rng(seed)
    return CostTables(
        units=tuple(f"u{k}" for k in range(n_units)),
        targets=tuple(f"t{k}" for k in range(n_targets)),
        fixed=rng.random(2),
        unit=rng.random((n_units, n_targets, 2)),
        pairs=rng.integers(0, n_units, (n_pairs, 2)),
        pair=rng.random((n_pairs, n_targets, n_targets, 2)),
        tiles=np.zeros((n_units, n_targets)),
    )


def by_hand(tables: CostTables, assignment: np.ndarray) -> np.ndarray:
    """Latency and energy of one mapping, coefficient by coefficient."""
    total = tables.fixed.copy()
    for k, target in enumerate(assignment):
        total = total + tables.unit[k, target]
    for (first, second), table in zip(tables.pairs, tables.pair, strict=True):
        total = total + table[assignment[first], assignment[second]]
    return total


@settings(max_examples=30, deadline=None)
@given(data=st.data(), sizes=st.tuples(*[st.integers(1, 6)] * 2, st.integers(0, 5)))
def test_a_batch_is_what_its_mappings_are_one_by_one(
    data: st.DataObject, sizes: tuple[int, int, int]
) -> None:
    tables = random_tables(*sizes, seed=data.draw(st.integers(0, 99)))
    shape = data.draw(st.integers(0, 9)), sizes[0]
    dtype = data.draw(st.sampled_from([np.int8, np.uint8, np.int64]))
    assignments = data.draw(arrays.arrays(dtype, shape, elements=st.integers(0, sizes[1] - 1)))
    latency_s, energy_j = tables.cost_batch(assignments)
    expected = np.array([by_hand(tables, assignment) for assignment in assignments]).reshape(-1, 2)
    # the same additions in the same order: equal to the last bit
    np.testing.assert_array_equal(np.stack([latency_s, energy_j], axis=1), expected)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = random_tables(5, 3, 4, seed=1)
    assignments = np.random.default_rng(2).integers(0, 3, (23, 5))
    whole = tables.cost_batch(assignments)
    monkeypatch.setattr(module, "_CHUNK", 7)
    np.testing.assert_array_equal(tables.cost_batch(assignments), whole)


def test_small_integers_do_not_overflow() -> None:
    tables = random_tables(2, 20, 1, seed=3)  # 20 x 20 combinations do not fit into eight bits
    assignments = np.array([[19, 18]])
    np.testing.assert_array_equal(
        tables.cost_batch(assignments.astype(np.uint8)), tables.cost_batch(assignments)
    )


def test_a_target_that_cannot_run_a_unit_costs_infinitely() -> None:
    tables = random_tables(2, 2, 0, seed=4)
    tables.unit[1, 0] = np.inf
    latency_s, _ = tables.cost_batch(np.array([[0, 0], [0, 1]]))
    assert np.isinf(latency_s).tolist() == [True, False]


def test_mappings_are_encoded_in_the_order_of_the_units() -> None:
    tables = random_tables(3, 2, 0, seed=5)
    mapping = Mapping.of({"u2": "t1", "u0": "t0", "u1": "t1"})
    np.testing.assert_array_equal(tables.encode([mapping]), [[0, 1, 1]])
    assert tables.encode([]).shape == (0, 3)


def test_an_unknown_target_is_named() -> None:
    tables = random_tables(1, 2, 0, seed=6)
    with pytest.raises(InputError, match=r"unknown target 't7'.*allowed: t0, t1"):
        tables.encode([Mapping.of({"u0": "t7"})])
