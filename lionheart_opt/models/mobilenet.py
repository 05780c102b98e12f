"""The "MobileNet" of LionHeart's Table I: the shape of MobileNet V1, for CIFAR."""

from __future__ import annotations

from torch import nn

#: Output channels and stride of the 13 separable blocks (Howard et al., 2017, Table 1). The paper does
#: not give the strides for 32x32 images; as usual for them, the first convolution keeps the resolution.
_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
)  # fmt: skip


def _separable(in_channels: int, channels: int, stride: int) -> nn.Module:
    block = nn.Sequential()
    block.add_module(
        "depthwise",
        nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
    )
    block.add_module("bn1", nn.BatchNorm2d(in_channels))
    block.add_module("relu1", nn.ReLU())
    block.add_module("pointwise", nn.Conv2d(in_channels, channels, 1, bias=False))
    block.add_module("bn2", nn.BatchNorm2d(channels))
    block.add_module("relu2", nn.ReLU())
    return block


def mobilenet(n_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """15 mappable layers and 13 depthwise ones, which are not mappable; 3,195,328 weights together."""
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(in_channels, 32, 3, padding=1, bias=False))
    model.add_module("bn1", nn.BatchNorm2d(32))
    model.add_module("relu", nn.ReLU())
    width = 32
    for number, (channels, stride) in enumerate(_BLOCKS, start=1):
        model.add_module(f"block{number}", _separable(width, channels, stride))
        width = channels
    model.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(width, n_classes))
    return model
