"""What does not fit into the L1 moves, hidden behind computing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_networks import network, operator

from lionheart_opt.cost_models.parts.spilling import (
    SpillingParameters,
    bytes_of_inputs,
    weights_read,
    with_memory,
)
from lionheart_opt.plugins import cost_model, load_system
from lionheart_opt.space import Space
from lionheart_opt.workload import INPUT

MEMORY = SpillingParameters(
    activations="spill",
    l1_bytes=300,
    l2_bytes=1000,
    l2_bytes_per_s=10.0,
    l2_j_per_byte=2.0,
    dram_bytes_per_s=1.0,
    dram_j_per_byte=30.0,
)


class TestSpilled:
    """Layers read and write 144 elements."""

    @pytest.mark.parametrize(
        ("inputs_bytes", "weight_bytes", "time_s", "energy_j"),
        [
            (0, 0, 0.0, 0.0),  # 288 bytes fit
            (0, 12, 0.0, 0.0),  # 300 bytes just do
            (0, 13, 30.1, 602.0),  # all 301 move from and to the L2
            (0, 712, 100.0, 2000.0),
            (0, 713, 1001.0, 30_030.0),  # or the DRAM
        ],
    )
    def test_a_layer_that_does_not_fit_moves_everything(
        self, inputs_bytes: int, weight_bytes: int, time_s: float, energy_j: float
    ) -> None:
        layer = operator("x", "relu", "before")
        moves = MEMORY.spilled(layer, inputs_bytes, weight_bytes)
        assert moves == (pytest.approx(time_s), pytest.approx(energy_j))

    @pytest.mark.parametrize(
        ("inputs_bytes", "expected"), [(300, (0, 0)), (301, (14.4, 288)), (1001, (144, 4320))]
    )
    def test_inputs_that_do_not_fit_together_are_fetched(
        self, inputs_bytes: int, expected: tuple[float, float]
    ) -> None:
        layer = operator("x", "relu", INPUT)
        assert MEMORY.spilled(layer, inputs_bytes, 0) == pytest.approx(expected)
        other = operator("y", "relu", "x")
        assert MEMORY.spilled(other, inputs_bytes, 0) == (0, 0)

    def test_activations_may_be_assumed_to_fit(self) -> None:
        memory = MEMORY.model_copy(update={"activations": "l1"})
        layer = operator("x", "relu", INPUT)
        assert memory.spilled(layer, 0, 300) == (0, 0)
        assert memory.spilled(layer, 0, 301) == pytest.approx((30.1, 602))
        assert memory.spilled(layer, 301, 0) == pytest.approx((14.4, 288))

    def test_inputs_count_as_often_as_they_are_read(self) -> None:
        both = network(operator("x", "relu", INPUT), operator("y", "add", "x", INPUT))
        assert bytes_of_inputs(both) == 2 * 144


@pytest.mark.parametrize("kind", ["embedding", "index", "index_select", "gather"])
def test_of_a_table_the_rows_that_are_looked_up_are_read(kind: str) -> None:
    assert weights_read(operator("x", kind, weight_count=1000)) == 144
    bag = operator("x", "embedding_bag", input_shapes=((1, 7),), output_shape=(1, 5))
    assert weights_read(replace(bag, weight_count=1000)) == 7 * 5
    assert weights_read(operator("x", "linear", weight_count=1000)) == 1000


def test_transfers_hide_behind_computing() -> None:
    components = {"compute": (3.0, 5.0), "stream": (1.0, 0.0)}
    assert with_memory(components, 0.0, 0.0) == components
    assert with_memory(components, 3.0, 7.0)["memory"] == (0.0, 7.0)
    assert with_memory(components, 6.0, 7.0)["memory"] == (2.0, 7.0)
    assert with_memory(components, 6.0, 7.0, 10.0)["memory"] == (2.0, 27.0)


@pytest.mark.parametrize(("name", "n_maps"), [("imc-cluster", 2), ("diana", 3)])
def test_large_images_cost_time_and_energy_of_the_memory(name: str, n_maps: int) -> None:
    """Two inputs of 1 MB exceed every L1 and L2; the cluster's papers keep the result in the L1."""
    system = load_system(name)
    assert system.machine is not None
    image = (1, 16, 256, 256)
    layer = operator("x", "add", INPUT, INPUT, output_shape=image)
    workload = network(replace(layer, input_shapes=(image, image)))

    def cost(**changes: float) -> tuple[float, float]:
        assert system.machine is not None
        parameters = {**system.machine.parameters, **changes}
        machine = system.machine.model_copy(update={"parameters": parameters})
        changed = system.model_copy(update={"machine": machine})
        mapping = Space(workload=workload, system=changed).all_digital
        price = cost_model(changed).cost(workload, mapping)
        return price.latency_s, price.energy_j

    slow_s, slow_j = cost(dram_bytes_per_s=1e6)
    assert slow_s == pytest.approx(n_maps * 2**20 / 1e6)
    assert cost()[0] < slow_s
    dear_j, free_j = cost(dram_j_per_byte=1e-6)[1], cost(dram_j_per_byte=0.0)[1]
    assert dear_j - free_j == pytest.approx(n_maps * 2**20 * 1e-6)
    power_w = {"imc-cluster": 0.3931e-3, "diana": 8e-3}[name]
    waited_s = slow_s - cost()[0]
    assert slow_j == pytest.approx(cost()[1] + power_w * waited_s), "the chip waits"
