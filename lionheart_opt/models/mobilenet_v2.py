"""MobileNetV2 for ImageNet, with the module names of torchvision's weight files."""

from __future__ import annotations

from torch import Tensor, nn

#: Expansion, output channels, repeats, stride of the first (Sandler et al., CVPR 2018, Table 2).
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _conv_bn_relu(
    in_channels: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    padding = (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU6(),
    )


class InvertedResidual(nn.Module):
    """Expand by 1x1, filter depthwise, project by 1x1; added to the input where shapes agree."""

    def __init__(self, in_channels: int, channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.is_residual = stride == 1 and in_channels == channels
        self.conv = nn.Sequential()
        if expansion > 1:
            self.conv.append(_conv_bn_relu(in_channels, hidden, 1))
        self.conv.append(_conv_bn_relu(hidden, hidden, 3, stride, groups=hidden))
        self.conv.append(nn.Conv2d(hidden, channels, 1, bias=False))
        self.conv.append(nn.BatchNorm2d(channels))

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps of shape (n, in_channels, h, w) -> (n, channels, h / stride, w / stride)."""
        result: Tensor = self.conv(images)
        return images + result if self.is_residual else result


class MobileNetV2(nn.Module):
    """Convolution, 17 inverted residual blocks, convolution, mean, classifier."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(_conv_bn_relu(3, 32, 3, stride=2))
        width = 32
        for expansion, channels, repeats, stride in _STAGES:
            for k in range(repeats):
                block = InvertedResidual(width, channels, stride if k == 0 else 1, expansion)
                self.features.append(block)
                width = channels
        self.features.append(_conv_bn_relu(width, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, n_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Images of shape (n, 3, height, width) -> logits of shape (n, n_classes)."""
        logits: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return logits


def mobilenet_v2(n_classes: int = 1000) -> nn.Module:
    """52 convolutions (17 depthwise) and one linear layer; takes torchvision's weights."""
    return MobileNetV2(n_classes)
