"""What cost models of all families share, by hand computation."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from pydantic import Field
from small_networks import convolution, network, operator

from lionheart_opt.cost import Cost
from lionheart_opt.cost_models.parts.additive import (
    additive_tables,
    layer_cost,
    layer_costs,
    target_of,
)
from lionheart_opt.cost_models.parts.fusion import fused, unless_fused
from lionheart_opt.cost_models.parts.operations import Operations, folded_norms, operations
from lionheart_opt.cost_models.parts.parameters import Parameters
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.system import Machine, System, Target
from lionheart_opt.workload import INPUT, Layer, Mvm


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
            (operator("x", "bilinear", macs=7), Operations(linear_macs=7)),
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

    def test_a_fused_layer_is_not_even_priced(self) -> None:
        workload = network(convolution("conv"), operator("relu", "relu", "conv"))
        [cpu, _] = two_targets().targets
        priced: list[str] = []

        def price(layer: Layer, target: Target) -> dict[str, tuple[float, float]]:
            priced.append(f"{layer.name} on {target.name}")
            return {"compute": (1.0, 2.0)}

        prices = [unless_fused(workload, price)(layer, cpu) for layer in workload.layers]
        assert prices == [{"compute": (1.0, 2.0)}, {"fused": (0.0, 0.0)}]
        assert priced == ["conv on cpu"]


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
        block = Machine.model_construct(source="made up", parameters=given)
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


class TestCostsAreNumbers:
    @pytest.mark.parametrize(
        "price", [(nan, 1.0), (1.0, nan), (inf, 0.0), (-1e-9, 0.0), (0.0, -1.0)]
    )
    def test_a_component_that_is_no_number_is_refused(self, price: tuple[float, float]) -> None:
        components = {"compute": (1.0, 1.0), "memory": price}
        with pytest.raises(InputError, match="cost of layer 'conv' on 'tile': component 'memory'"):
            layer_cost(convolution("conv"), "tile", components)

    def test_a_free_component_is_one(self) -> None:
        assert layer_cost(convolution("conv"), "tile", {"fused": (0.0, 0.0)}).latency_s == 0.0

    @pytest.mark.parametrize("interval_s", [nan, inf, -1.0])
    def test_an_interval_that_is_no_number_is_refused(self, interval_s: float) -> None:
        with pytest.raises(InputError, match="cost: interval_s: got"):
            Cost(layers=(), interval_s=interval_s)

    def test_a_number_of_tiles_that_is_none_is_refused(self) -> None:
        with pytest.raises(InputError, match="cost: tiles of 'tile': got -1"):
            Cost(layers=(), tiles={"tile": -1})

    def test_tables_may_be_infinite_only_where_a_target_cannot_run_a_unit(self) -> None:
        def price(layer: Layer, target: Target) -> dict[str, tuple[float, float]]:
            return {"compute": (1.0, 1.0)}

        workload = network(convolution("a"), operator("relu", "relu", "a"))
        tables = additive_tables(two_targets(), workload, price, lambda *_: 1.0)
        for value in (nan, -inf):
            unit = tables.unit.copy()
            unit[0, 1, 0] = value
            with pytest.raises(InputError, match="cost tables: unit 'a' on 'tile': got"):
                replace(tables, unit=unit)
        replace(tables, unit=np.full_like(tables.unit, inf))
        with pytest.raises(InputError, match="cost tables: fixed"):
            replace(tables, fixed=np.array([inf, 0.0]))
        with pytest.raises(InputError, match="cost tables: tiles"):
            replace(tables, tiles=tables.tiles * nan)
        pairs, pair = np.array([[0, 0]]), np.full((1, 2, 2, 2), nan)
        with pytest.raises(InputError, match="cost tables: units 'a' and 'a'"):
            replace(tables, pairs=pairs, pair=pair)
