"""Refuses NaN and infinite numbers where they enter: weights, data, outputs."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import batches


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
    """Refuse inputs that are NaN or infinite.

    Raises:
        InputError: A part of the data has such; it is named.
    """
    for name in ("train", "validation", "test"):
        examples = getattr(splits, name)
        bad = sum(_bad_inputs(chunk) for chunk in examples.chunks)
        if bad:
            raise InputError(
                f"data: {bad} of {len(examples)} {name} inputs have NaN or infinite values"
            )


def _bad_inputs(examples: Examples) -> int:
    """Number of examples with NaN or infinite inputs."""
    bad = torch.zeros(len(examples), dtype=torch.bool)
    for part in batches.parts(examples.inputs).values():
        # a sum is fast, and finite only if all numbers are
        if part.is_floating_point() and not part.sum().isfinite():
            bad |= (~torch.isfinite(part)).flatten(1).any(1) if part.ndim > 1 else ~part.isfinite()
    return int(bad.sum())


def check_outputs(outputs: Any, what: str) -> None:
    """Refuse outputs of a network that are not finite.

    Args:
        outputs: What the network returned.
        what: The network and the examples, for the message.

    Raises:
        InputError: There are such outputs.
    """
    for scores in tensors_of(outputs):
        if scores.is_floating_point() and not bool(torch.isfinite(scores).all()):
            bad = int((~torch.isfinite(scores)).flatten(1).any(1).sum()) if scores.ndim > 1 else 1
            raise InputError(
                f"{what}: scores of {bad} of {len(scores)} examples are NaN or infinite"
                if scores.ndim
                else f"{what}: outputs are NaN or infinite"
            )


def tensors_of(outputs: Any) -> list[torch.Tensor]:
    """All tensors among what a network returned."""
    return [each for each in tree_leaves(outputs) if isinstance(each, torch.Tensor)]
