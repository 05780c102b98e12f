"""Placement of groups on cores, against all ways to cut them and all ways to place them."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lionheart_opt.cost_models.parts.placement import Passed, place


def loads(cores: tuple[int, ...], work_s: list[float], passed: list[Passed]) -> dict[int, float]:
    """Core -> time that it works, by the definition of `Passed`."""
    busy_s = dict.fromkeys(cores, 0.0)
    for core, time_s in zip(cores, work_s, strict=True):
        busy_s[core] += time_s
    for result in passed:
        here = cores[result.source]
        away = {cores[reader] for reader in result.readers} - {here}
        busy_s[here] += result.send_s * bool(away)
        for core in away:
            busy_s[core] += result.receive_s
    return busy_s


@st.composite
def networks(draw: st.DrawFn) -> tuple[list[float], list[Passed]]:
    count = draw(st.integers(1, 6))
    times = st.floats(0.0, 1.0)
    work_s = draw(st.lists(times, min_size=count, max_size=count))
    passed = []
    for _ in range(draw(st.integers(0, 6))):
        source = draw(st.integers(0, count - 1))
        readers = sorted(draw(st.sets(st.integers(0, count - 1), max_size=3)) - {source})
        if readers:
            passed.append(
                Passed(
                    source=source,
                    readers=tuple(readers),
                    send_s=draw(times),
                    receive_s=draw(times),
                )
            )
    return work_s, passed


@settings(max_examples=100, deadline=None)
@given(network=networks(), cores=st.integers(1, 4))
def test_no_other_cut_has_a_less_busy_core(
    network: tuple[list[float], list[Passed]], cores: int
) -> None:
    work_s, passed = network
    count = len(work_s)
    placement = place(work_s, passed, cores)
    busy_s = loads(placement.cores, work_s, passed)
    assert len(busy_s) <= cores and list(placement.cores) == sorted(placement.cores)
    assert max(busy_s.values()) == pytest.approx(placement.busy_s, abs=1e-9)
    cuts = [cut for k in range(min(cores, count)) for cut in combinations(range(1, count), k)]
    runs = [tuple(sum(k >= start for start in cut) for k in range(count)) for cut in cuts]
    best = min(max(loads(run, work_s, passed).values()) for run in runs)
    assert placement.busy_s == pytest.approx(best, abs=1e-9)
    together = sum(busy_s.values())
    for run in runs:
        other = loads(run, work_s, passed)
        if max(other.values()) <= best:
            assert together <= sum(other.values()) + 1e-9
    for any_cores in product(range(cores), repeat=count):
        assert placement.bound_s <= max(loads(any_cores, work_s, passed).values()) + 1e-9


def test_hand_overs_keep_short_work_on_one_core() -> None:
    passed = [Passed(source=0, readers=(1,), send_s=5.0, receive_s=1.0)]
    assert place([1.0, 1.0], passed, 2).cores == (0, 0)
    assert place([9.0, 9.0], passed, 2).cores == (0, 1)


def test_the_bound_counts_two_long_groups_on_one_core() -> None:
    assert place([3.0, 3.0, 3.0], [], 2).bound_s == 6.0
    assert place([3.0, 1.0, 1.0], [], 2).bound_s == 3.0
    assert place([1.0] * 8, [], 2).bound_s == 4.0


def test_many_groups_and_cores_are_placed() -> None:
    passed = [Passed(source=k, readers=(k + 1,), send_s=0.1, receive_s=0.0) for k in range(360)]
    placement = place([1.0] * 361, passed, 64)
    assert placement.busy_s == pytest.approx(6.1)
    assert len(set(placement.cores)) <= 64
