"""VGG-16: the counts of LionHeart's Table I."""

import pytest

from lionheart_opt.tracing import trace_model


@pytest.mark.parametrize(("n_classes", "weights"), [(10, 14_715_584), (100, 14_761_664)])
def test_table_1_of_lionheart(n_classes: int, weights: int) -> None:
    """Lammie et al. 2025, Table I."""
    workload = trace_model("vgg16", n_classes=n_classes)
    assert len(workload.crossbar_units) == 14
    assert workload.weight_count == weights


def test_each_stage_ends_with_a_pool() -> None:
    """Column D of Simonyan and Zisserman, 2014: 2, 2, 3, 3 and 3 convolutions."""
    workload = trace_model("vgg16")
    convolutions = [layer.name for layer in workload.layers if layer.kind == "conv2d"]
    assert [name.split("_")[0] for name in convolutions] == [
        *["conv1"] * 2,
        *["conv2"] * 2,
        *["conv3"] * 3,
        *["conv4"] * 3,
        *["conv5"] * 3,
    ]
    assert workload.layer("pool5").output_shape == (1, 512, 1, 1)
    assert workload.layer("fc").input_count == 512
