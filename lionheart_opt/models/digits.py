"""A small residual network for 8x8 digits: seconds to train on a laptop, and a real mapping problem."""

from __future__ import annotations

from torch import nn

from lionheart_opt.models.resnet import BasicBlock, projection


def digits_cnn(n_classes: int = 10, in_channels: int = 1, width: int = 8) -> nn.Module:
    """Stem, two residual blocks, linear layer: 7 mappable layers, 135,840 MACs.

    MACs do not tell what noise in a layer does to the result: `block2.conv2` has as many as the two
    convolutions of `block1` but, after training, a small part of their sensitivity.

    Args:
        n_classes: outputs.
        in_channels: 1 for grey images.
        width: channels of the first block; the second has twice as many.
    """
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(in_channels, width, 3, padding=1, bias=False))
    model.add_module("bn", nn.BatchNorm2d(width))
    model.add_module("relu", nn.ReLU())
    model.add_module("block1", BasicBlock(width, width, 1, projection))
    model.add_module("block2", BasicBlock(width, 2 * width, 2, projection))
    model.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(2 * width, n_classes))
    return model
