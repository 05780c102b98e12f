"""Work of a cluster's cores and of its accelerator, by hand computation."""

from __future__ import annotations

import pytest
from small_networks import convolution, operator

from lionheart_opt.cost_models.parts.pulp_cluster import (
    CoresParameters,
    ImaParameters,
    separable_pool_operations,
)
from lionheart_opt.errors import InputError
from lionheart_opt.workload import Layer


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
        peak_ops_per_j=1.0,
    )

    @pytest.mark.parametrize(
        ("layer", "cycles", "energy_j"),
        [
            (operator("x", "conv2d", macs=100), 10.0, 100.0),
            (operator("x", "depthwise_conv2d", macs=100), 50.0, 1000.0),
            (operator("x", "add"), 288.0, 14_400.0),
            (operator("x", "gelu"), 288.0, 14_400.0),  # a look-up
            (operator("x", "softmax"), 5 * 288.0, 5 * 14_400.0),
            (operator("x", "batch_norm"), 2 * 288.0, 2 * 14_400.0),
        ],
    )
    def test_work_of_the_cores(self, layer: Layer, cycles: float, energy_j: float) -> None:
        assert self.cores.work(layer, "here", {}) == (cycles, energy_j)

    def test_pools_of_the_cores_are_separable(self) -> None:
        """A 2x2 pool of stride 2: two rows of one operation, then one; an average scales, too."""
        fields = {"kernel": (2, 2), "stride": (2, 2), "output_shape": (1, 4, 3, 3)}
        pool, average = operator("x", "max_pool2d", **fields), operator("x", "avg_pool2d", **fields)
        assert separable_pool_operations(pool) == 36 * 3
        assert separable_pool_operations(average) == 36 * 4
        assert self.cores.work(pool, "here", {}) == (216.0, 10_800.0)
        trivial = operator("x", "max_pool2d", kernel=(1, 1), stride=(1, 1))
        assert separable_pool_operations(trivial) == 144

    @pytest.mark.parametrize(
        ("kernel", "stride", "per_result"),
        [
            ((3, 3), (2, 2), 2 * 2 + 2),  # two new rows of two, then two
            ((3, 3), (1, 1), 2 + 2),
            ((2, 5), (1, 1), 4 + 1),
            ((5, 2), (9, 9), 5 + 4),  # never more than all rows
            ((3, 3), (), 3 * 2 + 2),
        ],
    )
    def test_rows_of_a_pool_are_reduced_once(
        self, kernel: tuple[int, ...], stride: tuple[int, ...], per_result: int
    ) -> None:
        pool = operator("x", "max_pool2d", kernel=kernel, stride=stride, output_shape=(1, 4, 3, 3))
        assert separable_pool_operations(pool) == 36 * per_result

    def test_jobs_of_the_accelerator(self) -> None:
        layer = convolution("conv")
        assert self.ima.tiles(layer, "here") == [(16, 3), (16, 1), (16, 3), (16, 1), (4, 3), (4, 1)]
        # 65 cycles of 2 ns; 16 inputs take four cycles of 4 bytes, three results one
        assert self.ima.job_cycles((16, 3), clock_hz=500e6, bus_bytes_per_cycle=4) == (65, 5)
        energy_j = 1 + 10 * 16 / 9 + 100 * 3 + 1000 * 48
        assert self.ima.job_energy((16, 3), layer) == pytest.approx(energy_j)
        with pytest.raises(InputError, match="here: layer 'x': a crossbar cannot run 'add'"):
            self.ima.tiles(operator("x", "add"), "here")
