"""AlexNet of 3x3 convolutions for CIFAR."""

from __future__ import annotations

from torch import nn


def alexnet(n_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """7 mappable layers, 15,378,112 weights; needs 32x32 images.

    LionHeart gives only the name of the network. Its Table I determines the widths and the 5x5 map before
    the linear layers. How 32x32 becomes 5x5 is our reading: as in the original, overlapping 3x3 pools of
    stride 2 and convolutions without padding in front of them, but no third pool.
    """
    model = nn.Sequential()
    width = in_channels
    shape = ((64, 0, True), (192, 0, True), (384, 1, False), (256, 1, False), (256, 1, False))
    for number, (channels, padding, has_pool) in enumerate(shape, start=1):
        convolution = nn.Conv2d(width, channels, 3, padding=padding, bias=False)
        model.add_module(f"conv{number}", convolution)
        model.add_module(f"bn{number}", nn.BatchNorm2d(channels))
        model.add_module(f"relu{number}", nn.ReLU())
        if has_pool:
            model.add_module(f"pool{number}", nn.MaxPool2d(3, stride=2))
        width = channels
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc1", nn.Linear(width * 5 * 5, 2048))
    model.add_module("relu6", nn.ReLU())
    model.add_module("dropout", nn.Dropout())
    model.add_module("fc2", nn.Linear(2048, n_classes))
    return model
