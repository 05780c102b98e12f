"""Layers that cost nothing: only what 8-bit hardware does as a part of the layer before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small_networks import convolution, network, operator, two_targets

from lionheart_opt.cost_models.imc_cluster import ImcCluster
from lionheart_opt.cost_models.parts.fusion import fused, looked_up, unless_fused
from lionheart_opt.cost_models.validation import imc_cluster as paper
from lionheart_opt.mapping import Mapping
from lionheart_opt.plugins import load_system
from lionheart_opt.system import Target
from lionheart_opt.workload import INPUT, Layer, Unit, Workload


class TestSmallNetworks:
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
        assert fused(network(operator("clip", "relu", INPUT))) == frozenset(), "its only reader"

    def test_not_functions_that_compute(self) -> None:
        assert fused(self.network(self.operator("gelu", "gelu", "conv"))) == frozenset()


class TestLookUps:
    """A function of one 8-bit element is one look-up, however it is written."""

    def gelu(self) -> tuple[Layer, ...]:
        return (
            convolution("x"),
            operator("half", "mul", "x"),
            operator("cube", "pow3", "x"),
            operator("inner", "add", "x", "cube"),
            operator("tanh", "tanh", "inner"),
            operator("gelu", "mul", "half", "tanh"),
        )

    def test_the_last_operator_is_the_look_up(self) -> None:
        contributions = {"half", "cube", "inner", "tanh"}
        assert looked_up(network(*self.gelu())) == contributions
        assert fused(network(*self.gelu())) == contributions
        assert fused(network(*self.gelu()), has_tables=False) == frozenset()

    def test_as_one_operator_it_costs_as_much(self) -> None:
        model = ImcCluster(load_system("imc-cluster"))
        costs = []
        for workload in (
            network(*self.gelu()),
            network(convolution("x"), operator("y", "gelu", "x")),
        ):
            mapping = Mapping.of({unit.name: "cores" for unit in workload.units})
            costs.append(model.cost(workload, mapping))
        assert costs[0].latency_s == pytest.approx(costs[1].latency_s, rel=1e-12)
        assert costs[0].energy_j == pytest.approx(costs[1].energy_j, rel=1e-12)

    def test_not_what_something_else_reads(self) -> None:
        workload = network(*self.gelu(), operator("mean", "mean", "cube"))
        assert looked_up(workload) == {"half", "inner", "tanh"}

    def test_not_functions_of_two_results(self) -> None:
        """The gate of a perceptron: its sigmoid has a look-up of its own."""
        gate = (operator("g", "sigmoid", "a"), operator("out", "mul", "g", "b"))
        assert looked_up(network(convolution("a"), convolution("b"), *gate)) == frozenset()

    def test_not_of_the_input_or_of_other_shapes(self) -> None:
        inputs = operator("first", "exp"), operator("second", "sigmoid", "first")
        assert looked_up(network(*inputs)) == frozenset()
        wide = operator("y", "exp", "x", output_shape=(2, 4, 6, 6))
        assert looked_up(network(convolution("x"), wide, operator("z", "exp", "y"))) == frozenset()
