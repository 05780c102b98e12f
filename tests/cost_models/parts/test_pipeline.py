"""Pipelines: slices, what a stage waits for, what skips a stage."""

from __future__ import annotations

import pytest
from small_networks import convolution, network, operator

from lionheart_opt.cost_models.parts.pipeline import Graph, latencies


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
