"""MobileNet V1: the counts of LionHeart's Table I."""

from lionheart_opt.tracing import trace_model


def test_depthwise_convolutions_are_units_that_no_crossbar_runs() -> None:
    workload = trace_model("mobilenet")
    depthwise = [layer for layer in workload.layers if layer.kind == "depthwise_conv2d"]
    assert len(depthwise) == 13
    assert all(layer.mvm is None and workload.unit_of[layer.name] for layer in depthwise)


def test_table_1_of_lionheart() -> None:
    """Lammie et al. 2025, Table I."""
    workload = trace_model("mobilenet")
    assert len(workload.crossbar_units) == 15
    assert workload.weight_count == 3_195_328


def test_the_maps_shrink_four_times() -> None:
    """32x32 images become 2x2 maps of 1024 channels: the first convolution keeps the resolution."""
    workload = trace_model("mobilenet")
    assert workload.layer("conv1").output_shape == (1, 32, 32, 32)
    assert workload.layer("block13.pointwise").output_shape == (1, 1024, 2, 2)
