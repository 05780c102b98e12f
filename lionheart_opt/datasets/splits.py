"""Training, validation and test data: disjoint, stratified, drawn by a seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Examples:
    """Labelled examples, never augmented.

    Args:
        images: Inputs of the network, shape (n_examples, ...): (n_examples, channels, height, width)
            float32 for images.
        labels: Numbers of classes, shape (n_examples,). Whole numbers of any type become int64.

    Raises:
        InputError: There are no examples, inputs and labels do not fit, or labels are no whole numbers.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels) or self.labels.ndim != 1:
            raise InputError(
                f"{len(self.images)} images but labels of shape {tuple(self.labels.shape)}"
            )
        if len(self.images) == 0:
            raise InputError("a data set without examples")
        if self.labels.dtype != torch.int64:
            kind = self.labels.dtype
            if kind.is_floating_point or kind.is_complex or kind == torch.bool:
                raise InputError(
                    f"labels of type {kind}; must be class numbers: labels.to(torch.int64)"
                )
            object.__setattr__(self, "labels", self.labels.to(torch.int64))

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, numbers: slice | np.ndarray) -> Examples:
        return Examples(images=self.images[numbers], labels=self.labels[numbers])

    @cached_property
    def digest(self) -> str:
        """Digest of every pixel and label."""
        content = hashlib.sha256()
        for tensor in (self.images, self.labels):
            content.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
            content.update(np.ascontiguousarray(tensor.numpy()).data)
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
    train: Examples, test: Examples, validation_fraction: float = 0.1, seed: int = 0
) -> Splits:
    """Split validation data off the training data, the same at every call.

    The same fraction is taken from every class (at least one example stays on each side). LionHeart's
    fraction is 10 % (section IV-A). Both parts are in an order drawn with the seed, so that the first n
    validation examples are a fair sample.

    Args:
        train: All training data.
        test: The test data, which are passed on unchanged.
        validation_fraction: Fraction of the training data, in (0, 1).
        seed: Seed of the draw.

    Raises:
        InputError: The fraction is out of range, or a class has a single example.
    """
    if not 0.0 < validation_fraction < 1.0:
        raise InputError(
            f"validation_fraction: got {validation_fraction}; allowed: between 0 and 1"
        )
    rng = np.random.default_rng(seed)
    labels = train.labels.numpy()
    held_out = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < 2:
            raise InputError(f"class {label} has one training example; two are needed to split")
        count = min(max(round(validation_fraction * len(members)), 1), len(members) - 1)
        held_out[rng.choice(members, size=count, replace=False)] = True
    return Splits(
        train=train[rng.permutation(np.flatnonzero(~held_out))],
        validation=train[rng.permutation(np.flatnonzero(held_out))],
        test=test,
    )
