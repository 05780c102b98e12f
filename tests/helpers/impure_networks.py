"""Networks that write to what they are given, or remember what they have seen."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class AddInto(nn.Module):
    """Adds to its first input in place; fx sees one operation without a name that tells."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        a += b
        return a


class AddUnseen(nn.Module):
    """The same behind torch's back: no version of a tensor changes."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        array: np.ndarray = a.detach().numpy()
        array += b.detach().numpy()
        return a


class Residual(nn.Module):
    """A residual block whose sum is written over the shortcut."""

    def __init__(self, add: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)
        self.linear = nn.Linear(6, 4)
        self.add = add or AddInto()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)
        y = self.conv2(torch.relu(x))
        return self.linear(self.add(x, y).amax((2, 3)))


class UnseenResidual(Residual):
    def __init__(self) -> None:
        super().__init__(AddUnseen())


class ViewResidual(Residual):
    """Writes to a view of what is read again."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)
        y = self.conv2(torch.relu(x))
        self.add(x.view(len(images), 6, 8, 8), y)
        return self.linear(x.amax((2, 3)))


class PositionalInplace(Residual):
    """The name of no keyword tells that the shortcut is overwritten."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)
        y = self.conv2(nn.functional.relu(x, True))
        return self.linear((x + y).amax((2, 3)))


class DiscardedInplace(Residual):
    """The result of an activation in place is thrown away, its side effect is used."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.conv1(images)
        self.relu(x)
        return self.linear((x + self.conv2(x)).amax((2, 3)))


class NormalisesInput(Residual):
    """Normalises the images that it is given in place."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images.sub_(0.5).div_(0.25)
        return self.linear(torch.relu(self.conv2(self.conv1(images))).amax((2, 3)))


class Remember(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x)
        return x


class Recall(nn.Module):
    def __init__(self, memory: Remember) -> None:
        super().__init__()
        self.memory = [memory]  # in a list: it is no child

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.memory[0].seen[-1].mean(1, keepdim=True)


class SideChannel(Residual):
    """A shortcut through an attribute of a module."""

    def __init__(self) -> None:
        super().__init__()
        self.remember = Remember()
        self.recall = Recall(self.remember)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.remember(self.conv1(images))
        return self.linear(self.recall(torch.relu(self.conv2(x))).amax((2, 3)))


class AlwaysDropout(Residual):
    """Draws random numbers in evaluation, too."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = nn.functional.dropout(self.conv1(images), 0.3, training=True)
        return self.linear(torch.relu(self.conv2(x)).amax((2, 3)))
