"""Training examples as a recipe changes them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch.nn import functional as F

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.oracle.settings import Recipe


def augmented(
    examples: Examples,
    numbers: torch.Tensor,
    recipe: Recipe,
    device: torch.device,
    generator: torch.Generator,
) -> Examples:
    """Some of the training examples, augmented as a recipe says.

    Args:
        examples: The training data.
        numbers: Which of them.
        recipe: What says how.
        device: Where they are wanted.
        generator: Random generator, on the CPU.
    """
    batch = examples[numbers].loaded.to(device)
    if recipe.augmentation == "none":
        return batch
    assert isinstance(batch.inputs, torch.Tensor)
    return replace(batch, inputs=crop_flip(batch.inputs, generator))


def crop_flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Shift each image by up to an eighth of its side, filling with zeros, and mirror half of them.

    Args:
        images: Shape (n, channels, height, width).
        generator: Random generator of shifts and mirroring, on the CPU.
    """
    n, _, height, width = images.shape
    margin = max(1, width // 8)
    rows = torch.randint(2 * margin + 1, (n, 1), generator=generator) + torch.arange(height)
    columns = torch.randint(2 * margin + 1, (n, 1), generator=generator) + torch.arange(width)
    mirrored = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    which = torch.arange(n)[:, None, None]
    padded = F.pad(images, [margin] * 4)
    # the channel axis, sliced between index tensors, comes last
    return padded[which, :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)
