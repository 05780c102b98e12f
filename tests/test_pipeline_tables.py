"""Pipelines priced in bulk: the same numbers as one by one, at a hundred times the speed."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest
from many_cores import networks, on_many_cores

from lionheart_opt.cost import COST_OBJECTIVES, pipeline_tables
from lionheart_opt.pipeline_tables import PipelineTables
from lionheart_opt.problem import Problem
from lionheart_opt.space import random_mapping


def tables_of(problem: Problem) -> PipelineTables:
    tables = pipeline_tables(problem.cost_model, problem.workload)
    assert tables is not None
    return tables


@pytest.mark.parametrize("clusters", [6, 64, 243, 512])
@pytest.mark.parametrize("network", ["small", "resnet18"])
def test_prices_are_those_of_the_cost_model(network: str, clusters: int) -> None:
    """Also where not even one copy of everything fits."""
    problem = on_many_cores(networks()[network], "latency_s", clusters=clusters)
    tables = tables_of(problem)
    rng = np.random.default_rng(0)
    mappings = [problem.all_digital, problem.all_analog]
    mappings += [random_mapping(problem, rng) for _ in range(20)]
    assignments = np.array(
        [[tables.targets.index(mapping[unit]) for unit in tables.units] for mapping in mappings]
    )
    costs = [problem.cost(mapping) for mapping in mappings]
    expected = [[cost.value(name) for name in COST_OBJECTIVES] for cost in costs]
    np.testing.assert_allclose(tables.cost_batch(assignments), expected, rtol=1e-9)
    assert tables.fits(assignments).tolist() == [cost.fits for cost in costs]


@pytest.mark.slow
def test_ten_thousand_mappings_of_resnet18_take_less_than_a_second() -> None:
    problem = on_many_cores(networks()["resnet18"], "interval_s")
    tables = tables_of(problem)
    choices = np.random.default_rng(0).integers(2, size=(10_000, len(tables.units)))
    started = process_time()
    assert np.isfinite(tables.cost_batch(choices)).all()
    assert process_time() - started < 1.0


def test_its_representation() -> None:
    tables = tables_of(on_many_cores(networks()["small"], "latency_s"))
    assert repr(tables).startswith("PipelineTables(4 units, targets cores, ima, 512 clusters, ")
