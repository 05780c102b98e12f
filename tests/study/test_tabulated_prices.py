"""Tables of a cost model give the totals that the model itself gives, or none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lionheart_opt import plugins
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping
from lionheart_opt.study.tabulated_prices import TabulatedPrices
from lionheart_opt.synthetic import SyntheticCosts, convolutional_workload, synthetic_problem


def problem_on(system: str, batch: int = 1) -> Problem:
    """Convolutions on a system of ours."""
    machine = load_system(system)
    return replace(
        synthetic_problem(n_units=2),
        workload=convolutional_workload().with_batch(batch),
        system=machine,
        cost_model=plugins.cost_model(machine),
    )


def samples(problem: Problem) -> list[Mapping]:
    rng = np.random.default_rng(1)
    return [problem.all_digital, *(random_mapping(problem, rng) for _ in range(12))]


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("system", ["lionheart", "alpine-low-power", "hermes-64"])
def test_totals_are_those_of_the_model(system: str, batch: int) -> None:
    problem = problem_on(system, batch)
    prices = TabulatedPrices.of(problem)
    assert prices is not None
    for mapping in samples(problem):
        tabulated, priced = prices.totals(mapping), problem.totals(mapping)
        assert tabulated is not None
        assert tabulated.tiles == priced.tiles and tabulated.capacities == priced.capacities
        for name in ("latency_s", "energy_j", "interval_s"):
            assert tabulated.value(name) == pytest.approx(priced.value(name), rel=1e-12)
        assert (tabulated.interval_s is None) == (priced.interval_s is None) == (batch == 1)


def test_links_between_targets_count() -> None:
    problem = synthetic_problem(n_units=6)
    prices = TabulatedPrices.of(problem)
    assert prices is not None and prices.pairs
    for mapping in samples(problem):
        tabulated, priced = prices.totals(mapping), problem.totals(mapping)
        assert tabulated is not None and tabulated.tiles == priced.tiles
        assert tabulated.latency_s == pytest.approx(priced.latency_s, rel=1e-12)
        assert tabulated.energy_j == pytest.approx(priced.energy_j, rel=1e-12)


@pytest.mark.parametrize("system", ["imc-cluster", "manycore", "diana", "alpine-high-power-8"])
def test_tables_that_do_not_say_all_are_not_used(system: str) -> None:
    """Crossbars that units share, pipelines, an array that all units use one after the other."""
    assert TabulatedPrices.of(problem_on(system)) is None


def test_tables_that_are_wrong_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    right = SyntheticCosts.tables

    def wrong(model, workload):  # type: ignore[no-untyped-def]
        tables = right(model, workload)
        return replace(tables, pair=1.001 * tables.pair)

    monkeypatch.setattr(SyntheticCosts, "tables", wrong)
    assert TabulatedPrices.of(synthetic_problem(n_units=6)) is None


def test_other_units_and_targets_have_no_price() -> None:
    problem = synthetic_problem(n_units=3)
    prices = TabulatedPrices.of(problem)
    assert prices is not None
    mapping = problem.all_digital.to_json()
    first = next(iter(mapping))
    for other in (
        {**mapping, first: "nowhere"},
        {**mapping, "more": "cpu"},
        {name: target for name, target in mapping.items() if name != first},
    ):
        assert prices.totals(Mapping.of(other)) is None
