"""ResNets: the counts of the papers, names of the original, shortcuts by hand."""

import pytest
import torch
from torch import nn

from lionheart_opt import models
from lionheart_opt.models.resnet import BasicBlock, SubsampleAndPad, projection
from lionheart_opt.tracing import trace_model


@pytest.mark.parametrize(
    ("name", "n_classes", "mappable", "weights"),
    [
        ("resnet8", 10, 10, 77_360),
        ("resnet20", 10, 20, 268_336),
    ],
)
def test_table_1_of_lionheart(name: str, n_classes: int, mappable: int, weights: int) -> None:
    """Lammie et al. 2025, Table I. Its counts for 100 classes contradict those for 10:
    they are not those of a larger last layer."""
    workload = trace_model(name, n_classes=n_classes)
    assert len(workload.crossbar_units) == mappable
    assert workload.weight_count == weights


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


def test_images_of_one_channel() -> None:
    workload = trace_model("resnet8", input_shape=(1, 28, 28), in_channels=1)
    assert workload.weight_count == 77_360 - 2 * 9 * 16


def test_the_shortcut_without_weights_keeps_every_second_pixel_between_zeros() -> None:
    """One channel of 4x4 pixels becomes the second of three channels of 2x2 pixels."""
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    result = SubsampleAndPad(1, 3, stride=2)(image)
    assert result.shape == (1, 3, 2, 2)
    assert result[0, 1].tolist() == [[0.0, 2.0], [8.0, 10.0]]
    assert not result[0, 0].any() and not result[0, 2].any()


def test_an_odd_number_of_new_channels_has_the_larger_half_behind() -> None:
    shortcut = SubsampleAndPad(2, 5, stride=1)
    assert (shortcut.before, shortcut.after) == (1, 2)


@pytest.mark.parametrize(
    ("in_channels", "channels", "stride", "has_shortcut"),
    [(4, 4, 1, False), (4, 4, 2, True), (4, 8, 1, True)],
)
def test_only_blocks_that_change_the_shape_need_a_shortcut(
    in_channels: int, channels: int, stride: int, has_shortcut: bool
) -> None:
    block = BasicBlock(in_channels, channels, stride, projection)
    assert isinstance(block.downsample, nn.Identity) != has_shortcut
    side = 6 // stride
    assert block(torch.randn(2, in_channels, 6, 6)).shape == (2, channels, side, side)


def test_a_block_whose_convolutions_give_zero_is_the_rectified_input() -> None:
    block = BasicBlock(1, 1, 1, projection).eval()
    nn.init.zeros_(block.conv2.weight)
    image = torch.tensor([[[[-1.0, 2.0], [3.0, -4.0]]]])
    assert block(image).tolist() == [[[[0.0, 2.0], [3.0, 0.0]]]]
