"""Examples that stay where they are, such as on disk, and are read when they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.tasks import Task, batches
from lionheart_opt.tasks.batches import Inputs, Targets

#: Examples that are read at a time where all of them are looked at.
CHUNK = 256


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class StoredExamples:
    """Examples of a map-style data set, which may be too large for the memory.

    They are used like `Examples`. Slices are not read either; `loaded` reads them.

    Args:
        read: The examples with these numbers, in memory.
        numbers: Numbers of the examples in the data set.
    """

    read: Callable[[np.ndarray], Examples]
    numbers: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, numbers: slice | np.ndarray | torch.Tensor) -> StoredExamples:
        chosen = numbers.numpy() if isinstance(numbers, torch.Tensor) else numbers
        return StoredExamples(read=self.read, numbers=self.numbers[chosen])

    def __repr__(self) -> str:
        return f"StoredExamples({len(self):,} of {batches.described(self[:1].inputs)})"

    @property
    def loaded(self) -> Examples:
        """These examples in memory."""
        return self.read(self.numbers)

    @property
    def chunks(self) -> Iterator[Examples]:
        """These examples in memory, some at a time."""
        for first in range(0, len(self), CHUNK):
            yield self.read(self.numbers[first : first + CHUNK])

    @property
    def inputs(self) -> Inputs:
        """What a network is called with, all of it in memory."""
        return self.loaded.inputs

    @cached_property
    def targets(self) -> Targets:
        """What it should answer, all of it in memory."""
        joined: Targets = batches.join([chunk.targets for chunk in self.chunks])
        return joined

    @cached_property
    def task(self) -> Task:
        """What the network is for."""
        return self[:1].loaded.task

    def for_task(self, task: Task) -> StoredExamples:
        """The same examples for another task."""
        return StoredExamples(
            read=lambda numbers: self.read(numbers).for_task(task), numbers=self.numbers
        )

    def to(self, device: torch.device) -> Examples:
        """These examples in memory, on a device."""
        return self.loaded.to(device)

    @cached_property
    def digest(self) -> str:
        """Digest of every input and target."""
        content = hashlib.sha256(b"stored")
        for chunk in self.chunks:
            for batch in (chunk.inputs, chunk.targets):
                batches.update_digest(content, batch)
        return content.hexdigest()[:16]


def read_all(examples: StoredExamples, most_bytes: int) -> Examples | StoredExamples:
    """The examples in memory if they take no more than so many bytes there."""
    first: Any = examples[:1].loaded
    tensors = [*batches.parts(first.inputs).values(), *batches.parts(first.targets).values()]
    size = sum(part.nbytes for part in tensors) * len(examples)
    return examples.loaded if size <= most_bytes else examples
