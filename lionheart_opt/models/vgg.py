"""VGG-16 for CIFAR: 13 convolutions and one linear layer."""

from __future__ import annotations

from torch import nn

#: Widths of the convolutions of the five stages (Simonyan and Zisserman, ICLR 2015, column D).
_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(n_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """14 mappable layers, 14,715,584 weights (LionHeart's Table I); needs 32x32 images."""
    model = nn.Sequential()
    width = in_channels
    for stage, widths in enumerate(_STAGES, start=1):
        for k, channels in enumerate(widths, start=1):
            name = f"{stage}_{k}"
            model.add_module(f"conv{name}", nn.Conv2d(width, channels, 3, padding=1, bias=False))
            model.add_module(f"bn{name}", nn.BatchNorm2d(channels))
            model.add_module(f"relu{name}", nn.ReLU())
            width = channels
        model.add_module(f"pool{stage}", nn.MaxPool2d(2))
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(width, n_classes))
    return model
