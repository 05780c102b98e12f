"""MobileNetV2: takes the official weights and costs what its paper says."""

from lionheart_opt import models
from lionheart_opt.tracing import trace_model


def test_mobilenet_v2_takes_the_official_weight_file() -> None:
    """Its keys, as torchvision's MobileNetV2 for ImageNet has them."""
    model = models.build("mobilenet_v2")
    state = model.state_dict()
    assert len(state) == 314
    assert sum(parameter.numel() for parameter in model.parameters()) == 3_504_872
    shapes = {
        "features.0.0.weight": (32, 3, 3, 3),
        "features.0.1.running_var": (32,),
        "features.1.conv.0.0.weight": (32, 1, 3, 3),
        "features.1.conv.1.weight": (16, 32, 1, 1),
        "features.1.conv.2.num_batches_tracked": (),
        "features.2.conv.0.0.weight": (96, 16, 1, 1),
        "features.2.conv.1.0.weight": (96, 1, 3, 3),
        "features.2.conv.2.weight": (24, 96, 1, 1),
        "features.2.conv.3.bias": (24,),
        "features.17.conv.2.weight": (320, 960, 1, 1),
        "features.18.0.weight": (1280, 320, 1, 1),
        "classifier.1.weight": (1000, 1280),
    }
    assert {key: tuple(state[key].shape) for key in shapes} == shapes
    workload = trace_model("mobilenet_v2")
    assert len(workload.units) == 53 and len(workload.crossbar_units) == 36
    assert workload.macs == 300_774_272  # the "300 M" of the paper
    assert sum(layer.kind == "add" for layer in workload.layers) == 10
    assert sum(layer.kind == "relu6" for layer in workload.layers) == 35
