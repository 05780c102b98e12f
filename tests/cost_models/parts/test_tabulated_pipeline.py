"""Tables of a pipeline: what units need at every interval."""

from __future__ import annotations

import numpy as np
from many_cores import networks, on_many_cores

from lionheart_opt.cost import pipeline_tables


def test_units_need_no_more_clusters_for_longer_intervals() -> None:
    problem = on_many_cores(networks()["resnet18"], "interval_s")
    tables = pipeline_tables(problem.cost_model, problem.workload)
    assert tables is not None
    assert (np.diff(tables.intervals) > 0).all()
    needed = np.nan_to_num(tables.clusters, posinf=1e9)
    assert (np.diff(needed, axis=0) <= 0).all()
    for number, unit in enumerate(tables.units):
        for column, target in enumerate(tables.targets):
            alone = np.isfinite(tables.clusters[-1, number, column])
            assert alone == (target in problem.choices[unit])


def test_one_copy_of_a_unit_is_its_matrix() -> None:
    problem = on_many_cores(networks()["small"], "interval_s")
    tables = pipeline_tables(problem.cost_model, problem.workload)
    assert tables is not None
    ima = tables.targets.index("ima")
    for number, unit in enumerate(tables.units):
        [layer] = problem.workload.layers_of(problem.workload.unit(unit))
        assert layer.mvm is not None
        assert tables.clusters[-1, number, ima] == -(-layer.mvm.rows // 256), "no adders here"
