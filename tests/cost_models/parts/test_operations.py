"""Arithmetic of operators on a processor, and norms that are folded."""

from __future__ import annotations

import pytest
from small_networks import convolution, network, operator

from lionheart_opt.cost_models.parts.operations import (
    Operations,
    appended_elements,
    cached_elements,
    folded_norms,
    folded_scales,
    is_looked_up,
    is_pointwise,
    operations,
)
from lionheart_opt.errors import InputError
from lionheart_opt.system import OperatorPrice
from lionheart_opt.workload import INPUT, Layer


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

    @pytest.mark.parametrize(
        ("kinds", "simple", "transcendental"),
        [
            ("relu relu6 add mul where cat copy pad embedding im2col upsample_nearest2d", 1, 0),
            ("addcmul lerp hardswish hardsigmoid batch_norm", 2, 0),
            ("upsample_bilinear2d", 8, 0),  # four products and their sums
            ("sigmoid tanh exp log rsqrt div erf softplus elu log10 asin atan2 sinc", 1, 1),
            ("pow", 1, 2),  # a logarithm and an exponential
            ("square copysign logical_xor trunc nan_to_num scatter_add rot90 hardshrink", 1, 0),
            ("glu", 2, 1),
            ("remainder fmod addcdiv", 2, 1),
            ("logaddexp logit", 2, 2),
            ("upsample_bicubic2d", 32, 0),  # sixteen products and their sums
            ("silu gelu mish", 3, 1),
            ("softmax log_softmax", 4, 1),
            ("layer_norm group_norm instance_norm", 6, 0),
            ("rms_norm", 4, 0),
            ("local_response_norm", 8, 2),
        ],
    )
    def test_operations_of_an_element(self, kinds: str, simple: int, transcendental: int) -> None:
        expected = Operations(simple=simple * 144, transcendental=transcendental * 144)
        for kind in kinds.split():
            assert operations(operator("x", kind), "mine") == expected, kind

    @pytest.mark.parametrize(
        ("exponent", "products"),
        [(3, 2), (4, 2), (5, 3), (7, 4), (8, 3), (15, 6), (16, 4), (99, 9)],
    )
    def test_whole_powers_are_products(self, exponent: int, products: int) -> None:
        """Square, and multiply where a bit of the exponent is set."""
        layer = operator("x", f"pow{exponent}")
        assert operations(layer, "mine") == Operations(simple=products * 144)
        assert is_pointwise(layer.kind)

    @pytest.mark.parametrize("kind", ["sort", "topk", "median"])
    def test_sorting_compares_in_every_level_of_a_tree(self, kind: str) -> None:
        layer = operator("x", kind, input_shapes=((1, 5),), output_shape=(1, 2))
        assert operations(layer, "mine") == Operations(simple=5 * 3)

    def test_a_bag_of_embeddings_adds_what_it_looks_up(self) -> None:
        bag = {"input_shapes": ((6,),), "output_shape": (2, 8)}
        assert operations(operator("x", "embedding_bag", **bag), "mine").simple == 6 * 8
        weighted = operations(operator("x", "embedding_bag", macs=48, **bag), "mine")
        assert weighted == Operations(linear_macs=48)

    def test_a_system_can_price_an_operator(self) -> None:
        own = {"fft_r2c": OperatorPrice(simple=17.5, transcendental=0.5, source="measured")}
        layer = operator("x", "fft_r2c", output_shape=(1, 4))
        assert operations(layer, "mine", own) == Operations(simple=70, transcendental=2)

    def test_pointwise_functions_read_one_element_of_each_operand(self) -> None:
        assert all(map(is_pointwise, ("gelu", "add", "pow3", "batch_norm", "clamp_min")))
        others = ("softmax", "cat", "mean", "layer_norm", "linear", "copy", "pow1", "glu", "index")
        assert not any(map(is_pointwise, others))

    @pytest.mark.parametrize(
        ("layer", "is_one"),
        [
            (operator("x", "gelu"), True),
            (operator("x", "tanh"), True),
            (operator("x", "mul", "a", "b"), False),
            (operator("x", "softmax"), False),
            (operator("x", "batch_norm"), False),
            (operator("x", "mul", weight_count=4), False),
        ],
    )
    def test_a_table_holds_a_function_of_one_element(self, layer: Layer, is_one: bool) -> None:
        assert is_looked_up(layer) == is_one

    def test_what_is_appended_to_a_cache_leaves_it_in_place(self) -> None:
        """A network's input that is joined to what it computed is a cache; otherwise it is an input."""
        shapes = {"input_shapes": ((1, 9, 4), (1, 1, 4)), "output_shape": (1, 10, 4)}
        append = operator("x", "cat", INPUT, "key", **shapes)
        assert (cached_elements(append), appended_elements(append)) == (36, 4)
        assert operations(append, "mine") == Operations(simple=4)
        of_inputs = operator("x", "cat", INPUT, INPUT, **shapes)
        assert (cached_elements(of_inputs), appended_elements(of_inputs)) == (0, 40)
        product = operator("x", "matmul", "query", INPUT, **shapes, macs=7)
        assert (cached_elements(product), appended_elements(product)) == (4, 40)
        assert cached_elements(operator("x", "add", "key", INPUT)) == 0

    def test_scales_of_attention_are_part_of_its_product(self) -> None:
        scale, product = operator("scale", "mul", "x"), operator("p", "matmul", "scale", "y")
        other = operator("other", "relu", "scale")
        x, y = operator("x", "relu"), operator("y", "relu")
        assert folded_scales(network(x, y, scale, product)) == {"scale"}
        assert folded_scales(network(x, y, scale, product, other)) == frozenset()
        by_weights = operator("scale", "mul", "x", bias_count=0, weight_count=4)
        assert folded_scales(network(x, y, by_weights, product)) == frozenset()

    @pytest.mark.parametrize("axes", [1, 2, 3])
    def test_kinds_of_every_number_of_axes(self, axes: int) -> None:
        for name, field in (
            ("conv", "convolution_macs"),
            ("conv_transpose", "convolution_macs"),
            ("depthwise_conv", "sparse_macs"),
            ("grouped_conv_transpose", "sparse_macs"),
        ):
            layer = operator("x", f"{name}{axes}d", macs=7)
            assert operations(layer, "mine") == Operations(**{field: 7})
        for name in ("max_pool", "avg_pool"):
            layer = operator("x", f"{name}{axes}d", kernel=(2,) * axes)
            assert operations(layer, "mine") == Operations(simple=144 * 2**axes)

    def test_reductions_read_everything(self) -> None:
        for kind in ("sum", "amax", "argmin", "cumsum", "linalg_vector_norm"):
            layer = operator("x", kind, output_shape=(1, 4))
            assert operations(layer, "mine") == Operations(simple=144), kind
        for kind in ("var", "std", "var_mean"):
            layer = operator("x", kind, output_shape=(1, 4))
            assert operations(layer, "mine") == Operations(simple=3 * 144), kind

    @pytest.mark.parametrize("kind", ["conv1d", "conv_transpose2d", "depthwise_conv2d", "linear"])
    def test_norms_are_folded_into_layers_with_weights(self, kind: str) -> None:
        chain = (operator("first", kind), operator("norm", "batch_norm", "first"))
        assert folded_norms(network(*chain)) == {"norm"}
        other = (operator("first", kind), operator("norm", "layer_norm", "first"))
        assert folded_norms(network(*other)) == frozenset()

    def test_an_operator_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(
            InputError,
            match=r"mine: layer 'x': unknown operator 'rellu' \(did you mean 'relu'\?\);",
        ):
            operations(operator("x", "rellu"), "mine")

    def test_dropout_that_is_on_in_evaluation_is_called_that(self) -> None:
        with pytest.raises(
            InputError, match=r"dropout that is on in .*training=self.training\) are"
        ):
            operations(operator("x", "native_dropout"), "mine")

    def test_the_message_says_how_to_price_an_operator(self) -> None:
        with pytest.raises(InputError) as caught:
            operations(operator("x", "fft_r2c"), "system 'imc-cluster'")
        assert str(caught.value) == (
            "system 'imc-cluster': layer 'x': unknown operator 'fft_r2c'; to price it, add a table "
            "[operators.fft_r2c] to the system's file, with the `simple` and `transcendental` "
            "operations of an element of its result"
        )

    @pytest.mark.parametrize(
        "kind",
        [
            "bilinear",
            "conv2d",
            "grouped_conv_transpose1d",
            "avg_pool3d",
            "argmax",
            "std",
            "softmax",
        ],
    )
    def test_of_every_sort_the_nearest_operator_is_named(self, kind: str) -> None:
        with pytest.raises(InputError, match=f"did you mean '{kind}'"):
            operations(operator("x", f"{kind}_"), "mine")

    def test_norms_are_folded_into_the_only_layer_that_they_read(self) -> None:
        chain = (convolution("conv"), operator("norm", "batch_norm", "conv"))
        assert folded_norms(network(*chain)) == {"norm"}
        assert folded_norms(network(*chain, operator("also", "relu", "conv"))) == frozenset()
        pool = operator("pool", "max_pool2d")
        assert folded_norms(network(pool, operator("norm", "batch_norm", "pool"))) == frozenset()
        twice = operator("add", "add", "conv", "conv")
        assert folded_norms(network(convolution("conv"), twice)) == frozenset()
