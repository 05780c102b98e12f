"""Data sets from tensors and arrays that are already in memory."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np
import torch

from lionheart_opt.datasets import Dataset
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.text import shown

#: Inputs and class numbers, each a tensor or an array.
Pair = tuple[Any, Any]


def from_arrays(
    train: Pair,
    test: Pair,
    *,
    validation: Pair | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
    name: str = "data",
) -> Dataset:
    """A data set of tensors or arrays, which are copied.

    Floating-point inputs become float32 and integer ones (token numbers) int64; class numbers become
    int64.

    Args:
        train: Inputs of shape (n_examples, ...) and class numbers of shape (n_examples,).
        test: The same for the test data, which only the final report sees.
        validation: The same for the examples that a search is judged on. None splits them off the
            training data, stratified by class.
        validation_fraction: Share of the training data that is split off.
        seed: Seed of the split.
        name: What messages and reports call the data set.

    Raises:
        InputError: Shapes or types do not fit, an input is not finite, or a class number is negative.
    """
    if not isinstance(name, str):
        raise InputError(f"name: got {shown(name)}; must be a text")
    parts = {"train": train, "test": test}
    if validation is not None:
        parts["validation"] = validation
    examples = {part: _examples(pair, f"data set {name!r}: {part}") for part, pair in parts.items()}
    if not isinstance(validation_fraction, Real) or not 0.0 < validation_fraction < 1.0:
        raise InputError(
            f"data set {name!r}: validation_fraction: got {shown(validation_fraction)}; "
            "must be between 0 and 1"
        )
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise InputError(
            f"data set {name!r}: seed: got {shown(seed)}; must be a whole number from 0 on"
        )
    return Dataset(
        name=name,
        train=examples["train"],
        test=examples["test"],
        validation=examples.get("validation"),
        n_classes=1 + max(int(part.labels.max()) for part in examples.values()),
        provenance=f"{name}: given as tensors",
        validation_fraction=validation_fraction,
        split_seed=seed,
    )


def _examples(pair: Pair, where: str) -> Examples:
    try:
        given, classes = pair
    except (TypeError, ValueError):
        raise InputError(f"{where}: must be a pair (inputs, targets)") from None
    inputs, targets = _tensor(given, f"{where}: inputs"), _tensor(classes, f"{where}: targets")
    if inputs.ndim == 0 or targets.ndim != 1 or len(inputs) != len(targets):
        raise InputError(
            f"{where}: inputs of shape {tuple(inputs.shape)} and targets of shape "
            f"{tuple(targets.shape)}; must be (n, ...) and (n,)"
        )
    if len(targets) == 0:
        raise InputError(f"{where}: no examples")
    if inputs.is_floating_point():
        inputs = inputs.to(torch.float32)
        if not bool(torch.isfinite(inputs).all()):
            raise InputError(f"{where}: inputs: NaN or infinite values")
    elif inputs.dtype in (torch.int32, torch.int64):
        inputs = inputs.to(torch.int64)
    else:
        raise InputError(
            f"{where}: inputs of type {inputs.dtype}; must be floating-point numbers "
            "(images: x.float() / 255) or int64 (token numbers)"
        )
    if targets.is_floating_point() or targets.is_complex() or targets.dtype == torch.bool:
        raise InputError(f"{where}: targets of type {targets.dtype}; must be class numbers (int64)")
    low, high = int(targets.min()), int(targets.max())
    if low < 0:
        raise InputError(f"{where}: class numbers from {low} to {high}; must be at least 0")
    return Examples(images=inputs.contiguous(), labels=targets.to(torch.int64))


def _tensor(values: Any, where: str) -> torch.Tensor:
    """A copy: the caller may change theirs."""
    if isinstance(values, torch.Tensor):
        return values.detach().to("cpu", copy=True)
    try:
        return torch.from_numpy(np.array(values))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: must be a tensor or an array of numbers: {error}") from error
