"""ResNet8 and ResNet20 for CIFAR, ResNet-18 for ImageNet."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

#: Function of input channels, output channels and stride that returns the residual path of a block.
Shortcut = Callable[[int, int, int], nn.Module]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions, added to the input (He et al., CVPR 2016, fig. 5 left)."""

    def __init__(self, in_channels: int, channels: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        is_same = stride == 1 and in_channels == channels
        self.downsample = nn.Identity() if is_same else shortcut(in_channels, channels, stride)

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps of shape (n, in_channels, h, w) -> (n, channels, h / stride, w / stride)."""
        hidden = self.relu(self.bn1(self.conv1(images)))
        result: Tensor = self.relu(self.bn2(self.conv2(hidden)) + self.downsample(images))
        return result


class SubsampleAndPad(nn.Module):
    """Shortcut without weights: every second pixel, new channels zero (option A of He et al.)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (channels - in_channels) // 2
        self.after = channels - in_channels - self.before

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps of shape (n, in_channels, h, w) -> (n, channels, h / stride, w / stride)."""
        kept = images[:, :, :: self.stride, :: self.stride]
        return functional.pad(kept, (0, 0, 0, 0, self.before, self.after))


def projection(in_channels: int, channels: int, stride: int) -> nn.Module:
    """Shortcut by a 1x1 convolution (option B of He et al.)."""
    convolution = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels))


class ResNet(nn.Module):
    """Stages of basic blocks; every stage but the first halves height and width.

    Modules have torchvision's names, so that `resnet18` takes its weights.

    Args:
        stem: Modules from the image to the first stage; their names become names of the network.
        widths: Channels of each stage.
        n_blocks: Number of blocks of each stage.
        shortcut: Makes the shortcut of blocks that change the shape.
        n_classes: Number of outputs.
    """

    def __init__(
        self,
        stem: dict[str, nn.Module],
        widths: tuple[int, ...],
        n_blocks: int,
        shortcut: Shortcut,
        n_classes: int,
    ) -> None:
        super().__init__()
        self._stem_and_stages = list(stem)
        for name, module in stem.items():
            self.add_module(name, module)
        in_channels = widths[0]
        for number, channels in enumerate(widths, start=1):
            stage = nn.Sequential()
            for k in range(n_blocks):
                stride = 2 if k == 0 and number > 1 else 1
                stage.append(BasicBlock(in_channels, channels, stride, shortcut))
                in_channels = channels
            self.add_module(f"layer{number}", stage)
            self._stem_and_stages.append(f"layer{number}")
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(in_channels, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images of shape (n, channels, height, width) -> logits of shape (n, n_classes)."""
        for name in self._stem_and_stages:
            images = self.get_submodule(name)(images)
        logits: Tensor = self.fc(self.avgpool(images).flatten(1))
        return logits


def _small_stem(in_channels: int) -> dict[str, nn.Module]:
    return {
        "conv1": nn.Conv2d(in_channels, 16, 3, padding=1, bias=False),
        "bn1": nn.BatchNorm2d(16),
        "relu": nn.ReLU(),
    }


def resnet8(n_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """Three stages of one block, with projections: 10 mappable layers, 77,360 weights.

    The shape is that of MLPerf Tiny (Banbury et al., NeurIPS 2021), which has exactly the numbers of
    LionHeart's Table I.
    """
    return ResNet(_small_stem(in_channels), (16, 32, 64), 1, projection, n_classes)


def resnet20(n_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """Three stages of three blocks, shortcuts without weights: 20 mappable layers, 268,336 weights.

    He et al., CVPR 2016, section 4.2; LionHeart's Table I.
    """
    return ResNet(_small_stem(in_channels), (16, 32, 64), 3, SubsampleAndPad, n_classes)


def resnet18(n_classes: int = 1000) -> nn.Module:
    """Four stages of two blocks behind a 7x7 convolution and a pool (He et al., CVPR 2016, Table 1)."""
    stem: dict[str, nn.Module] = {
        "conv1": nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(64),
        "relu": nn.ReLU(),
        "maxpool": nn.MaxPool2d(3, stride=2, padding=1),
    }
    return ResNet(stem, (64, 128, 256, 512), 2, projection, n_classes)
