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


@pytest.mark.parametrize("name", ["resnet8", "resnet20", "mobilenet"])
def test_more_classes_only_widen_the_last_layer(name: str) -> None:
    ten, hundred = trace_model(name), trace_model(name, n_classes=100)
    features = ten.layer("fc").input_count
    assert hundred.weight_count - ten.weight_count == 90 * features
    assert [unit.name for unit in hundred.units] == [unit.name for unit in ten.units]


@pytest.mark.parametrize("name", ["resnet8", "resnet20", "mobilenet", "vgg16", "alexnet"])
def test_cifar_networks_have_batch_norm_and_no_bias_behind_convolutions(name: str) -> None:
    modules = models.build(name).modules()
    biases = [module.bias for module in modules if isinstance(module, nn.Conv2d)]
    assert biases == [None] * len(biases) != []
    workload = trace_model(name)
    kinds = {layer.name: layer.kind for layer in workload.layers}
    readers = [edge.layer.kind for edge in workload.edges if "conv2d" in kinds.get(edge.source, "")]
    assert readers == ["batch_norm"] * len(biases)


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
