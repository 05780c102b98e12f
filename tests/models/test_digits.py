"""The network for digits."""

from lionheart_opt.tracing import trace_model


def test_digits_network_is_a_mapping_problem_of_eight_units() -> None:
    workload = trace_model("digits_cnn")
    macs = [workload.unit_macs(unit) for unit in workload.crossbar_units]
    assert len(macs) == 8 and max(macs) > 100 * min(macs)


def test_width_and_embedding() -> None:
    workload = trace_model("digits_cnn", n_classes=4, width=6, embedding=2)
    assert workload.layer("stem").output_shape == (1, 6, 8, 8)
    assert workload.layer("block2.conv2").output_shape == (1, 12, 4, 4)
    assert workload.layer("embed").output_shape == (1, 2)
    assert workload.layer("fc").output_shape == (1, 4)
