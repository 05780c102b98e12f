"""Assignments against enumeration, also where the solver is wrong or the numbers are badly scaled."""

from itertools import product
from math import fsum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.optimize
from scipy.sparse import issparse

from lionheart_opt.errors import InputError
from lionheart_opt.strategies.parts import assignment as module
from lionheart_opt.strategies.parts.assignment import Assignment, Limit


def assignment(n_units: int, n_targets: int = 2, pairs: list[tuple[int, int]] | None = None):
    """Every unit on any target, with some pairs."""
    pairs = pairs or []
    ends = [(p, a, b) for p in range(len(pairs)) for a, b in product(range(n_targets), repeat=2)]
    return Assignment(
        choices=np.array(list(product(range(n_units), range(n_targets)))),
        pairs=np.array(pairs, dtype=np.intp).reshape(-1, 2),
        couples=np.array(ends, dtype=np.intp).reshape(-1, 3),
    )


def by_enumeration(
    asked: Assignment, objective: np.ndarray, limits: list[Limit]
) -> tuple[float, ...] | None:
    """The least objective among the assignments that keep every limit."""
    n_units, n_targets = asked.choices[-1] + 1
    costs = []
    for targets in product(range(n_targets), repeat=n_units):
        chosen = asked._variables(np.array(targets))
        if asked._keeps(chosen, limits):
            costs.append(sum(objective[chosen]))
    return min(costs, default=None)


def cost_of(asked: Assignment, objective: np.ndarray, targets: np.ndarray | None) -> float | None:
    return None if targets is None else sum(objective[asked._variables(targets)])


#: Four units: losses of 1e-11 on their second target, and one of 1e6 that nothing may use.
BADLY_SCALED = assignment(4)
LOSSES = np.array([0, 1e-11, 0, 1e-11, 0, 2e-11, 0, 1e6])
COSTS = np.array([1, 0, 1, 0, 1, 0, 1, 0.0])


def test_the_solver_alone_breaks_a_badly_scaled_limit() -> None:
    """Else the next test would show nothing: even with coefficients up to 1, it keeps no 1e-17."""
    placed = scipy.optimize.LinearConstraint(np.kron(np.eye(4), [1.0, 1.0]), 1.0, 1.0)
    scaled = scipy.optimize.LinearConstraint(LOSSES[None] / 1e6, -np.inf, 2e-11 / 1e6)
    result = scipy.optimize.milp(COSTS, integrality=1, bounds=(0, 1), constraints=[placed, scaled])
    assert result.status == 0
    assert LOSSES @ np.round(result.x) > 2e-11 * 1.5


def test_a_badly_scaled_limit_is_kept() -> None:
    """2e-11 leaves room for two small losses, or for the larger one alone."""
    targets = BADLY_SCALED.minimise(COSTS, [(LOSSES, 2e-11)])
    assert targets is not None and targets.tolist() == [1, 1, 0, 0]
    assert BADLY_SCALED.minimise(COSTS, [(LOSSES, -1e-11)]) is None
    assert BADLY_SCALED.minimise(1e-11 * COSTS, [(LOSSES, 4e-11)]).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("seed", range(30))
def test_it_is_exact_at_any_scale(seed: int) -> None:
    """Losses from 1e-12 to 1e6, costs in joules, pairs, limits that some assignment has exactly."""
    rng = np.random.default_rng(seed)
    asked = assignment(5, 3, pairs=[(0, 1), (1, 2), (0, 4)])
    n = len(asked.choices) + len(asked.couples)
    objective = 1e-11 * rng.normal(size=n)
    limits = []
    for _ in range(2):
        row = 10.0 ** rng.uniform(-12, 6, size=n) * (rng.random(n) < 0.7)
        some = asked._variables(rng.integers(3, size=5))
        limits.append((row, float(sum(row[some]))))
    expected = by_enumeration(asked, objective, limits)
    found = cost_of(asked, objective, asked.minimise(objective, limits))
    # the solver may stop 1e-6 of the largest coefficient before the least
    assert (found is None) == (expected is None)
    if expected is not None:
        assert found == pytest.approx(expected, abs=1e-5 * np.ptp(objective))


def _wrong(kind: str) -> Any:
    """A solver that answers something wrong: everything on the second target, or on the first."""

    def milp(c: np.ndarray, **_: Any) -> SimpleNamespace:
        second = np.arange(len(c)) % 2.0
        first = 1.0 - second
        return {
            "breaks a limit": SimpleNamespace(status=0, x=second, fun=float(c @ second)),
            "says too little": SimpleNamespace(status=0, x=first, fun=float(c @ first) - 0.1),
            "says too much": SimpleNamespace(status=0, x=first, fun=float(c @ first) + 0.1),
            "stops early": SimpleNamespace(status=1, x=first, fun=float(c @ first)),
            "gives up": SimpleNamespace(status=4, x=None, fun=None),
        }[kind]

    return milp


