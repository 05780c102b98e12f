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

    @pytest.mark.parametrize(
        ("kind", "shape", "slices"),
        [
            ("conv2d", (1, 4, 6, 3), 3),  # columns of an image
            ("conv1d", (1, 4, 9), 9),
            ("gelu", (1, 5, 8), 5),  # tokens
            ("linear", (1, 10), 1),
            ("conv3d", (1, 2, 3, 4, 5), 1),
        ],
    )
    def test_slices_of_a_result(self, kind: str, shape: tuple[int, ...], slices: int) -> None:
        layer = operator("x", kind, output_shape=shape)
        assert Graph.of(network(layer)).slices == {"x": slices}

    @pytest.mark.parametrize(
        ("kernel", "padding", "needed"),
        [
            ((3, 3), (0, 0), 2),
            ((3, 3), (), 2),
            ((3, 3), (1, 1), 1),
            ((3, 3), (0, 1), 1),  # columns are the last axis
            ((3, 5), (1, 1), 3),
            ((1, 1), (0, 0), 0),
            ((1, 1), (1, 1), 0),
            ((9, 9), (0, 0), 5),  # never more than there are
            ((), (), 0),  # an operation on elements
        ],
    )
    def test_a_window_needs_the_slices_to_one_side(
        self, kernel: tuple[int, ...], padding: tuple[int, ...], needed: int
    ) -> None:
        first = convolution("first")
        second = operator("second", "avg_pool2d", "first", kernel=kernel, padding=padding)
        graph = Graph.of(network(first, second))
        assert list(graph.slices_needed("second")) == [("first", needed / 6)]

    def test_the_longest_path_ends_where_the_last_slice_comes_last(self) -> None:
        """`long` begins later, but `wide` still has five of six slices to deliver."""
        first = operator("first", "mean", output_shape=(1, 4))
        wide = operator("wide", "upsample_nearest2d", "first")
        long = operator("long", "linear", "first", output_shape=(1, 4))
        graph = Graph.of(network(first, wide, long))
        own = {"first": 1.0, "wide": 2.0, "long": 20.0}
        waits, on_path = latencies(graph, own, interval_s=60.0)
        assert on_path == {"first", "wide"}
        assert waits == {"first": 0.0, "wide": pytest.approx(50.0)}
        waits, on_path = latencies(graph, {**own, "long": 60.0}, interval_s=60.0)
        assert on_path == {"first", "long"} and waits == {"first": 0.0, "long": 0.0}

    def test_a_result_waits_where_a_stage_after_the_next_reads_it(self) -> None:
        """`c` reads `a` two stages later; `b` reads it at once. The input does not count."""
        a, b = convolution("a"), convolution("b", "a")
        c, d = operator("c", "add", "b", "a"), operator("d", "add", "c", "c", "input")
        graph = Graph.of(network(a, b, c, d))
        assert [layer.name for layer in graph.skipping] == ["a"]
        assert graph.sources == {"a": (), "b": ("a",), "c": ("b", "a"), "d": ("c",)}
