"""What a network is called with, and what it should answer: tensors, tuples and dictionaries of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils._pytree import tree_map_only

#: What a network is called with: one argument, positional arguments, or keyword arguments.
Inputs = torch.Tensor | tuple[torch.Tensor, ...] | dict[str, torch.Tensor]
#: What it should answer. Arrays hold objects, such as texts; None where the inputs say it.
Targets = torch.Tensor | np.ndarray | dict[str, torch.Tensor | np.ndarray] | None


def call(network: nn.Module, inputs: Inputs) -> Any:
    """What a network answers: a tuple holds positional arguments, a dictionary keyword arguments."""
    if isinstance(inputs, dict):
        return network(**inputs)
    return network(*inputs) if isinstance(inputs, tuple) else network(inputs)


def arguments(inputs: Inputs) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    """Positional arguments and keyword arguments."""
    if isinstance(inputs, dict):
        return (), inputs
    return (inputs if isinstance(inputs, tuple) else (inputs,)), {}


def apply(function: Callable[[Any], Any], batch: Any) -> Any:
    """The same batch, with each of its tensors and arrays changed by a function."""
    if isinstance(batch, dict):
        return {name: function(part) for name, part in batch.items()}
    if isinstance(batch, tuple):
        return tuple(function(part) for part in batch)
    return None if batch is None else function(batch)


def parts(batch: Any) -> dict[str, Any]:
    """Name -> tensor or array. Positions are names in a tuple; a single tensor is called `""`."""
    if isinstance(batch, dict):
        return dict(batch)
    if isinstance(batch, tuple):
        return {str(number): part for number, part in enumerate(batch)}
    return {} if batch is None else {"": batch}


def select(batch: Any, numbers: slice | np.ndarray | torch.Tensor) -> Any:
    """Some of the examples of a batch."""
    if isinstance(numbers, torch.Tensor):
        as_array = numbers.numpy()
        return apply(lambda part: part[numbers if torch.is_tensor(part) else as_array], batch)
    return apply(lambda part: part[numbers], batch)


def to(batch: Any, device: torch.device, *, copy: bool = False) -> Any:
    """A batch on a device; a copy of it, if asked for. Arrays stay where they are."""
    return apply(lambda part: part.to(device, copy=copy) if torch.is_tensor(part) else part, batch)


def count(batch: Any) -> int:
    """Number of examples, which is the length of every part."""
    return min((len(part) for part in parts(batch).values()), default=0)


def chunks(batch: Any, size: int) -> Iterator[Any]:
    """A batch in pieces of that size; the last one may be smaller."""
    for first in range(0, count(batch), size):
        yield select(batch, slice(first, first + size))


def described(batch: Any) -> str:
    """Names, types and shapes of one example, for messages."""
    if torch.is_tensor(batch):
        return f"shape {tuple(batch.shape[1:])}"
    said = [
        f"{name}: {tuple(part.shape[1:])} {str(part.dtype).removeprefix('torch.')}"
        for name, part in parts(batch).items()
    ]
    return f"shapes ({', '.join(said)})"


def update_digest(content: Any, batch: Any) -> None:
    """Add every number and text of a batch to a digest of `hashlib`."""
    for name, part in parts(batch).items():
        content.update(f"{name}{part.dtype}{tuple(part.shape)}".encode())
        if isinstance(part, np.ndarray) and part.dtype == object:
            for each in part.ravel():
                content.update(hashlib.sha256(repr(each).encode()).digest())
        else:
            array = part.numpy() if torch.is_tensor(part) else part
            content.update(np.ascontiguousarray(array).data)


def join(kept: list[Any]) -> Any:
    """Batches of outputs as one: tensors, or dictionaries and tuples of them."""
    first = kept[0]
    if isinstance(first, dict):
        return {name: join([each[name] for each in kept]) for name in first}
    if isinstance(first, (tuple, list)):
        return tuple(join(list(each)) for each in zip(*kept, strict=True))
    return torch.cat(kept) if torch.is_tensor(first) else first


def on_cpu(outputs: Any) -> Any:
    """What a network returned, with all of its tensors on the CPU."""
    return tree_map_only(torch.Tensor, torch.Tensor.cpu, outputs)
