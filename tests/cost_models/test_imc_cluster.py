"""The cost model of the in-memory-computing cluster: jobs, targets, and tables that agree with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_networks import convolution

from lionheart_opt.cost_models.imc_cluster import ImcCluster
from lionheart_opt.cost_models.parts.pulp_cluster import ImaParameters
from lionheart_opt.cost_models.validation import imc_cluster as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.space import Space, random_mapping
from lionheart_opt.synthetic import convolutional_workload
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Layer, Unit, Workload


@pytest.fixture(scope="module")
def system() -> System:
    return load_system("imc-cluster")


@pytest.fixture(scope="module")
def workload() -> Workload:
    return paper.mobilenet_v2()


@pytest.fixture(scope="module")
def traced() -> Workload:
    from lionheart_opt.tracing import trace_model

    return trace_model("mobilenet_v2")


def price(system: System, layer: Layer, target: str) -> tuple[float, float]:
    """Latency and energy of one layer alone."""
    layer = replace(layer, inputs=(INPUT,))
    workload = Workload(
        name="one", layers=(layer,), units=(Unit(name=layer.name, layers=(layer.name,)),)
    )
    cost = ImcCluster(system).cost(workload, Mapping.of({layer.name: target}))
    return cost.latency_s, cost.energy_j


class TestJobs:
    """Section V-B: what the width of the bus and the execution model change."""

    @pytest.mark.parametrize(
        ("clock_hz", "bus_bits", "is_compute_bound"),
        [(500e6, 32, False), (500e6, 64, True), (250e6, 64, False), (250e6, 128, True)],
    )
    def test_width_of_the_bus(
        self, system: System, clock_hz: float, bus_bits: int, is_compute_bound: bool
    ) -> None:
        layer = paper.full_array()
        given = variant(system, "machine", clock_hz=clock_hz, bus_bytes_per_cycle=bus_bits // 8)
        wider = variant(given, "machine", bus_bytes_per_cycle=64)
        gain = price(given, layer, "ima")[0] / price(wider, layer, "ima")[0]
        assert (gain == 1) == is_compute_bound

    def test_sequential_jobs_add_their_streams(self, system: System) -> None:
        layer = paper.full_array()
        sequential, _ = price(variant(system, "machine", jobs="sequential"), layer, "ima")
        pipelined, _ = price(system, layer, "ima")
        assert pipelined == pytest.approx(1024 * 130e-9)
        assert sequential == pytest.approx(1024 * (65 + 16 + 16) / 500e6)


class TestTargets:
    def test_tables_equal_the_cost(self, system: System, workload: Workload) -> None:
        space = Space(workload=workload, system=system)
        rng = np.random.default_rng(1)
        mappings = [random_mapping(space, rng) for _ in range(20)]
        model = ImcCluster(system)
        tables = model.tables(workload)
        costs = [model.cost(workload, mapping) for mapping in mappings]
        latency_s, energy_j = tables.cost_batch(tables.encode(mappings))
        np.testing.assert_allclose(latency_s, [cost.latency_s for cost in costs], rtol=1e-12)
        np.testing.assert_allclose(energy_j, [cost.energy_j for cost in costs], rtol=1e-12)
        for mapping, cost in zip(mappings, costs, strict=True):
            shares = sum(
                tables.tiles[tables.units.index(unit), tables.targets.index("ima")]
                for unit in mapping.units_on("ima")
            )
            assert shares <= cost.tiles["ima"]

    def test_engine_takes_3x3_depthwise_only(self, system: System, workload: Workload) -> None:
        layer = workload.layer("row 2 DW")
        engine = system.target("dw-engine")
        assert engine.supports(layer)
        assert not engine.supports(replace(layer, kernel=(5, 5)))
        with pytest.raises(InputError, match=r"dw-engine.*row 2 DW"):
            price(system, replace(layer, kernel=(5, 5)), "dw-engine")
        assert price(system, replace(layer, kernel=(5, 5)), "cores")[0] > 0

    def test_crossbar_refuses_depthwise(self, system: System, workload: Workload) -> None:
        with pytest.raises(InputError, match=r"ima.*row 2 DW.*depthwise_conv2d"):
            price(system, workload.layer("row 2 DW"), "ima")

    def test_classifier_does_not_fit_beside_the_network(
        self, system: System, traced: Workload
    ) -> None:
        space = Space(workload=traced, system=system)
        used = ImcCluster(system).cost(traced, space.all_analog).tiles["ima"]
        limit = system.target("ima").tiles
        assert limit is not None
        assert used > limit
        without = space.all_analog.move("classifier.1", "cores")
        assert ImcCluster(system).cost(traced, without).tiles["ima"] <= limit

    def test_a_module_called_twice_has_one_matrix(self, system: System) -> None:
        layer = replace(paper.full_array(), name="first", module="shared")
        again = replace(layer, name="again", inputs=("first",))
        unit = Unit(name="shared", layers=("first", "again"))
        workload = Workload(name="twice", layers=(layer, again), units=(unit,))
        cost = ImcCluster(system).cost(workload, Mapping.of({"shared": "ima"}))
        assert cost.tiles == {"ima": 1}
        assert cost.latency_s == pytest.approx(2 * 1024 * 130e-9)

    def test_parameters_are_checked(self, system: System, workload: Workload) -> None:
        mapping = paper.table_mapping(workload)
        with pytest.raises(InputError, match="bus_bytes"):
            variant(system, "machine", bus_bytes=16)
        negative = variant(system, "ima", mvm_latency_s=-1.0)
        with pytest.raises(InputError, match=r"targets.ima.*mvm_latency_s"):
            ImcCluster(negative).cost(workload, mapping)


@pytest.mark.parametrize("side", [1, 3, 5, 7])
@pytest.mark.parametrize("system", ["imc-cluster", "manycore"])
def test_no_window_beats_the_published_peak(system: str, side: int) -> None:
    """Jobs that fill the array: 256 rows of ever fewer channels, 256 columns."""
    ima = load_system(system).target_as("ima", ImaParameters)
    layer = replace(convolution("conv"), kernel=(side, side))
    assert 2 * 256 * 256 / ima.job_energy((256, 256), layer) == pytest.approx(6.39e12)
    assert 2 * 128 * 256 / ima.job_energy((128, 256), layer) < 6.39e12


def test_the_cluster_leaks_as_long_as_it_works() -> None:
    workload = convolutional_workload()
    leaking, tight = (
        variant(load_system("imc-cluster"), "machine", leakage_w=leakage_w)
        for leakage_w in (1e-3, 0.0)
    )
    mapping = Space(workload=workload, system=leaking).all_analog
    pairs = zip(
        ImcCluster(leaking).cost(workload, mapping).layers,
        ImcCluster(tight).cost(workload, mapping).layers,
        strict=True,
    )
    for ours, other in pairs:
        assert ours.latency_s == other.latency_s
        assert ours.energy_j == pytest.approx(other.energy_j + 1e-3 * ours.latency_s)
