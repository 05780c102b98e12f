"""CNN-F, CNN-M and CNN-S: weights and maps of ALPINE's networks."""

import pytest
import torch

from lionheart_opt import models
from lionheart_opt.tracing import trace_model


@pytest.mark.parametrize(
    "name, convolutions, norms", [("cnn_f", 2.2e6, 2), ("cnn_m", 6.5e6, 2), ("cnn_s", 6.5e6, 1)]
)
def test_alpine_networks(name: str, convolutions: float, norms: int) -> None:
    workload = trace_model(name)
    units = [layer for layer in workload.layers if layer.mvm]
    assert [layer.kind for layer in units] == ["conv2d"] * 5 + ["linear"] * 3
    weights = sum(layer.weight_count for layer in units[:5])
    assert weights == pytest.approx(convolutions, rel=0.02)
    assert [layer.weight_count for layer in units[6:]] == [4096 * 4096, 4096 * 1000]
    kinds = [layer.kind for layer in workload.layers]
    assert kinds.count("local_response_norm") == norms and kinds[-1] == "softmax"
    assert kinds.count("relu") == 7 and kinds.count("max_pool2d") == 3


@pytest.mark.parametrize(
    ("name", "side", "inputs"),
    [("cnn_f", 54, 256 * 6 * 6), ("cnn_m", 109, 512 * 13 * 13), ("cnn_s", 109, 512 * 5 * 5)],
)
def test_maps_by_hand(name: str, side: int, inputs: int) -> None:
    """CNN-F: (224 - 11) / 4 + 1 = 54, pooled 27, 5x5 with padding 1: 25, pooled 12, pooled 6."""
    workload = trace_model(name)
    assert workload.layer("conv1").output_shape[2:] == (side, side)
    assert workload.layer("fc6").input_count == inputs


def test_the_softmax_is_part_of_the_network() -> None:
    model = models.build("cnn_s", n_classes=3).eval()
    with torch.no_grad():
        probabilities = model(torch.randn(1, 3, 224, 224))
    assert probabilities.shape == (1, 3)
    assert probabilities.sum().item() == pytest.approx(1.0)
