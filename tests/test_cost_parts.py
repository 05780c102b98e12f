"""What cost models share, by hand computation."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pytest
from pydantic import Field

from lionheart_opt.cost_models.parts.additive import (
    additive_tables,
    layer_cost,
    layer_costs,
    target_of,
)
from lionheart_opt.cost_models.parts.alpine_layers import Core, Run, weight_bytes
from lionheart_opt.cost_models.parts.alpine_parameters import (
    Calibration,
    MachineParameters,
    TileParameters,
)
from lionheart_opt.cost_models.parts.fusion import fused
from lionheart_opt.cost_models.parts.operations import Operations, folded_norms, operations
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.cost_models.parts.pipeline import Graph, latencies
from lionheart_opt.cost_models.parts.pulp_cluster import (
    CoresParameters,
    ImaParameters,
    separable_pool_operations,
)
from lionheart_opt.cost_models.parts.replication import Stage, replicate
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.system import Machine, System, Target
from lionheart_opt.workload import INPUT, Layer, Mvm, Unit, Workload

IMAGE = (1, 4, 6, 6)


def operator(name: str, kind: str, *sources: str, **fields: object) -> Layer:
    """A layer on maps of 4 channels and 6x6 pixels."""
    sources = sources or (INPUT,)
    given = {"input_shapes": (IMAGE,) * len(sources), "output_shape": IMAGE, **fields}
    return Layer(name=name, kind=kind, module=name, inputs=sources, **given)  # type: ignore[arg-type]


def convolution(name: str, *sources: str, channels: int = 4, stride: int = 1) -> Layer:
    """3x3, from 4 channels."""
    side = 6 // stride
    return operator(
        name,
        "conv2d",
        *sources,
        output_shape=(1, channels, side, side),
        macs=36 * channels * side**2,
        weight_count=36 * channels,
        mvm=Mvm(rows=36, columns=channels, count=side**2),
        kernel=(3, 3),
        stride=(stride, stride),
        padding=(1, 1),
    )


def network(*layers: Layer) -> Workload:
    units = tuple(Unit(name=one.name, layers=(one.name,)) for one in layers if one.weight_count)
    return Workload(name="network", layers=layers, units=units)


def two_targets() -> System:
    return System(
        name="made up",
        family="none",
        description="a processor and a tile",
        host="cpu",
        targets=(
            Target(name="cpu", source="made up", numerics="int8", kinds=("*",)),
            Target(name="tile", source="made up", numerics="analog", kinds=("conv2d",)),
        ),
        machine=Machine(source="made up", parameters={"clock_hz": 1e9, "mode": "fast"}),
    )


class TestOperations:
    @pytest.mark.parametrize(
        ("layer", "expected"),
        [
            (operator("x", "linear", macs=7), Operations(linear_macs=7)),
            (operator("x", "matmul", macs=7), Operations(linear_macs=7)),
            (operator("x", "conv1d", macs=7), Operations(convolution_macs=7)),
            (operator("x", "conv_transpose2d", macs=7), Operations(convolution_macs=7)),
            (operator("x", "depthwise_conv2d", macs=7), Operations(sparse_macs=7)),
            (operator("x", "grouped_conv3d", macs=7), Operations(sparse_macs=7)),
            # each of 36 results compares or adds a window of nine
            (
                operator("x", "max_pool2d", kernel=(3, 3), output_shape=(1, 4, 3, 3)),
                Operations(simple=36 * 9),
            ),
            # 144 elements are read, whatever the result has
            (operator("x", "mean", output_shape=(1, 4)), Operations(simple=144)),
            (operator("x", "var", output_shape=(1, 4)), Operations(simple=3 * 144)),
            (operator("x", "relu"), Operations(simple=144)),
            (operator("x", "batch_norm"), Operations(simple=2 * 144)),
            (operator("x", "sigmoid"), Operations(simple=144, transcendental=144)),
            (operator("x", "softmax"), Operations(simple=4 * 144, transcendental=144)),
            (
                operator("x", "local_response_norm"),
                Operations(simple=8 * 144, transcendental=2 * 144),
            ),
        ],
    )
    def test_counts(self, layer: Layer, expected: Operations) -> None:
        assert operations(layer, "mine") == expected

    def test_an_operator_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(
            InputError, match=r"mine: layer 'x': unknown operator 'rellu' \(did you"
        ):
            operations(operator("x", "rellu"), "mine")

    def test_norms_are_folded_into_the_only_layer_that_they_read(self) -> None:
        chain = (convolution("conv"), operator("norm", "batch_norm", "conv"))
        assert folded_norms(network(*chain)) == {"norm"}
        assert folded_norms(network(*chain, operator("also", "relu", "conv"))) == frozenset()
        pool = operator("pool", "max_pool2d")
        assert folded_norms(network(pool, operator("norm", "batch_norm", "pool"))) == frozenset()
        twice = operator("add", "add", "conv", "conv")
        assert folded_norms(network(convolution("conv"), twice)) == frozenset()

    def test_clips_are_fused_with_whatever_they_alone_read(self) -> None:
        conv, norm = convolution("conv"), operator("norm", "batch_norm", "conv")
        relu, add = operator("relu", "relu6", "norm"), operator("add", "add", "relu", INPUT)
        clip = operator("clip", "hardtanh", "add")
        assert fused(network(conv, norm, relu, add, clip)) == {"norm", "relu", "clip"}
        assert fused(network(conv, norm, relu, operator("gelu", "gelu", "relu"))) == {
            "norm",
            "relu",
        }


class TestAdditive:
    """A price of 1 s on the processor, 0.1 s on the tile, for each MAC; 2 J a second."""

    workload = network(
        operator("relu", "relu"), convolution("a", "relu"), convolution("b", "a", channels=2)
    )

    @staticmethod
    def price(layer: Layer, target: Target) -> dict[str, tuple[float, float]]:
        time_s = layer.macs * (0.1 if target.name == "tile" else 1.0) or 5.0
        return {"work": (time_s, 2 * time_s), "more": (0.5, 0.25)}

    def test_a_breakdown_names_where_each_layer_runs(self) -> None:
        mapping = Mapping.of({"a": "tile", "b": "cpu"})
        costs = layer_costs(two_targets(), self.workload, mapping, self.price)
        assert [(one.name, one.kind, one.target, one.macs) for one in costs] == [
            ("relu", "relu", "cpu", 0),
            ("a", "conv2d", "tile", 144 * 36),
            ("b", "conv2d", "cpu", 72 * 36),
        ]
        assert [one.latency_s for one in costs] == [5.5, 518.4 + 0.5, 2592.5]
        assert [one.energy_j for one in costs] == [10.25, 1036.8 + 0.25, 5184.25]

    def test_tables_hold_the_same_sums(self) -> None:
        tables = additive_tables(
            two_targets(), self.workload, self.price, lambda unit, target: len(unit.name) / 2
        )
        assert (tables.units, tables.targets) == (("a", "b"), ("cpu", "tile"))
        np.testing.assert_allclose(tables.fixed, [5.5, 10.25])
        np.testing.assert_allclose(
            tables.unit,
            [[[5184.5, 10368.25], [518.9, 1037.05]], [[2592.5, 5184.25], [259.7, 518.65]]],
        )
        np.testing.assert_allclose(tables.tiles, 0.5)
        assert tables.pairs.shape == (0, 2) and tables.pair.shape == (0, 2, 2, 2)

    def test_what_a_target_cannot_run_costs_infinitely(self) -> None:
        linear = operator(
            "fc", "linear", macs=1, weight_count=1, mvm=Mvm(rows=1, columns=1, count=1)
        )
        tables = additive_tables(two_targets(), network(linear), self.price, lambda *_: 3.0)
        assert np.isfinite(tables.unit[0, 0]).all() and np.isinf(tables.unit[0, 1]).all()
        assert tables.tiles.tolist() == [[3.0, 0.0]]
        with pytest.raises(InputError, match=r"target 'tile' cannot run layer 'fc' \(linear\)"):
            layer_costs(two_targets(), network(linear), Mapping.of({"fc": "tile"}), self.price)

    def test_layers_of_no_unit_run_on_the_host(self) -> None:
        mapping = Mapping.of({"a": "tile", "b": "tile"})
        places = [
            target_of(two_targets(), self.workload, mapping, layer).name
            for layer in self.workload.layers
        ]
        assert places == ["cpu", "tile", "tile"]

    def test_an_entry_keeps_what_its_layer_says(self) -> None:
        entry = layer_cost(convolution("a"), "tile", {"mvm": (1.0, 2.0)})
        assert (entry.name, entry.kind, entry.target, entry.macs) == ("a", "conv2d", "tile", 5184)
        assert (entry.latency_s, entry.energy_j) == (1.0, 2.0)


class TestAlpineLayers:
    """A core of 1 GHz on which every step takes one cycle and one nanojoule."""

    machine = MachineParameters(
        frequency_hz=1e9,
        simd_macs_per_cycle=16,
        l1_data_bytes=1000,
        llc_bytes=10_000,
        active_j_per_cycle=1e-9,
        memory_wait_j_per_cycle=0.5e-9,
        idle_j_per_cycle=0.0,
        llc_leakage_w=0.0,
        llc_read_j_per_byte=1e-12,
        llc_write_j_per_byte=2e-12,
        dram_bytes_per_s=1e9,
        dram_access_j=64e-12,
        dram_access_bytes=64,
        memory_controller_w=0.0,
    )
    calibration = Calibration(
        linear_efficiency=0.5,
        convolution_efficiency=0.25,
        sparse_mac_cycles=3.0,
        simple_cycles=1.0,
        transcendental_cycles=10.0,
        convert_cycles=2.0,
        input_cycles=4.0,
        handoff_cycles=1000.0,
        dram_stall_s_per_byte=2e-9,
    )
    core = Core(machine=machine, calibration=calibration)
    tile = TileParameters(
        core="core",
        rows=20,
        columns=3,
        mvm_latency_s=100e-9,
        io_bytes_per_s=1e9,
        ops_per_j=1e12,
        energy_scale=2.0,
    )

    def test_a_convolution_on_the_core(self) -> None:
        """144 weights are cached: 5184 MACs at a quarter of 16 a cycle, and 144 inputs to fetch."""
        run = self.core.digital(convolution("conv"), is_cold=False, is_reread=False, where="here")
        assert run.components["compute"] == pytest.approx((1296e-9, 1296e-9))
        assert run.components["input"] == pytest.approx((576e-9, 576e-9))
        assert run.components["memory"] == (0.0, 0.0)
        # 144 inputs and 144 weights are read, 144 results written
        assert run.components["llc access"] == pytest.approx((0.0, 288e-12 + 288e-12))
        assert (run.dram_bytes, run.tiles) == (0, 0)
        assert run.latency_s == pytest.approx(1872e-9)

    def test_cold_weights_come_from_memory_once_or_for_every_pixel(self) -> None:
        layer = convolution("conv", "before")
        once, always = (
            self.core.digital(layer, is_cold=True, is_reread=reread, where="here")
            for reread in (False, True)
        )
        assert (once.dram_bytes, always.dram_bytes) == (144, 36 * 144)
        assert once.components["memory"] == pytest.approx((288e-9, 144e-9))
        assert once.components["dram"] == pytest.approx((0.0, 144e-12))
        assert once.components["input"] == (0.0, 0.0), "the network's input alone must be fetched"

    def test_operations_have_their_cycles(self) -> None:
        def compute_s(layer: Layer) -> float:
            run = self.core.digital(layer, is_cold=False, is_reread=False, where="here")
            return run.components["compute"][0]

        assert compute_s(operator("x", "linear", macs=80)) == pytest.approx(10e-9)
        assert compute_s(operator("x", "depthwise_conv2d", macs=80)) == pytest.approx(240e-9)
        assert compute_s(operator("x", "sigmoid")) == pytest.approx(144 * 11e-9)

    def test_a_convolution_on_tiles(self) -> None:
        """36 rows and 4 columns on tiles of 20 x 3 take two by two of them, for each of 36 pixels."""
        run = self.core.analog(convolution("conv"), self.tile)
        assert run.tiles == 4
        queued, dequeued = 36 * 36 * 2, 36 * 4 * 2
        parts = run.components
        # 144 inputs are converted once, results back before they are added
        assert parts["convert"] == pytest.approx(((144 + dequeued) * 2e-9,) * 2)
        assert parts["queue"][0] == pytest.approx(queued * 2e-9)
        assert parts["dequeue"][0] == pytest.approx(dequeued * 2e-9)
        assert parts["mvm"][0] == pytest.approx(36 * 4 * 100e-9)
        # a tile of 60 cells does 120 operations at 1e12 a joule, twice for the technology
        assert parts["mvm"][1] == pytest.approx(144 * (100e-9 + 240e-12))
        assert parts["partial sums"][0] == pytest.approx((dequeued - 144) * 1e-9)

    def test_a_tile_without_a_size_has_that_of_its_layer(self) -> None:
        tile = self.tile.model_copy(update={"rows": None, "columns": None})
        run = self.core.analog(convolution("conv"), tile)
        assert run.tiles == 1 and run.components["partial sums"] == (0.0, 0.0)

    def test_waiting_and_handing_over(self) -> None:
        assert self.core.waiting(2e-9) == pytest.approx((2e-9, 1e-9))
        assert self.core.handoff == pytest.approx((1e-6, 0.5e-6))

    def test_components_are_added_by_name(self) -> None:
        run = Run(components={"a": (1.0, 2.0)}, dram_bytes=3.0, tiles=4)
        more = run.plus({"a": (10.0, 20.0), "b": (5.0, 6.0)})
        assert more.components == {"a": (11.0, 22.0), "b": (5.0, 6.0)}
        assert (more.dram_bytes, more.tiles) == (3.0, 4)
        assert run.components == {"a": (1.0, 2.0)}
        assert more.latency_s == 16.0

    def test_an_embedding_reads_only_what_it_looks_up(self) -> None:
        assert weight_bytes(operator("x", "embedding", weight_count=1000)) == 0
        assert weight_bytes(operator("x", "linear", weight_count=10, bias_count=2)) == 12


class TestPulpCluster:
    cores = CoresParameters(
        convolution_macs_per_cycle=10.0,
        depthwise_macs_per_cycle=2.0,
        element_ops_per_cycle=0.5,
        convolution_mac_energy_j=1.0,
        depthwise_mac_energy_j=10.0,
        element_op_energy_j=100.0,
    )
    ima = ImaParameters(
        rows=16,
        columns=3,
        mvm_latency_s=130e-9,
        job_energy_j=1.0,
        channel_energy_j=10.0,
        column_energy_j=100.0,
        cell_energy_j=1000.0,
    )

    @pytest.mark.parametrize(
        ("layer", "cycles", "energy_j"),
        [
            (operator("x", "conv2d", macs=100), 10.0, 100.0),
            (operator("x", "depthwise_conv2d", macs=100), 50.0, 1000.0),
            (operator("x", "add"), 288.0, 14_400.0),
            (operator("x", "gelu"), 4 * 288.0, 4 * 14_400.0),
        ],
    )
    def test_work_of_the_cores(self, layer: Layer, cycles: float, energy_j: float) -> None:
        assert self.cores.work(layer, "here") == (cycles, energy_j)

    def test_pools_of_the_cores_are_separable(self) -> None:
        """A 2x2 pool of stride 2: two rows of one operation, then one; an average scales, too."""
        fields = {"kernel": (2, 2), "stride": (2, 2), "output_shape": (1, 4, 3, 3)}
        pool, average = operator("x", "max_pool2d", **fields), operator("x", "avg_pool2d", **fields)
        assert separable_pool_operations(pool) == 36 * 3
        assert separable_pool_operations(average) == 36 * 4
        assert self.cores.work(pool, "here") == (216.0, 10_800.0)
        trivial = operator("x", "max_pool2d", kernel=(1, 1), stride=(1, 1))
        assert separable_pool_operations(trivial) == 144

    def test_jobs_of_the_accelerator(self) -> None:
        layer = convolution("conv")
        assert self.ima.tiles(layer, "here") == [(16, 3), (16, 1), (16, 3), (16, 1), (4, 3), (4, 1)]
        # 65 cycles of 2 ns; 16 inputs take four cycles of 4 bytes, three results one
        assert self.ima.job_cycles((16, 3), clock_hz=500e6, bus_bytes_per_cycle=4) == (65, 5)
        energy_j = 1 + 10 * 16 / 9 + 100 * 3 + 1000 * 48
        assert self.ima.job_energy((16, 3), layer) == pytest.approx(energy_j)
        with pytest.raises(InputError, match="here: layer 'x': a crossbar cannot run 'add'"):
            self.ima.tiles(operator("x", "add"), "here")


class TestPipeline:
    def test_stages_need_slices_by_their_windows(self) -> None:
        """3x3 windows with padding need one more column of six; a last layer needs everything."""
        conv, relu = convolution("conv"), operator("relu", "relu", "conv")
        again = convolution("again", "relu", stride=2)
        flat = operator("fc", "linear", "again", input_shapes=((1, 4, 3, 3),), output_shape=(1, 2))
        graph = Graph.of(network(conv, relu, again, flat))
        assert list(graph.layers) == ["conv", "again", "fc"], "the relu is part of the convolution"
        assert graph.slices == {"conv": 6, "again": 3, "fc": 1}
        assert graph.sources == {"conv": (), "again": ("conv",), "fc": ("again",)}
        assert list(graph.slices_needed("again")) == [("conv", 1 / 6)]
        assert list(graph.slices_needed("fc")) == [("again", 2 / 3)]
        assert graph.skipping == ()
        waits, on_path = latencies(graph, {"conv": 1.0, "again": 2.0, "fc": 3.0}, interval_s=60.0)
        assert on_path == {"conv", "again", "fc"}
        assert waits == {"conv": 0.0, "again": pytest.approx(10.0), "fc": pytest.approx(40.0)}

    def test_a_product_of_activations_needs_all_of_both(self) -> None:
        shape = (1, 5, 8)
        tokens = {"input_shapes": (shape,), "output_shape": shape}
        left, right = operator("left", "gelu", **tokens), operator("right", "gelu", **tokens)
        product = operator("product", "matmul", "left", "right", output_shape=(1, 5, 5))
        graph = Graph.of(network(left, right, product))
        assert list(graph.slices_needed("product")) == [("left", 4 / 5), ("right", 4 / 5)]

    def test_what_skips_a_stage_waits(self) -> None:
        first, second = convolution("first"), convolution("second", "first")
        add = operator("add", "add", "second", "first")
        graph = Graph.of(network(first, second, add))
        assert [layer.name for layer in graph.skipping] == ["first"]


class TestReplication:
    def test_the_slowest_stage_is_copied_first(self) -> None:
        """Four slices of 1 s and two of 1 s: with four clusters both take 2 s at best, then 1 s."""
        stages = [
            Stage(name="a", slices=4, slice_s=1.0, clusters=1),
            Stage(name="b", slices=2, slice_s=1.0, clusters=1),
        ]
        assert replicate(stages, 2) == (1, 1)
        assert replicate(stages, 3) == (2, 1)
        assert replicate(stages, 5) == (2, 1), "three copies of `a` are no faster than two"
        assert replicate(stages, 6) == (4, 2)
        assert replicate(stages, 6, least_s=2.0) == (2, 1), (
            "nothing is gained below what is imposed"
        )
        assert replicate(stages, 1) == (1, 1), "more than the budget: one copy each"

    def test_times_and_copies_of_a_stage(self) -> None:
        stage = Stage(name="a", slices=5, slice_s=2.0, clusters=3)
        assert [stage.time_s(copies) for copies in (1, 2, 3, 5)] == [10.0, 6.0, 4.0, 2.0]
        assert [stage.least_copies(time_s) for time_s in (10.0, 9.9, 4.0, 2.0)] == [1, 2, 3, 5]
        assert stage.least_copies(1.9) is None
        assert Stage(name="b", slices=5, slice_s=0.0, clusters=1).least_copies(0.0) == 1


class TestParameters:
    class Clock(Parameters):
        clock_hz: float = Field(gt=0)
        bits: int = 8

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"clock_hz": inf}, "clock_hz: got inf; must be a finite number"),
            ({"clock_hz": nan}, "clock_hz: got nan; must be"),
            ({"clock_hz": "1e9"}, "clock_hz: got '1e9'; must be a valid number"),
            ({"clock_hz": 0.0}, "clock_hz: got 0.0; must be greater than 0"),
            ({"clock_hz": 1e9, "bits": 8.0}, "bits: got 8.0; must be a valid integer"),
            ({"clock_hz": 1e9, "bits": True}, "bits: got True; must be a valid integer"),
            ({"clock_hz": 1e9, "bit": 8}, r"unknown key 'bit' \(did you mean 'bits'\?\)"),
            ({"bits": 8}, "key 'clock_hz' is missing"),
        ],
    )
    def test_what_is_refused(self, given: dict[str, float | str], message: str) -> None:
        block = Machine(source="made up", parameters=given)
        with pytest.raises(InputError, match=f"^here: {message}"):
            block.parse(self.Clock, "here")

    def test_whole_numbers_are_numbers(self) -> None:
        block = Machine(source="made up", parameters={"clock_hz": 3})
        assert block.parse(self.Clock, "here") == self.Clock(clock_hz=3.0)


class TestVariants:
    def test_a_copy_with_other_numbers(self) -> None:
        system = load_system("imc-cluster")
        digest = system.digest
        slower = variant(system, "machine", clock_hz=1e6, jobs="sequential")
        assert slower.machine is not None and system.machine is not None
        assert slower.machine.parameters == {
            **system.machine.parameters,
            "clock_hz": 1e6,
            "jobs": "sequential",
        }
        assert slower.targets == system.targets
        larger = variant(system, "ima", rows=512)
        assert larger.target("ima").parameters["rows"] == 512
        assert larger.target("cores") == system.target("cores") and larger.machine == system.machine
        assert system.digest == digest and slower.digest != digest != larger.digest

    @pytest.mark.parametrize(
        ("block", "key", "message"),
        [
            ("imb", "rows", r"unknown target 'imb' \(did you mean 'ima'\?\)"),
            ("ima", "row", r"'imc-cluster', ima: unknown key 'row' \(did you mean 'rows'\?\)"),
            ("machine", "clock", r"machine: unknown key 'clock' \(did you mean 'clock_hz'\?\)"),
        ],
    )
    def test_unknown_blocks_and_keys(self, block: str, key: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            variant(load_system("imc-cluster"), block, **{key: 1})
