"""Training, validation and test data: disjoint, drawn by a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import CLASSIFICATION, Task, batches
from lionheart_opt.tasks.batches import Inputs, Targets


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Examples:
    """Examples in memory, never augmented.

    Args:
        inputs: What a network is called with: a tensor of shape (n_examples, ...), such as images of
            shape (n_examples, channels, height, width); a tuple of such tensors, which are positional
            arguments; or a dictionary, which holds keyword arguments.
        targets: What it should answer: a tensor or an array of as many, or a dictionary of them. None
            where the inputs say it, as those of a language model do.
        task: What the network is for.

    Raises:
        InputError: There are no examples, or inputs, targets and the task do not fit.
    """

    inputs: Inputs
    targets: Targets = None
    task: Task = CLASSIFICATION

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", self.task.prepared(self.targets))
        lengths = {
            f"{what}{f' {name!r}' if name else ''}": len(part)
            for what, batch in (("inputs", self.inputs), ("targets", self.targets))
            for name, part in batches.parts(batch).items()
        }
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{n} {name}" for name, n in lengths.items())
            raise InputError(f"{said}; there must be as many of each")
        if not len(self):
            raise InputError("a data set without examples")

    def __len__(self) -> int:
        return batches.count(self.inputs)

    def __getitem__(self, numbers: slice | np.ndarray | torch.Tensor) -> Examples:
        return Examples(
            inputs=batches.select(self.inputs, numbers),
            targets=batches.select(self.targets, numbers),
            task=self.task,
        )

    def __repr__(self) -> str:
        return f"Examples({len(self):,} of {batches.described(self.inputs)})"

    def for_task(self, task: Task) -> Examples:
        """The same examples for another task."""
        return Examples(inputs=self.inputs, targets=self.targets, task=task)

    @property
    def loaded(self) -> Examples:
        """These examples in memory."""
        return self

    @property
    def chunks(self) -> Iterator[Examples]:
        """These examples in memory, some at a time."""
        yield self

    def to(self, device: torch.device) -> Examples:
        """These examples on a device."""
        return Examples(
            inputs=batches.to(self.inputs, device),
            targets=batches.to(self.targets, device),
            task=self.task,
        )

    @cached_property
    def digest(self) -> str:
        """Digest of every input and target."""
        content = hashlib.sha256()
        for batch in (self.inputs, self.targets):
            batches.update_digest(content, batch)
        return content.hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """The three disjoint parts of a data set.

    Args:
        train: What networks are trained on.
        validation: What a search is judged on.
        test: What the final report alone is about.
        provenance: Where the data come from.
    """

    train: Examples
    validation: Examples
    test: Examples
    provenance: str = ""

    @cached_property
    def digest(self) -> str:
        """Digest of all examples and of the parts that they are in."""
        return digest([self.train.digest, self.validation.digest, self.test.digest])


def split(
    train: Examples,
    test: Examples,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Split validation data off the training data, the same at every call.

    The task says how (`Task.split_by`). By classes, the same fraction is taken from every class (at
    least one example stays on each side). LionHeart's fraction is 10 % (section IV-A). Both parts are in
    an order drawn with the seed, so that the first n validation examples are a fair sample.

    Args:
        train: All training data.
        test: The test data, which are passed on unchanged.
        validation_fraction: Fraction of the training data, in (0, 1).
        seed: Seed of the draw.

    Raises:
        InputError: The fraction is out of range, a class has a single example, or there is only one.
    """
    if not 0.0 < validation_fraction < 1.0:
        raise InputError(
            f"validation_fraction: got {validation_fraction}; allowed: between 0 and 1"
        )
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(train), dtype=bool)
    by, labels = train.task.split_by, train.task.classes(train.targets)
    if labels is not None:
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            if len(members) < 2:
                raise InputError(f"class {label} has one training example; two are needed to split")
            held_out[
                rng.choice(members, size=_share(validation_fraction, members), replace=False)
            ] = True
    elif len(train) < 2:
        raise InputError("there is one training example; two are needed to split")
    else:
        everything = np.arange(len(train))
        size = _share(validation_fraction, everything)
        if by == "random":
            held_out[rng.choice(everything, size=size, replace=False)] = True
        else:
            begin = int(rng.integers(len(train) - size + 1))
            held_out[begin : begin + size] = True
    return Splits(
        train=train[rng.permutation(np.flatnonzero(~held_out))],
        validation=train[rng.permutation(np.flatnonzero(held_out))],
        test=test,
    )


def _share(fraction: float, members: np.ndarray) -> int:
    """Number of the members to hold out: at least one, and not all."""
    return min(max(round(fraction * len(members)), 1), len(members) - 1)
