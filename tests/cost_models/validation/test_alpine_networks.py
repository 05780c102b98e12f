"""The networks of ALPINE's paper."""

import pytest

from lionheart_opt.cost_models.validation.alpine_networks import (
    CHATFIELD_NETWORKS,
    chatfield,
    lstm,
    perceptron,
)


def test_networks_have_the_printed_sizes() -> None:
    """Table II counts cell and dense layer with biases, which the tiles do not hold."""
    for hidden, printed in ((256, 377.3e3), (512, 1.28e6), (750, 2.6e6)):
        assert lstm(hidden).weight_count == pytest.approx(printed, rel=0.15)
    assert perceptron(2).weight_count == perceptron().weight_count == 2 * 1024**2
    convolutions = {
        name: sum(layer.weight_count for layer in chatfield(name).layers if layer.kind == "conv2d")
        for name in CHATFIELD_NETWORKS
    }
    for name, printed in (("CNN-F", 2.2e6), ("CNN-M", 6.5e6), ("CNN-S", 6.5e6)):
        assert convolutions[name] == pytest.approx(printed, rel=0.03)
