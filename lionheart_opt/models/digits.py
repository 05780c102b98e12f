"""A small residual network for 8x8 digits: trained in seconds, and still a real mapping problem."""

from __future__ import annotations

from torch import nn

from lionheart_opt.models.resnet import BasicBlock, projection


def digits_cnn(
    n_classes: int = 10, in_channels: int = 1, width: int = 28, embedding: int = 3
) -> nn.Module:
    """Stem, two residual blocks, a narrow embedding, linear layer: 8 mappable layers.

    MACs, gain and sensitivity are at odds. The 3x3 convolutions of the blocks hold nearly all MACs and
    average noise out over their 252 rows or more. The stem and the shortcut are small enough to be slower
    on a tile. The last layer decides from the few numbers of the embedding, so that noise in it costs
    accuracy while running it digitally costs next to nothing.

    Args:
        n_classes: Number of outputs.
        in_channels: Channels of an image; 1 for grey images.
        width: Channels of the first block; the second has twice as many.
        embedding: How many numbers an image is reduced to before it is classified.
    """
    model = nn.Sequential()
    model.add_module("stem", nn.Conv2d(in_channels, width, 3, padding=1, bias=False))
    model.add_module("bn", nn.BatchNorm2d(width))
    model.add_module("relu", nn.ReLU())
    model.add_module("block1", BasicBlock(width, width, 1, projection))
    model.add_module("block2", BasicBlock(width, 2 * width, 2, projection))
    model.add_module("avgpool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    model.add_module("embed", nn.Linear(2 * width, embedding))
    model.add_module("fc", nn.Linear(embedding, n_classes))
    return model
