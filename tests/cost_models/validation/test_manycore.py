"""The many-core against its paper."""

from __future__ import annotations

import numpy as np
import pytest
from recorded_errors import assert_no_error_has_grown

from lionheart_opt.cost_models.manycore import Manycore
from lionheart_opt.cost_models.parts.manycore_plan import Plan
from lionheart_opt.cost_models.validation import manycore as paper
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System
from lionheart_opt.workload import Workload


@pytest.fixture(scope="module")
def system() -> System:
    return load_system("manycore")


@pytest.fixture(scope="module")
def workload() -> Workload:
    return paper.resnet18()


@pytest.fixture(scope="module")
def final(system: System, workload: Workload) -> Plan:
    return paper.steps(system, workload)[-1].plan


class TestPublished:
    def test_headline(self, system: System, workload: Workload, final: Plan) -> None:
        assert final.clusters == pytest.approx(322, rel=0.02)
        steps = paper.steps(system, workload)
        naive, replicated, last = (step.images_per_s.value for step in steps)
        assert last == pytest.approx(3303, rel=0.02)
        assert replicated / naive == pytest.approx(1.6, rel=0.12)
        assert last / replicated == pytest.approx(1.9, rel=0.001)
        assert 16 * steps[-1].cost.energy_j == pytest.approx(15e-3, rel=0.001)

    def test_layers_whose_clusters_are_printed(self, final: Plan) -> None:
        """Layer 12: 5 tiles, 2 copies. 3x3x512x512: 18 x 2 tiles and 4 clusters that add."""
        assert final.copies["layer2.1.conv2"] == 2
        for name in ("layer4.0.conv2", "layer4.1.conv1", "layer4.1.conv2"):
            assert final.clusters_of(name) == 40
        assert final.storage_clusters == 2

    def test_jobs_bound_the_interval(self, final: Plan) -> None:
        """Eight copies of the first convolution and two of the next four take equally long."""
        assert final.interval_s == pytest.approx(16384 * 130e-9 / 8)
        assert final.interval_s == pytest.approx(4096 * 130e-9 / 2)

    def test_groups_are_predicted_not_read(self, final: Plan) -> None:
        groups = [case for case in paper.cases() if case.case.startswith("group ")]
        assert [case.case.removeprefix("group ") for case in groups] == [
            "256x256x3",
            "128x128x64",
            "64x64x64",
            "32x32x128",
            "16x16x256",
            "8x8x512",
        ]
        assert all(case.published is None for case in groups)
        assert sum(case.predicted for case in groups) == final.clusters

    def test_losses_multiply_to_the_whole(self, system: System, workload: Workload) -> None:
        step = paper.steps(system, workload)[-1]
        factors = paper.losses(step, workload, Manycore(system))
        assert min(factors.values()) > 1
        peak = 512 * 256 * 256 / 130e-9
        reached = workload.macs * step.images_per_s.value
        assert np.prod(list(factors.values())) == pytest.approx(peak / reached)

    def test_no_error_has_grown(self) -> None:
        assert_no_error_has_grown("manycore", paper.cases())
