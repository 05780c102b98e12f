"""Refuses NaN and infinite numbers where they enter: weights, data, scores."""

from __future__ import annotations

import torch
from torch import nn

from lionheart_opt.datasets.splits import Splits
from lionheart_opt.errors import InputError


def check_weights(model: nn.Module) -> None:
    """Refuse a network with NaN or infinite weights.

    Infinite buffers are allowed, because attention masks are such, except for the statistics of
    normalisation layers.

    Raises:
        InputError: A parameter or buffer is not finite; it is named.
    """
    masks = {name for name, _ in model.named_buffers() if ".running_" not in f".{name}"}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not tensor.is_floating_point():
            continue
        bad = torch.isnan(tensor) if name in masks else ~torch.isfinite(tensor)
        if bool(bad.any()):
            raise InputError(
                f"the network's {name!r} has {int(bad.sum())} NaN or infinite values "
                f"of {tensor.numel()}"
            )


def check_examples(splits: Splits) -> None:
    """Refuse inputs that are NaN or infinite, and classes below 0.

    Raises:
        InputError: A part of the data has such; it is named.
    """
    for name in ("train", "validation", "test"):
        examples = getattr(splits, name)
        # a sum is fast, and finite only if all numbers are
        if examples.images.is_floating_point() and not examples.images.sum().isfinite():
            bad = int((~torch.isfinite(examples.images)).flatten(1).any(1).sum())
            if bad:
                raise InputError(
                    f"data: {bad} of {len(examples)} {name} inputs have NaN or infinite values"
                )
        if int(examples.labels.min()) < 0:
            raise InputError(
                f"data: {name} labels from {int(examples.labels.min())}; must be at least 0"
            )


def check_scores(scores: torch.Tensor, what: str) -> None:
    """Refuse scores of classes that are not finite.

    Args:
        scores: What the network returned, shape (n_examples, n_classes).
        what: The network and the examples, for the message.

    Raises:
        InputError: There are such scores.
    """
    if not bool(torch.isfinite(scores).all()):
        bad = int((~torch.isfinite(scores)).any(1).sum())
        raise InputError(f"{what}: scores of {bad} of {len(scores)} examples are NaN or infinite")
