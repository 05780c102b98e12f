"""The zoo has the networks that the papers measured, and takes the user's own."""

import json
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

from lionheart_opt import models
from lionheart_opt.errors import InputError
from lionheart_opt.tracing import trace, trace_model

DIGESTS = json.loads((Path(__file__).parents[1] / "golden" / "digests.json").read_text())


def test_every_network_of_the_zoo_has_a_recorded_digest() -> None:
    assert DIGESTS["workloads"].keys() == models.available().keys()


@pytest.mark.parametrize("name", DIGESTS["workloads"])
def test_digests_of_workloads_have_not_changed(name: str) -> None:
    """Recorded searches are resumed only where the digest of their workload is the recorded one."""
    workload = trace_model(name)
    assert workload.digest == DIGESTS["workloads"][name]
    again = pickle.loads(pickle.dumps(workload))
    assert again == workload and again.digest == workload.digest


@pytest.mark.parametrize(
    "name, n_classes, mappable, weights",
    [
        ("resnet8", 10, 10, 77_360),
        ("resnet20", 10, 20, 268_336),
        ("mobilenet", 10, 15, 3_195_328),
        ("vgg16", 10, 14, 14_715_584),
        ("vgg16", 100, 14, 14_761_664),
        ("alexnet", 10, 7, 15_378_112),
        ("alexnet", 100, 7, 15_562_432),
    ],
)
def test_table_1_of_lionheart(name: str, n_classes: int, mappable: int, weights: int) -> None:
    """Lammie et al. 2025, Table I. Its other three counts for 100 classes contradict those for 10:
    they are not those of a larger last layer."""
    workload = trace_model(name, n_classes=n_classes)
    assert len(workload.crossbar_units) == mappable
    assert workload.weight_count == weights


@pytest.mark.parametrize("name", ["resnet8", "resnet20", "mobilenet"])
def test_more_classes_only_widen_the_last_layer(name: str) -> None:
    ten, hundred = trace_model(name), trace_model(name, n_classes=100)
    features = ten.layer("fc").input_count
    assert hundred.weight_count - ten.weight_count == 90 * features
    assert [unit.name for unit in hundred.units] == [unit.name for unit in ten.units]


def test_depthwise_convolutions_are_units_that_no_crossbar_runs() -> None:
    workload = trace_model("mobilenet")
    depthwise = [layer for layer in workload.layers if layer.kind == "depthwise_conv2d"]
    assert len(depthwise) == 13
    assert all(layer.mvm is None and workload.unit_of[layer.name] for layer in depthwise)


@pytest.mark.parametrize("name", ["resnet8", "resnet20", "mobilenet", "vgg16", "alexnet"])
def test_cifar_networks_have_batch_norm_and_no_bias_behind_convolutions(name: str) -> None:
    modules = models.build(name).modules()
    biases = [module.bias for module in modules if isinstance(module, nn.Conv2d)]
    assert biases == [None] * len(biases) != []
    workload = trace_model(name)
    kinds = {layer.name: layer.kind for layer in workload.layers}
    readers = [edge.layer.kind for edge in workload.edges if "conv2d" in kinds.get(edge.source, "")]
    assert readers == ["batch_norm"] * len(biases)


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


def test_resnet18_has_the_names_and_the_size_of_the_original() -> None:
    state = models.build("resnet18").state_dict()
    assert {"conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias", "fc.bias"} <= set(
        state
    )
    assert sum(p.numel() for p in models.build("resnet18").parameters()) == 11_689_512
    workload = trace_model("resnet18")
    assert workload.layer("layer1.0.conv1").input_shapes == ((1, 64, 64, 64),)
    assert workload.layer("layer4.1.conv2").output_shape == (1, 512, 8, 8)
    assert workload.macs == pytest.approx(2.37e9, rel=2e-3)


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


def test_alpine_perceptron() -> None:
    workload = trace_model("mlp")
    assert [layer.kind for layer in workload.layers] == ["linear", "relu"] * 2
    assert workload.macs == workload.weight_count == 2 * 1024**2


@pytest.mark.parametrize(
    "name", ["digits_cnn", "resnet8", "resnet20", "mobilenet", "alexnet", "vgg16"]
)
def test_networks_run_and_train(name: str) -> None:
    model = models.build(name, n_classes=7)
    images = torch.randn(2, *models.input_shape(name))
    logits = model(images)
    assert logits.shape == (2, 7)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_shapes_of_the_zoo_are_traced_as_running_networks_are() -> None:
    """The zoo is traced without values; that must not change a digit of what is recorded."""
    for name in ("digits_cnn", "resnet20", "mobilenet"):
        example = torch.randn(1, *models.input_shape(name))
        assert trace(models.build(name), example, name) == trace_model(name)


def test_images_of_one_channel() -> None:
    workload = trace_model("resnet8", input_shape=(1, 28, 28), in_channels=1)
    assert workload.weight_count == 77_360 - 2 * 9 * 16


def test_digits_network_is_a_mapping_problem_of_eight_units() -> None:
    workload = trace_model("digits_cnn")
    macs = [workload.unit_macs(unit) for unit in workload.crossbar_units]
    assert len(macs) == 8 and max(macs) > 100 * min(macs)


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys; from lionheart_opt import models; models.available(); "
        "print('torch' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "False"


def own_network(width: int = 3) -> nn.Module:
    return nn.Linear(width, width)


def no_network() -> int:
    return 3


five_wide = partial(own_network, width=5)

OWN = f"{__name__}:own_network"


def test_own_network() -> None:
    assert isinstance(models.build(OWN, width=5), nn.Linear)
    assert trace_model(OWN, (5,), width=5).macs == 25
    assert isinstance(models.build(f"{__name__}:five_wide"), nn.Linear)


@pytest.mark.parametrize(
    "name, arguments, message",
    [
        ("resnet9", {}, r"unknown model 'resnet9' \(did you mean 'resnet8'"),
        ("resnet8", {"classes": 3}, r"'resnet8': unknown argument 'classes' .*mean 'n_classes'"),
        ("no_such_package:factory", {}, "no module 'no_such_package'"),
        ("math:factory", {}, "unknown attribute 'factory'"),
        (f"{__name__}:no_network", {}, "got a int; must be a torch.nn.Module"),
        (f"{__name__}:own_network", {"n": 3}, "unknown argument 'n'; allowed: width"),
    ],
)  # fmt: skip
def test_bad_names_and_arguments(name: str, arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        models.build(name, **arguments)


def test_the_input_of_an_own_network_must_be_given() -> None:
    with pytest.raises(InputError, match="its input shape is not known; give input_shape"):
        trace_model(OWN)
