"""CNN-F, CNN-M and CNN-S as ALPINE runs them (Klein et al., IEEE TC 2023, section IX).

The networks are those of Chatfield et al. (BMVC 2014) with the changes that ALPINE prints, which are the
padding and, for CNN-M, the stride of the second convolution. It prints the factor by which a pool shrinks
a map, not its window; here the two are equal. The softmax at the end is part of the measured networks.
"""

from __future__ import annotations

from torch import nn


def _network(
    first: tuple[int, int, int], widths: tuple[int, int], pools: tuple[int, int, int],
    has_second_norm: bool, n_classes: int,
) -> nn.Module:  # fmt: skip
    """Five convolutions and three dense layers on 224x224 images.

    Args:
        first: Channels, kernel size and stride of the first convolution.
        widths: Channels of the second, and of the third to fifth convolution.
        pools: Factors of the pools behind the first, second and fifth convolution.
        has_second_norm: Whether a local response norm follows the second pool as well.
        n_classes: Number of outputs.
    """
    channels, kernel, stride = first
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(3, channels, kernel, stride))
    model.add_module("relu1", nn.ReLU())
    model.add_module("pool1", nn.MaxPool2d(pools[0]))
    model.add_module("norm1", nn.LocalResponseNorm(5))
    model.add_module("conv2", nn.Conv2d(channels, widths[0], 5, padding=1))
    model.add_module("relu2", nn.ReLU())
    model.add_module("pool2", nn.MaxPool2d(pools[1]))
    if has_second_norm:
        model.add_module("norm2", nn.LocalResponseNorm(5))
    channels = widths[0]
    for number in (3, 4, 5):
        model.add_module(f"conv{number}", nn.Conv2d(channels, widths[1], 3, padding=1))
        model.add_module(f"relu{number}", nn.ReLU())
        channels = widths[1]
    model.add_module("pool5", nn.MaxPool2d(pools[2]))
    model.add_module("flatten", nn.Flatten())
    side = (224 - kernel) // stride + 1
    side = ((side // pools[0] - 2) // pools[1]) // pools[2]
    model.add_module("fc6", nn.Linear(channels * side * side, 4096))
    model.add_module("relu6", nn.ReLU())
    model.add_module("fc7", nn.Linear(4096, 4096))
    model.add_module("relu7", nn.ReLU())
    model.add_module("fc8", nn.Linear(4096, n_classes))
    model.add_module("softmax", nn.Softmax(dim=1))
    return model


def cnn_f(n_classes: int = 1000) -> nn.Module:
    """The fast one: an 11x11 first convolution of stride 4."""
    return _network((64, 11, 4), (256, 256), (2, 2, 2), True, n_classes)


def cnn_m(n_classes: int = 1000) -> nn.Module:
    """The medium one: a 7x7 first convolution of stride 2."""
    return _network((96, 7, 2), (256, 512), (2, 2, 2), True, n_classes)


def cnn_s(n_classes: int = 1000) -> nn.Module:
    """The slow one: as CNN-M, with wider pools and one norm."""
    return _network((96, 7, 2), (256, 512), (3, 2, 3), False, n_classes)
