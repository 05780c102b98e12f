"""The in-memory-computing cluster against its paper, and what its cost model promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recorded_errors import assert_no_error_has_grown

from lionheart_opt.cost_models.calibration import imc_cluster as calibration
from lionheart_opt.cost_models.imc_cluster import ImcCluster
from lionheart_opt.cost_models.parts.fusion import fused
from lionheart_opt.cost_models.parts.packing import crossbars, cut, pack
from lionheart_opt.cost_models.validation import imc_cluster as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.space import Space, random_mapping
from lionheart_opt.system import System
from lionheart_opt.workload import INPUT, Layer, Unit, Workload

ARRAY = (256, 256)


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


class TestPublishedTable:
    def test_shapes_add_up_to_the_printed_totals(self, workload: Workload) -> None:
        assert len(workload.layers) == 63
        assert workload.weight_count == 2_190_784
        elements = sum(layer.output_count for layer in workload.layers if layer.kind == "add")
        assert (workload.macs + elements) / 1e6 == pytest.approx(312.56, abs=0.005)

    def test_latency_is_within_the_rounding_of_the_print(
        self, system: System, workload: Workload
    ) -> None:
        cost = ImcCluster(system).cost(workload, paper.table_mapping(workload))
        rows = [row for row in zip(paper.rows(), cost.layers, strict=True) if row[0].latency_s]
        assert len(rows) == 32
        for row, ours in rows:
            assert ours.latency_s == pytest.approx(row.latency_s, abs=5.001e-6), ours.name

    def test_energy_is_within_one_percent(self, system: System, workload: Workload) -> None:
        cost = ImcCluster(system).cost(workload, paper.table_mapping(workload))
        rows = [row for row in zip(paper.rows(), cost.layers, strict=True) if row[0].energy_j]
        assert len(rows) == 32
        for row, ours in rows:
            assert ours.energy_j == pytest.approx(row.energy_j, rel=0.01), ours.name

    def test_odd_rows_are_predicted_not_read(self) -> None:
        """What is kept for validation is nowhere in the repository."""
        rows = [case for case in paper.cases() if case.case.startswith("row ")]
        assert len(rows) == 126
        for case in rows:
            is_odd = int(case.case.split()[1]) % 2 == 1
            assert (case.published is None) == is_odd, case
            assert case.predicted > 0

    def test_headline(self) -> None:
        predicted = {(case.case, case.quantity): case.predicted for case in paper.cases()}
        latency_s = predicted["MobileNetV2 without 2D_0 and 2D_1", "latency_s"]
        assert latency_s == pytest.approx(10.06e-3, abs=5e-6)
        assert predicted["MobileNetV2 without 2D_1", "energy_j"] == pytest.approx(482e-6, rel=0.005)
        assert predicted["MobileNetV2", "crossbars"] == 34

    def test_no_error_has_grown(self) -> None:
        assert_no_error_has_grown("imc-cluster", paper.cases())

    def test_the_file_holds_what_the_calibration_finds(self, system: System) -> None:
        fit = calibration.fit(system)
        assert {target: len(fitted) for target, fitted in fit.items()} == {
            "cores": 6,
            "ima": 4,
            "dw-engine": 1,
        }
        for target, fitted in fit.items():
            held = system.target(target).parameters
            for name, value in fitted.items():
                assert held[name] == pytest.approx(value, rel=1e-3), (target, name)

    def test_the_network_is_the_usual_one_plus_row_1(
        self, workload: Workload, traced: Workload
    ) -> None:
        kinds = ("conv2d", "depthwise_conv2d", "add")
        priced = [layer for layer in traced.layers if layer.kind in kinds]
        table = [layer for layer in workload.layers if layer.name != "row 1 000-PW"]
        assert [(layer.kind, layer.macs, layer.mvm, layer.output_shape) for layer in priced] == [
            (layer.kind, layer.macs, layer.mvm, layer.output_shape) for layer in table
        ]
        assert fused(traced) == {
            layer.name for layer in traced.layers if layer.kind in ("batch_norm", "relu6")
        }


class TestPacking:
    def test_mobilenet_as_the_reference_packs_it(self, workload: Workload) -> None:
        matrices = [(layer.mvm.rows, layer.mvm.columns) for layer in workload.layers if layer.mvm]
        tiles = tuple(tile for matrix in matrices for tile in cut(*matrix, ARRAY))
        assert len(tiles) == 87
        assert sum(rows * columns for rows, columns in tiles) == 2_126_560
        shares = sorted(pack(tiles, ARRAY))
        assert shares[0] == pytest.approx(0.146, abs=5e-4)
        assert shares[1] >= 0.844 - 5e-4
        assert sum(shares) * 256 * 256 == pytest.approx(2_126_560)

    @pytest.mark.parametrize(
        ("matrices", "expected"),
        [
            ([], 0),
            ([(1, 1)], 1),
            ([(256, 256)], 1),
            ([(257, 256)], 2),
            ([(512, 513)], 5),  # four full arrays; two columns of 256 rows share one
            ([(128, 256), (128, 256)], 1),
            ([(128, 256), (256, 128)], 2),
            ([(256, 128), (256, 128), (1, 1)], 2),
        ],
    )
    def test_counts(self, matrices: list[tuple[int, int]], expected: int) -> None:
        assert crossbars(matrices, ARRAY) == expected

    def test_never_less_than_the_cells_need(self) -> None:
        rng = np.random.default_rng(0)
        for _ in range(20):
            matrices = [tuple(map(int, matrix)) for matrix in rng.integers(1, 600, size=(8, 2))]
            cells = sum(rows * columns for rows, columns in matrices)
            shares = pack(tuple(tile for matrix in matrices for tile in cut(*matrix, ARRAY)), ARRAY)
            assert sum(shares) == pytest.approx(cells / 256**2)
            assert max(shares) <= 1


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
        assert pipelined == pytest.approx(4096 * 130e-9)
        assert sequential == pytest.approx(4096 * (65 + 16 + 16) / 500e6)


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
        assert cost.latency_s == pytest.approx(2 * 4096 * 130e-9)

    def test_parameters_are_checked(self, system: System, workload: Workload) -> None:
        mapping = paper.table_mapping(workload)
        with pytest.raises(InputError, match="bus_bytes"):
            variant(system, "machine", bus_bytes=16)
        negative = variant(system, "ima", mvm_latency_s=-1.0)
        with pytest.raises(InputError, match=r"targets.ima.*mvm_latency_s"):
            ImcCluster(negative).cost(workload, mapping)


class TestFusion:
    """Only what 8-bit hardware does anyway is free."""

    def network(self, *tail: Layer) -> Workload:
        layer = replace(paper.full_array(), name="conv", module="conv")
        return Workload(
            name="tail", layers=(layer, *tail), units=(Unit(name="conv", layers=("conv",)),)
        )

    def operator(self, name: str, kind: str, source: str) -> Layer:
        shape = paper.full_array().output_shape
        return Layer(
            name=name,
            kind=kind,
            module="",
            inputs=(source,),
            input_shapes=(shape,),
            output_shape=shape,
        )

    def test_norm_and_clip_after_a_convolution(self) -> None:
        chain = (self.operator("bn", "batch_norm", "conv"), self.operator("clip", "relu", "bn"))
        assert fused(self.network(*chain)) == {"bn", "clip"}

    def test_not_where_something_else_reads_the_result(self) -> None:
        readers = (self.operator("bn", "batch_norm", "conv"), self.operator("clip", "relu", "conv"))
        assert fused(self.network(*readers)) == frozenset()

    def test_not_on_the_input_of_the_network(self) -> None:
        assert fused(self.network(self.operator("clip", "relu", INPUT))) == frozenset()

    def test_not_functions_that_compute(self) -> None:
        assert fused(self.network(self.operator("gelu", "gelu", "conv"))) == frozenset()