@pytest.mark.parametrize(
    "kind", ["breaks a limit", "says too little", "says too much", "stops early", "gives up"]
)
def test_a_solver_that_is_wrong_is_not_believed(kind: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "milp", _wrong(kind))
    asked = assignment(6)
    rng = np.random.default_rng(0)
    objective, losses = rng.random(12), rng.random(12)
    objective[1::2] = 0.0  # what breaks the limit would be the best without it
    for bound in (1.0, 2.0, 3.0, float(losses[::2].sum())):
        targets = asked.minimise(objective, [(losses, bound)])
        expected = by_enumeration(asked, objective, [(losses, bound)])
        assert cost_of(asked, objective, targets) == pytest.approx(expected)


def test_a_solver_that_is_off_by_its_tolerance_is_believed(monkeypatch: Any) -> None:
    """Each variable may be off by 1e-5, so that the objective is off by that for each of them."""

    def rough(c: np.ndarray, **_: Any) -> SimpleNamespace:
        x = np.tile([0.9e-5, 1 - 0.9e-5], len(c) // 2)
        return SimpleNamespace(status=0, x=x, fun=float(c @ x))

    monkeypatch.setattr(module, "milp", rough)
    monkeypatch.setattr(Assignment, "_branch_and_bound", None)
    targets = assignment(50).minimise(np.tile([1.0, 0.0], 50), [])
    assert targets is not None and targets.all()


def test_a_point_that_breaks_a_limit_is_cut_off(monkeypatch: Any) -> None:
    """The solver is asked again, and its next answer is taken: no search of our own is needed."""
    asked, true = assignment(3), scipy.optimize.milp
    calls = []

    def wrong_once(c: np.ndarray, **settings: Any) -> Any:
        calls.append(settings["constraints"])
        return _wrong("breaks a limit")(c) if len(calls) == 1 else true(c, **settings)

    monkeypatch.setattr(module, "milp", wrong_once)
    monkeypatch.setattr(Assignment, "_branch_and_bound", None)
    targets = asked.minimise(np.tile([1.0, 0.0], 3), [(np.tile([0.0, 1.0], 3), 2.0)])
    assert targets is not None and targets.sum() == 2
    cut = calls[1][1].A[-1]
    assert not issparse(cut) and cut.tolist() == [0, 1] * 3 and calls[1][1].ub[-1] == 2


def ragged(rng: np.random.Generator, pairs: list[tuple[int, int]]) -> Assignment:
    """Four units, each with some of three targets; the couples of a pair are those that they allow."""
    options = [np.flatnonzero(rng.random(3) < 0.7) for _ in range(4)]
    options = [targets if len(targets) else np.array([2]) for targets in options]
    couples = [
        (number, *ends)
        for number, pair in enumerate(pairs)
        for ends in product(*(options[unit] for unit in pair))
    ]
    return Assignment(
        choices=np.array([(unit, t) for unit, targets in enumerate(options) for t in targets]),
        pairs=np.array(pairs, dtype=np.intp).reshape(-1, 2),
        couples=np.array(couples, dtype=np.intp).reshape(-1, 3),
    )


def least_and_assignment(
    asked: Assignment, objective: np.ndarray, limits: list[Limit]
) -> tuple[float, list[int]] | None:
    """The least objective of the assignments that keep every limit, by plain enumeration."""
    units = [asked.choices[asked.choices[:, 0] == unit] for unit in range(4)]
    best = None
    for chosen in product(*units):
        targets = [int(target) for _, target in chosen]
        places = [asked.choices.tolist().index([unit, t]) for unit, t in enumerate(targets)]
        for number, (first, second) in enumerate(asked.pairs):
            couple = [number, targets[first], targets[second]]
            places.append(len(asked.choices) + asked.couples.tolist().index(couple))
        if all(fsum(row[places]) <= bound * (1 + 1e-12) for row, bound in limits):
            cost = fsum(objective[places])
            best = min(best or (np.inf, targets), (cost, targets))
    return best


@pytest.mark.parametrize("gives_up", [False, True], ids=["solver", "branch-and-bound"])
@pytest.mark.parametrize("pairs", [[], [(0, 1)], [(2, 0), (1, 3), (1, 2)]], ids=str)
def test_each_unit_gets_one_of_its_own_targets(
    pairs: list[tuple[int, int]], gives_up: bool, monkeypatch: Any
) -> None:
    """Units with different targets, pairs in any order, limits that are met exactly or by nothing."""
    if gives_up:
        monkeypatch.setattr(module, "milp", _wrong("gives up"))
    else:  # the solver needs no help
        monkeypatch.setattr(Assignment, "_branch_and_bound", None)
    infeasible = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        asked = ragged(rng, pairs)
        n = len(asked.choices) + len(asked.couples)
        objective, rows = rng.normal(size=n), rng.random((2, n))
        free = least_and_assignment(asked, objective, [])
        assert free is not None
        assert asked.minimise(objective, []).tolist() == free[1]
        some = asked._variables(np.array(free[1]))
        bounds = [float(fsum(row[some])) * rng.choice([0.7, 1.0]) for row in rows]
        limits = list(zip(rows, bounds, strict=True))
        expected = least_and_assignment(asked, objective, limits)
        targets = asked.minimise(objective, limits)
        infeasible += expected is None
        assert (targets is None) == (expected is None)
        if targets is not None and expected is not None:
            assert targets.tolist() == expected[1]
    assert 0 < infeasible < 25


def test_the_solver_goes_on_to_the_very_least(monkeypatch: Any) -> None:
    """Savings differ by a thousandth of what is saved; dynamic programming over weights knows best."""
    monkeypatch.setattr(Assignment, "_branch_and_bound", None)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        weights = rng.integers(50, 150, 20)
        savings, capacity = weights + 0.1 * rng.random(20), int(weights.sum() // 2)
        most = np.zeros(capacity + 1)
        for saving, weight in zip(savings, weights, strict=True):
            most[weight:] = np.maximum(most[weight:], most[: capacity + 1 - weight] + saving)
        objective = np.kron(savings, [1.0, 0.0])
        targets = assignment(20).minimise(
            objective, [(np.kron(weights, [0.0, 1.0]), float(capacity))]
        )
        assert targets is not None
        assert savings @ targets == pytest.approx(most[-1], rel=1e-7)


@pytest.mark.parametrize("gives_up", [False, True], ids=["solver", "branch-and-bound"])
def test_a_bound_that_rounding_exceeds_is_met(gives_up: bool, monkeypatch: Any) -> None:
    """0.1 + 0.2 is more than 0.3 in floating point, and -0.1 - 0.2 + 0.3 is not quite 0."""
    if gives_up:
        monkeypatch.setattr(module, "milp", _wrong("gives up"))
    asked = assignment(3)
    first_is_dear = np.tile([1.0, 0.0], 3)
    for scale in (2.0**-40, 1.0, 2.0**30):
        for used, bound in (
            ([0.1, 0.2, 0.0], 0.3),
            ([0.1, 0.2, -0.3], 0.0),
            ([-0.1, -0.2, 0.0], -0.3),
            ([-0.3, 0.0, 0.0], -0.1 - 0.2),
            ([0.1 + 0.2, 0.0, 0.0], 0.3),
        ):
            row = scale * np.array([[0.0, use] for use in used])
            targets = asked.minimise(first_is_dear, [(row.ravel(), scale * bound)])
            assert targets is not None and targets.tolist() == [1, 1, 1]
            held = row + scale * np.array([[10.0, 0.0]] * 3)  # nothing else is possible
            targets = asked.minimise(-first_is_dear, [(held.ravel(), scale * bound)])
            assert targets is not None and targets.tolist() == [1, 1, 1]
            short = scale * (bound - 1e-9)
            assert asked.minimise(-first_is_dear, [(held.ravel(), short)]) is None


def test_a_bound_of_zero_leaves_what_uses_nothing() -> None:
    targets = BADLY_SCALED.minimise(COSTS, [(LOSSES, 0.0)])
    assert targets is not None and not targets.any()
    targets = BADLY_SCALED.minimise(COSTS, [(0.0 * LOSSES, 0.0)])
    assert targets is not None and targets.all()


def test_choices_that_cannot_be_are_ruled_out_beforehand(monkeypatch: Any) -> None:
    """Else the solver would propose them, one after the other, where others of a row are far larger.

    The first unit has to use all of `second` once `first` leaves it one target only.
    """
    calls = []

    def counted(c: np.ndarray, **settings: Any) -> Any:
        calls.append(settings)
        return scipy.optimize.milp(c, **settings)

    monkeypatch.setattr(module, "milp", counted)
    monkeypatch.setattr(Assignment, "_branch_and_bound", None)
    first, second = np.zeros((2, 40))
    first[0] = 2.0
    second[1], second[3::2] = 1.0, 1e-3
    targets = assignment(20).minimise(np.tile([1.0, 0.0], 20), [(second, 1.0), (first, 1.0)])
    assert targets is not None and targets.tolist() == [1] + [0] * 19
    assert len(calls) == 1


def test_what_cannot_be_searched_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "milp", _wrong("gives up"))
    monkeypatch.setattr(module, "MAX_NODES", 10)
    with pytest.raises(InputError, match="breaks a limit, and there are too many mappings"):
        assignment(6).minimise(np.tile([1.0, 0.5], 6), [(np.tile([0.0, 1.0], 6), 3.0)])
