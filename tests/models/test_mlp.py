"""ALPINE's perceptron."""

from lionheart_opt.tracing import trace_model


def test_alpine_perceptron() -> None:
    workload = trace_model("mlp")
    assert [layer.kind for layer in workload.layers] == ["linear", "relu"] * 2
    assert workload.macs == workload.weight_count == 2 * 1024**2


def test_another_width() -> None:
    workload = trace_model("mlp", (5,), width=5)
    assert [layer.weight_count for layer in workload.layers if layer.mvm] == [25, 25]
