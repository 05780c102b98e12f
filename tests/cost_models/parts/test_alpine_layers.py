"""Layers on a core and on its tiles, by hand computation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_networks import convolution, operator

from lionheart_opt.cost_models.parts.alpine_layers import Core, Run, weight_bytes
from lionheart_opt.cost_models.parts.alpine_parameters import (
    MachineParameters,
    SoftwareParameters,
    TileParameters,
)
from lionheart_opt.workload import INPUT, Layer, Mvm


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
    software = SoftwareParameters(
        linear_efficiency=0.5,
        convolution_efficiency=0.25,
        sparse_mac_cycles=3.0,
        simple_cycles=1.0,
        transcendental_cycles=10.0,
        convert_cycles=2.0,
        input_cycles=4.0,
        handoff_cycles=1000.0,
        dram_stall_s_per_byte=1e-9,
    )
    core = Core(machine=machine, software=software)
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
        assert run.dram_bytes == 0
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

    @pytest.mark.parametrize(
        ("layer", "passes"),
        [
            (convolution("conv", "before"), 36),
            # a transposed convolution spreads each of 9 input pixels over 4 channels of 3 x 3
            (
                operator(
                    "up",
                    "conv_transpose2d",
                    "before",
                    macs=9 * 144,
                    weight_count=144,
                    kernel=(3, 3),
                ),
                9,
            ),
            # a matrix of 4 x 3 for each of two heads, and five tokens
            (
                operator(
                    "heads", "matmul", "before", macs=120, weight_count=24, output_shape=(2, 5, 3)
                ),
                5,
            ),
            (operator("form", "bilinear", "before", macs=120, weight_count=60), 2),
            (operator("norm", "layer_norm", "before", weight_count=144, bias_count=144), 1),
            (operator("scores", "matmul", "before", "before", macs=500), 1),
        ],
    )
    def test_products_go_through_all_their_weights_for_every_token(
        self, layer: Layer, passes: int
    ) -> None:
        run = self.core.digital(layer, is_cold=True, is_reread=True, where="here")
        assert run.dram_bytes == passes * (layer.weight_count + layer.bias_count)

    def test_a_core_waits_for_the_first_byte_and_for_the_transfer(self) -> None:
        """A nanosecond each for a byte; with prefetching, only the transfer."""
        layer = convolution("conv", "before")

        def waits_s(**changes: float) -> float:
            core = replace(self.core, machine=self.machine.model_copy(update=changes))
            run = core.digital(layer, is_cold=True, is_reread=False, where="here")
            return run.components["memory"][0]

        assert waits_s() == pytest.approx(144 * 2e-9)
        assert waits_s(dram_bytes_per_s=4e9) == pytest.approx(144 * 1.25e-9)
        assert waits_s(prefetches=True) == pytest.approx(144 * 1e-9)
        assert waits_s(prefetches=True, dram_bytes_per_s=4e9) == pytest.approx(144 * 0.25e-9)

    def test_a_cache_is_fetched_not_decoded(self) -> None:
        """36 elements lie in memory, 4 are appended: four cycles, and nothing of the input is decoded."""
        shapes = {"input_shapes": ((1, 9, 4), (1, 1, 4)), "output_shape": (1, 10, 4)}
        append = operator("cat", "cat", INPUT, "key", **shapes)
        run = self.core.digital(append, is_cold=False, is_reread=False, where="here")
        assert run.components["compute"] == pytest.approx((4e-9, 4e-9))
        assert run.components["input"] == (0.0, 0.0)
        assert run.components["memory"][0] == pytest.approx(36 * 2e-9)
        assert run.dram_bytes == 36

    def test_the_memory_controller_draws_power_while_data_move(self) -> None:
        """144 bytes at 2e9 a second and 3 W, beside 1 pJ for each byte."""
        changes = {"memory_controller_w": 3.0, "dram_bytes_per_s": 2e9}
        core = replace(self.core, machine=self.machine.model_copy(update=changes))
        layer = convolution("conv", "before")
        run = core.digital(layer, is_cold=True, is_reread=False, where="here")
        assert run.components["dram"] == pytest.approx((0.0, 144 * (1e-12 + 1.5e-9)))

    def test_operations_have_their_cycles(self) -> None:
        def compute_s(layer: Layer) -> float:
            run = self.core.digital(layer, is_cold=False, is_reread=False, where="here")
            return run.components["compute"][0]

        assert compute_s(operator("x", "linear", macs=80)) == pytest.approx(10e-9)
        assert compute_s(operator("x", "depthwise_conv2d", macs=80)) == pytest.approx(240e-9)
        assert compute_s(operator("x", "sigmoid")) == pytest.approx(144 * 11e-9)

    def test_a_simple_operation_may_take_several_cycles(self) -> None:
        core = replace(self.core, software=self.software.model_copy(update={"simple_cycles": 3.0}))
        run = core.digital(operator("x", "batch_norm"), is_cold=False, is_reread=False, where="")
        assert run.components["compute"][0] == pytest.approx(144 * 2 * 3e-9)
        on_tiles = core.analog(convolution("conv"), self.tile).components
        assert on_tiles["queue"][0] == pytest.approx(36 * 36 * 2 * (3e-9 + 1e-9))
        assert on_tiles["partial sums"][0] == pytest.approx(36 * 4 * 3e-9)

    def test_a_convolution_on_tiles(self) -> None:
        """36 rows and 4 columns on tiles of 20 x 3 take two by two of them, for each of 36 pixels."""
        run = self.core.analog(convolution("conv"), self.tile)
        assert self.tile.split(convolution("conv")) == (2, 2)
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
        assert run.components["partial sums"] == (0.0, 0.0)
        # 36 pixels: 288 operations each on a tile of 36 x 4
        assert run.components["mvm"][1] == pytest.approx(36 * (100e-9 + 2 * 288e-12))

    def test_what_tiles_read_of_the_cache(self) -> None:
        """144 inputs and 144 results, but no weights."""
        run = self.core.analog(convolution("conv"), self.tile)
        assert run.components["llc access"] == pytest.approx((0.0, 144e-12 + 288e-12))
        assert run.dram_bytes == 0 == Run(components={}).dram_bytes

    def test_a_bias_is_added_on_tiles_too(self) -> None:
        plain, biased = (
            self.core.analog(replace(convolution("conv"), bias_count=count), self.tile)
            for count in (0, 4)
        )
        extra = biased.components["partial sums"][0] - plain.components["partial sums"][0]
        assert extra == pytest.approx(144e-9), "one addition for each result"

    @pytest.mark.parametrize(("n_outputs", "traffic"), [(4000, 0), (4001, 10_001)])
    def test_activations_beyond_the_last_cache_go_through_memory(
        self, n_outputs: int, traffic: int
    ) -> None:
        shapes = {"input_shapes": ((1, 6000),), "output_shape": (1, n_outputs)}
        layer = operator(
            "x", "linear", "before", macs=1, **shapes, mvm=Mvm(rows=1, columns=1, count=1)
        )
        for run in (
            self.core.digital(layer, is_cold=True, is_reread=False, where="here"),
            self.core.analog(layer, self.tile),
        ):
            assert run.dram_bytes == traffic
            assert run.components["memory"] == pytest.approx((traffic * 2e-9, traffic * 1e-9))

    @pytest.mark.parametrize(("n_weights", "reads"), [(1000, 1), (1001, 36)])
    def test_weights_beyond_the_first_cache_are_read_for_every_pixel(
        self, n_weights: int, reads: int
    ) -> None:
        layer = replace(convolution("conv"), weight_count=n_weights, macs=36 * n_weights)
        run = self.core.digital(layer, is_cold=False, is_reread=False, where="here")
        read = 144 + reads * n_weights
        assert run.components["llc access"][1] == pytest.approx(read * 1e-12 + 144 * 2e-12)

    def test_waiting_and_handing_over(self) -> None:
        assert self.core.waiting(2e-9) == pytest.approx((2e-9, 1e-9))
        # 1,000 cycles of waiting, then a cycle of work for each byte
        byte_s, byte_j = 1 / self.machine.frequency_hz, self.machine.active_j_per_cycle
        write_j, read_j = self.machine.llc_write_j_per_byte, self.machine.llc_read_j_per_byte
        assert self.core.send(50) == pytest.approx(
            (1e-6 + 50 * byte_s, 0.5e-6 + 50 * (byte_j + write_j))
        )
        assert self.core.receive(50) == pytest.approx((50 * byte_s, 50 * (byte_j + read_j)))

    def test_components_are_added_by_name(self) -> None:
        run = Run(components={"a": (1.0, 2.0)}, dram_bytes=3.0)
        more = run.plus({"a": (10.0, 20.0), "b": (5.0, 6.0)})
        assert more.components == {"a": (11.0, 22.0), "b": (5.0, 6.0)}
        assert more.dram_bytes == 3.0
        assert run.components == {"a": (1.0, 2.0)}
        assert more.latency_s == 16.0

    @pytest.mark.parametrize(
        "kind", ["embedding", "embedding_bag", "index", "index_select", "gather"]
    )
    def test_of_a_table_little_is_read(self, kind: str) -> None:
        assert weight_bytes(operator("x", kind, weight_count=1000)) == 0

    def test_of_a_matrix_all_is_read(self) -> None:
        assert weight_bytes(operator("x", "linear", weight_count=10, bias_count=2)) == 12
