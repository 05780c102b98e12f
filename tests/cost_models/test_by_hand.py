"""One small network on every family, layer by layer, with the numbers of the shipped systems."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_networks import IMAGE, convolution, network, operator

from lionheart_opt.cost import Cost
from lionheart_opt.cost_models.manycore import Manycore
from lionheart_opt.cost_models.validation.alpine import with_cores
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.limits import AccuracyLimit
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.problem import Problem
from lionheart_opt.system import System
from lionheart_opt.testing import tiny_problem
from lionheart_opt.workload import INPUT, Layer, Mvm, Workload

#: conv (36 x 4, 36 pixels) -> relu -> dw (3x3) -> add with the input -> fc (144 x 10).
CONV = convolution("conv")
RELU = operator("relu", "relu", "conv")
DW = operator(
    "dw", "depthwise_conv2d", "relu", macs=1296, weight_count=36, kernel=(3, 3), padding=(1, 1),
    stride=(1, 1), groups=4,
)  # fmt: skip
ADD = operator("add", "add", "dw", INPUT)
FC = operator(
    "fc", "linear", "add", input_shapes=((1, 144),), output_shape=(1, 10), macs=1440,
    weight_count=1440, bias_count=10, mvm=Mvm(rows=144, columns=10, count=1),
)  # fmt: skip
NETWORK = network(CONV, RELU, DW, ADD, FC)


def layers_of(cost: Cost) -> dict[str, dict[str, tuple[float, float]]]:
    return {layer.name: layer.components for layer in cost.layers}


def check(components: dict[str, tuple[float, float]], **expected: tuple[float, float]) -> None:
    """That these components are as expected, and all others are free."""
    for name, price in components.items():
        assert price == pytest.approx(expected.get(name, (0.0, 0.0)), rel=1e-9), name
    assert expected.keys() <= components.keys()


class TestImcCluster:
    system = variant(load_system("imc-cluster"), "machine", leakage_w=0.0)
    cores = Mapping.of({"conv": "cores", "dw": "cores", "fc": "cores"})

    def test_every_layer_on_the_cores(self) -> None:
        layers = layers_of(cost_model(self.system).cost(NETWORK, self.cores))
        check(layers["conv"], compute=(5184 / 23.9 / 500e6, 5184 * 4.703e-12))
        check(layers["relu"], fused=(0.0, 0.0))
        check(layers["dw"], compute=(1296 / 5.235 / 500e6, 1296 * 21.48e-12))
        check(layers["add"], compute=(144 / 0.8359 / 500e6, 144 * 81.7e-12))
        check(layers["fc"], compute=(1440 / 23.9 / 500e6, 1440 * 4.703e-12))

    def test_every_layer_on_its_accelerator(self) -> None:
        mapping = Mapping.of({"conv": "ima", "dw": "dw-engine", "fc": "ima"})
        cost = cost_model(self.system).cost(NETWORK, mapping)
        layers = layers_of(cost)
        conv_job_j = 2.081e-9 + 4 * 22.68e-12 + 4 * 36.02e-12 + 144 * 0.03922e-12
        check(layers["conv"], mvm=(36 * 130e-9, 36 * conv_job_j), stream=(0.0, 0.0))
        check(layers["dw"], compute=(1296 / 29.7 / 500e6, 1296 * 1.57e-12))
        check(layers["add"], compute=(144 / 0.8359 / 500e6, 144 * 81.7e-12))
        fc_job_j = 2.081e-9 + 144 * 22.68e-12 + 10 * 36.02e-12 + 1440 * 0.03922e-12
        check(layers["fc"], mvm=(130e-9, fc_job_j), stream=(0.0, 0.0))
        assert [layer.target for layer in cost.layers] == [
            "ima",
            "cores",
            "dw-engine",
            "cores",
            "ima",
        ]
        assert cost.tiles == {"ima": 1} and cost.interval_s is None

    def test_two_tiles_with_streams_that_do_not_hide(self) -> None:
        """300 rows: jobs of 256 and of 44 rows; a byte a cycle takes longer than the 65 cycles."""
        system = variant(self.system, "machine", bus_bytes_per_cycle=1)
        fc = replace(
            FC,
            inputs=(INPUT,),
            input_shapes=((1, 300),),
            macs=3000,
            weight_count=3000,
            mvm=Mvm(rows=300, columns=10, count=1),
        )
        [layer] = cost_model(system).cost(network(fc), Mapping.of({"fc": "ima"})).layers
        energy_j = 2 * 2.081e-9 + 300 * 22.68e-12 + 20 * 36.02e-12 + 3000 * 0.03922e-12
        # the second job computes for 65 cycles and streams 54 bytes meanwhile
        check(layer.components, mvm=(130 / 500e6, energy_j), stream=((266 - 65) / 500e6, 0.0))
        sequential = variant(system, "machine", jobs="sequential")
        [layer] = cost_model(sequential).cost(network(fc), Mapping.of({"fc": "ima"})).layers
        check(layer.components, mvm=(130 / 500e6, energy_j), stream=((266 + 54) / 500e6, 0.0))

    def test_tables_have_what_belongs_to_no_unit(self) -> None:
        tables = cost_model(self.system).tables(NETWORK)  # type: ignore[attr-defined]
        assert tables.fixed == pytest.approx([144 / 0.8359 / 500e6, 144 * 81.7e-12])
        row, column = tables.units.index("dw"), tables.targets.index("dw-engine")
        assert tables.unit[row, column] == pytest.approx([1296 / 29.7 / 500e6, 1296 * 1.57e-12])


class TestManycore:
    """1 GHz, 64 bytes a cycle, 16 cores: twice the rates of the cluster, 0.3536 of its energies."""

    system = load_system("manycore")
    #: Up and down four levels of four cycles.
    HOPS_S = 32e-9
    #: A column of the input, of which the memory delivers 4.118 bytes a cycle.
    READ_S = 24 / 4.118e9

    def test_every_layer_on_the_cores(self) -> None:
        mapping = Mapping.of({"conv": "cores", "dw": "cores", "fc": "cores"})
        model = Manycore(self.system)
        plan = model.plan(NETWORK, mapping, {})
        # six columns a result, each of 24 bytes; `add` reads two
        column_s = 24 / 64e9
        scale = 0.3536
        check(
            plan.work["conv"].components,
            compute=(5184 / 6 / 47.8e9, 5184 * 4.703e-12 * scale),
            transfer=(column_s + self.HOPS_S, 144 * 7e-12),
            memory=(self.READ_S, 144 * 31.4e-12),
        )
        check(
            plan.work["dw"].components,
            compute=(1296 / 6 / 10.47e9, 1296 * 21.48e-12 * scale),
            transfer=(column_s + self.HOPS_S, 144 * 7e-12),
        )
        check(
            plan.work["add"].components,
            compute=(144 / 6 / 1.6718e9, 144 * 81.7e-12 * scale),
            transfer=(column_s + self.HOPS_S, 144 * 7e-12),
            memory=(self.READ_S, 144 * 31.4e-12),  # it reads the input, too
        )
        check(
            plan.work["fc"].components,
            compute=(1440 / 47.8e9, 1440 * 4.703e-12 * scale),
            transfer=(10 / 64e9 + self.HOPS_S, 10 * 7e-12),
        )
        assert "relu" not in plan.work
        # the slowest is `dw`: 1296 MACs
        assert plan.interval_s == pytest.approx(1296 / 10.47e9)
        assert plan.clusters == 4 and plan.storage_clusters == 0

    def test_a_layer_on_a_crossbar(self) -> None:
        mapping = Mapping.of({"conv": "ima", "dw": "cores", "fc": "ima"})
        plan = Manycore(self.system).plan(NETWORK, mapping, {})
        conv_job_j = 2.081e-9 + 4 * 22.68e-12 + 4 * 36.02e-12 + 144 * 0.03922e-12
        check(
            plan.work["conv"].components,
            mvm=(6 * 130e-9, 36 * conv_job_j * 0.3536),
            transfer=(24 / 64e9 + self.HOPS_S, 144 * 7e-12),
            memory=(self.READ_S, 144 * 31.4e-12),
        )
        assert plan.work["conv"].slice_s == pytest.approx(6 * 130e-9)
        assert plan.interval_s == pytest.approx(36 * 130e-9)

    @pytest.mark.parametrize(
        ("rows", "clusters", "levels_of_sums", "sums_a_slice"),
        [
            (256, 2, 0, 0),  # one tile below the other: nothing to add
            (257, 2 * 2 + 2, 1, 1),
            (16 * 256, 16 * 2 + 2, 15, 15),  # one cluster adds 16 sums, one for each port
            (16 * 256 + 1, 17 * 2 + 2 * 2, 16, 15),  # 16 sums: two clusters, in two levels
            (32 * 256, 32 * 2 + 2 * 3, 30, 15),  # 31 sums, of which a cluster of each level adds 15
        ],
    )
    def test_sums_of_the_tiles_of_a_matrix(
        self, rows: int, clusters: int, levels_of_sums: int, sums_a_slice: int
    ) -> None:
        """300 columns take two columns of tiles; the wider of 256 columns takes the longest.

        Trees are as wide as ports allow.
        """
        fc = replace(
            FC,
            inputs=(INPUT,),
            input_shapes=((1, rows),),
            output_shape=(1, 300),
            macs=300 * rows,
            weight_count=300 * rows,
            mvm=Mvm(rows=rows, columns=300, count=1),
        )
        system = variant(self.system, "machine", trees="widest")
        plan = Manycore(system).plan(network(fc), Mapping.of({"fc": "ima"}), {})
        work = plan.work["fc"]
        sum_s = 256 / 1.46e9
        n_sums = -(-rows // 256) - 1
        assert work.clusters == clusters
        assert work.components["sums"] == pytest.approx(
            (levels_of_sums * sum_s, n_sums * 300 * 81.7e-12 * 0.3536)
        )
        assert work.components["mvm"][0] == pytest.approx(130e-9)
        streams_s = rows / 64e9
        assert work.slice_s == pytest.approx(max(130e-9, sums_a_slice * sum_s, streams_s))

    def test_what_skips_a_stage_is_stored_or_moved(self) -> None:
        """`add` reads `first` two stages later: 144 bytes, written and read."""
        first, second = convolution("first"), convolution("second", "first")
        workload = network(first, second, operator("add", "add", "second", "first"))
        mapping = Mapping.of({"first": "cores", "second": "cores"})
        stored = Manycore(self.system).plan(workload, mapping, {})
        assert stored.storage_clusters == 1 and stored.clusters == 4
        small = variant(self.system, "machine", l1_bytes=288)
        assert Manycore(small).plan(workload, mapping, {}).storage_clusters == 1
        smaller = variant(self.system, "machine", l1_bytes=287)
        assert Manycore(smaller).plan(workload, mapping, {}).storage_clusters == 2
        moved = variant(self.system, "machine", residuals="hbm", hbm_bytes_per_cycle=0.001)
        plan = Manycore(moved).plan(workload, mapping, {})
        assert plan.storage_clusters == 0
        assert plan.interval_s == pytest.approx((144 + 2 * 144) / 0.001 / 1e9)

    def test_weights_that_just_fit_into_a_cluster(self) -> None:
        """Ten columns of 144 bytes, of which three clusters have four, three and three."""
        mapping = Mapping.of({"conv": "cores", "dw": "cores", "fc": "cores"})
        for l1_bytes, clusters, most in ((1440, 1, 10), (1439, 2, 5), (720, 2, 5), (719, 3, 4)):
            system = variant(self.system, "machine", l1_bytes=l1_bytes)
            plan = Manycore(system).plan(NETWORK, mapping, {})
            assert plan.clusters_of("fc") == clusters
            assert plan.work["fc"].slice_s == pytest.approx(144 * most / 47.8e9)

    def test_streams_may_bound_a_slice(self) -> None:
        """One byte a cycle: 48 bytes of two columns into `add` take longer than adding them."""
        system = variant(self.system, "machine", link_bytes_per_cycle=1)
        mapping = Mapping.of({"conv": "cores", "dw": "cores", "fc": "cores"})
        plan = Manycore(system).plan(NETWORK, mapping, {})
        assert plan.work["add"].slice_s == pytest.approx(48e-9)
        assert plan.work["fc"].slice_s == pytest.approx(144e-9)


class TestAlpine:
    """LionHeart's core at 2.3 GHz: 16 MACs a cycle, of which products reach 0.113."""

    system = load_system("lionheart")
    core = Mapping.of({"conv": "core", "dw": "core", "fc": "core"})

    def test_every_layer_on_the_core(self) -> None:
        cost = cost_model(self.system).cost(NETWORK, self.core)
        layers = layers_of(cost)
        cycles = {
            "conv": 5184 / (16 * 0.0504),
            "relu": 144.0,
            "dw": 1296 * 91.9,
            "add": 144.0,
            "fc": 1440 / (16 * 0.113),
        }
        for name, count in cycles.items():
            expected = count / 2.3e9, count * 845.39e-12
            assert layers[name]["compute"] == pytest.approx(expected), name
            assert layers[name]["memory"] == (0.0, 0.0), "everything is cached"
            time_s = sum(part[0] for part in layers[name].values())
            assert layers[name]["llc leakage"] == pytest.approx((0.0, time_s * 3.49632)), name
            # 144 elements of the network's input, 120 cycles each
            fetched = 144 * 120.0 if name in ("conv", "add") else 0.0
            assert layers[name]["input"] == pytest.approx((fetched / 2.3e9, fetched * 845.39e-12))
        reads = {"conv": 144 + 144, "relu": 144, "dw": 144 + 36, "add": 288, "fc": 144 + 1450}
        for name, count in reads.items():
            written = 10 if name == "fc" else 144
            assert layers[name]["llc access"][1] == pytest.approx(
                count * 5.60e-12 + written * 5.02e-12
            )
        assert cost.tiles == {"tile": 0}

    def test_the_bias_of_a_layer_on_tiles_is_added_by_the_core(self) -> None:
        mapping = Mapping.of({"conv": "tile", "dw": "core", "fc": "tile"})
        layers = layers_of(cost_model(self.system).cost(NETWORK, mapping))
        assert layers["conv"]["partial sums"] == (0.0, 0.0), "one tile and no bias"
        assert layers["fc"]["partial sums"] == pytest.approx((10 / 2.3e9, 10 * 845.39e-12))
        # 144 inputs and 10 results are converted
        assert layers["fc"]["convert"][0] == pytest.approx(154 * 45.2 / 2.3e9)
        assert layers["fc"]["queue"][0] == pytest.approx(144 / 2.3e9 + 144 / 4e9)
        assert layers["fc"]["dequeue"][0] == pytest.approx(10 / 2.3e9 + 10 / 4e9)

    def test_tables_have_what_belongs_to_no_unit(self) -> None:
        tables = cost_model(self.system).tables(NETWORK)  # type: ignore[attr-defined]
        layers = {
            layer.name: layer for layer in cost_model(self.system).cost(NETWORK, self.core).layers
        }
        of_no_unit = [layers["relu"], layers["add"]]
        assert tables.fixed == pytest.approx(
            [
                sum(layer.latency_s for layer in of_no_unit),
                sum(layer.energy_j for layer in of_no_unit),
            ]
        )
        assert tables.fixed.min() > 0

    @pytest.mark.parametrize(("n_weights", "is_reread"), [(1_048_576, False), (1_048_577, True)])
    def test_weights_that_just_fill_the_cache(self, n_weights: int, is_reread: bool) -> None:
        """Two tokens: weights beyond the cache come from memory for both, in all twice."""
        fc = operator(
            "fc", "linear", "relu", input_shapes=((1, 2, 8),), output_shape=(1, 2, 8),
            macs=2 * n_weights, weight_count=n_weights, mvm=Mvm(rows=n_weights, columns=1, count=2),
        )  # fmt: skip
        workload = network(operator("relu", "relu"), fc)
        layers = layers_of(cost_model(self.system).cost(workload, Mapping.of({"fc": "core"})))
        stall_s = 0.587e-9
        expected_s = 2 * n_weights * stall_s if is_reread else 0.0
        assert layers["fc"]["memory"][0] == pytest.approx(expected_s)

    @pytest.mark.parametrize(("side", "is_cached"), [(362, True), (363, False)])
    def test_activations_that_just_fill_the_cache(self, side: int, is_cached: bool) -> None:
        """4 x 362 x 362 elements in and as many out are 1,048,352 bytes, below 1 MiB."""
        shape = (1, 4, side, side)
        relu = operator("relu", "relu", input_shapes=(shape,), output_shape=shape)
        layers = layers_of(cost_model(self.system).cost(network(relu), Mapping.of({})))
        expected_s = 0.0 if is_cached else 8 * side**2 * 0.587e-9
        assert layers["relu"]["memory"][0] == pytest.approx(expected_s)

    def test_a_pipeline_keeps_no_weights_in_a_cache_that_is_too_small_for_all(self) -> None:
        """Two layers of 600 kB on two tokens: one core loads each once, a pipeline for each token."""
        layers = [
            operator(
                name, "linear", source, input_shapes=((1, 2, 600),), output_shape=(1, 2, 1000),
                macs=1_200_000, weight_count=600_000, mvm=Mvm(rows=600, columns=1000, count=2),
            )
            for name, source in (("a", "relu"), ("b", "a"))
        ]  # fmt: skip
        workload = network(operator("relu", "relu"), *layers)
        mapping = Mapping.of({"a": "core", "b": "core"})
        for system, loads in ((self.system, 1), (with_cores(self.system, 2), 2)):
            components = layers_of(cost_model(system).cost(workload, mapping))
            for name in ("a", "b"):
                assert components[name]["memory"][0] == pytest.approx(loads * 600_000 * 0.587e-9)

    def test_a_folded_norm_is_free(self) -> None:
        workload = network(CONV, operator("norm", "batch_norm", "conv"))
        [_, norm] = cost_model(self.system).cost(workload, Mapping.of({"conv": "tile"})).layers
        assert (norm.latency_s, norm.energy_j) == (0.0, 0.0)

    def test_cores_that_share_the_memory_wait_for_it_together(self) -> None:
        """Each of two cores reads 600 kB of weights, at 1 MB a second for both."""
        system = variant(with_cores(self.system, 2), "machine", dram_bytes_per_s=1e6)
        layers = (linear("a", 1000, 600), replace(linear("b", 600, 1000), inputs=("a",)))
        cost = cost_model(system).cost(network(*layers), Mapping.of({"a": "core", "b": "core2"}))
        assert cost.interval_s == pytest.approx(1.2)
        assert max(layer.latency_s for layer in cost.layers) == pytest.approx(0.6, rel=1e-2)
        alone = cost_model(system).cost(network(*layers), Mapping.of({"a": "core", "b": "core"}))
        assert alone.interval_s == pytest.approx(alone.latency_s)


