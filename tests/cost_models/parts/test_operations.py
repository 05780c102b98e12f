"""Arithmetic of operators on a processor, and norms that are folded."""

from __future__ import annotations

import pytest
from small_networks import convolution, network, operator

from lionheart_opt.cost_models.parts.operations import Operations, folded_norms, operations
from lionheart_opt.errors import InputError
from lionheart_opt.workload import Layer


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
