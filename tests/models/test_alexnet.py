"""AlexNet: the counts of LionHeart's Table I."""

import pytest

from lionheart_opt.tracing import trace_model


@pytest.mark.parametrize(("n_classes", "weights"), [(10, 15_378_112), (100, 15_562_432)])
def test_table_1_of_lionheart(n_classes: int, weights: int) -> None:
    """Lammie et al. 2025, Table I."""
    workload = trace_model("alexnet", n_classes=n_classes)
    assert len(workload.crossbar_units) == 7
    assert workload.weight_count == weights


def test_32x32_images_become_5x5_maps_by_two_pools() -> None:
    workload = trace_model("alexnet")
    pools = [layer.name for layer in workload.layers if layer.kind == "max_pool2d"]
    assert pools == ["pool1", "pool2"]
    assert workload.layer("conv5").output_shape == (1, 256, 5, 5)
    assert workload.layer("fc1").input_count == 256 * 5 * 5