# --- capacity -------------------------------------------------------------------------------------


def linear(name: str, rows: int, columns: int) -> Layer:
    return operator(
        name, "linear", input_shapes=(IMAGE,), output_shape=(1, columns), macs=rows * columns,
        weight_count=rows * columns, mvm=Mvm(rows=rows, columns=columns, count=1),
    )  # fmt: skip


def problem(workload: Workload, name: str, tiles: int) -> Problem:
    system: System = load_system(name)
    targets = tuple(
        target.model_copy(update={"tiles": tiles}) if target.numerics == "analog" else target
        for target in system.targets
    )
    system = system.model_copy(update={"targets": targets})
    return Problem(
        workload=workload,
        system=system,
        cost_model=cost_model(system),
        oracle=tiny_problem().oracle,
        objectives=("latency_s",),
        accuracy_limit=AccuracyLimit(max_drop=0.1, time_s=1.0),
    )


@pytest.mark.parametrize("name", ["lionheart", "imc-cluster"])
@pytest.mark.parametrize(
    ("rows", "columns", "tiles"),
    [(256, 256, 1), (257, 256, 2), (256, 257, 2), (257, 257, 4), (512, 512, 4), (512, 513, 6)],
)
def test_capacity_is_exactly_met_or_exceeded_by_one(
    name: str, rows: int, columns: int, tiles: int
) -> None:
    """Beside a full array, so that what is left over of the matrix cannot share one with it."""
    workload = network(linear("full", 256, 256), linear("fc", rows, columns))
    if name == "imc-cluster":  # strips and corners share an array where there is room
        tiles = {(257, 257): 3, (512, 513): 5}.get((rows, columns), tiles)
    met, exceeded = (problem(workload, name, 1 + tiles - short) for short in (0, 1))
    assert met.cost(met.all_analog).tiles[met.system.analog_targets[0]] == 1 + tiles
    [target] = met.system.analog_targets
    assert met.cost_violations(met.cost(met.all_analog)) == {f"tiles_{target}": 0.0}
    assert not met.breaks_cost_limits(met.all_analog)
    assert exceeded.cost_violations(exceeded.cost(exceeded.all_analog)) == {f"tiles_{target}": 1.0}
    assert exceeded.breaks_cost_limits(exceeded.all_analog)
