"""Data sets from what users already have in memory or on disk."""

from __future__ import annotations

from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

from lionheart_opt.api_arguments import kind_of
from lionheart_opt.datasets import Dataset
from lionheart_opt.datasets.given import examples_of
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Task, task_of
from lionheart_opt.text import shown

#: Names of parts in a dictionary of data sets, as Hugging Face has them.
_PARTS = {"train": "train", "test": "test", "validation": "validation", "valid": "validation"}


def from_arrays(
    train: Any,
    test: Any,
    *,
    validation: Any = None,
    task: Task | str | dict[str, Any] = "classification",
    validation_fraction: float = 0.1,
    seed: int = 0,
    name: str = "data",
    columns: Collection[str] | None = None,
) -> Dataset:
    """A data set of what is there already: arrays (which are copied), tokenised texts, data sets.

    Floating-point inputs become float32 and integer ones (token numbers) int64; class numbers become
    int64.

    Args:
        train: Inputs of shape (n_examples, ...) and targets, such as class numbers of shape
            (n_examples,); or another form that `examples_of` takes.
        test: The same for the test data, which only the final report sees.
        validation: The same for the examples that a search is judged on. None splits them off the
            training data, as the task says: by class, at random, or a stretch of a text.
        task: What the network is for: a name of `lionheart-opt list tasks`, a table, or a `Task`.
        validation_fraction: Share of the training data that is split off.
        seed: Seed of the split.
        name: What messages and reports call the data set.
        columns: Names of inputs that the network takes; None takes all.

    Raises:
        InputError: Shapes or types do not fit, an input is not finite, or targets do not fit the task.
    """
    if not isinstance(name, str):
        raise InputError(f"name: got {shown(name)}; must be a text")
    made = task_of(task)
    parts = {"train": train, "test": test}
    if validation is not None:
        parts["validation"] = validation
    examples = {
        part: examples_of(given, made, f"data set {name!r}: {part}", columns)
        for part, given in parts.items()
    }
    if not isinstance(validation_fraction, Real) or not 0.0 < validation_fraction < 1.0:
        raise InputError(
            f"data set {name!r}: validation_fraction: got {shown(validation_fraction)}; "
            "must be between 0 and 1"
        )
    if not isinstance(seed, Integral) or isinstance(seed, bool) or seed < 0:
        raise InputError(
            f"data set {name!r}: seed: got {shown(seed)}; must be a whole number from 0 on"
        )
    classes = [made.classes(part.targets) for part in examples.values()]
    largest = [numbers.max() for numbers in classes if numbers is not None]
    return Dataset(
        name=name,
        train=examples["train"],
        test=examples["test"],
        validation=examples.get("validation"),
        n_classes=1 + max(map(int, largest)) if largest else None,
        provenance=f"{name}: given as tensors",
        validation_fraction=validation_fraction,
        split_seed=seed,
    )


def as_dataset(
    given: Any, task: Task | str | dict[str, Any] | None, columns: Collection[str] | None
) -> Dataset:
    """The data set that a user gives as it is: a `Dataset`, or a dictionary of its parts.

    Args:
        given: A `Dataset`, or a dictionary (such as a `DatasetDict` of Hugging Face) with `train`, `test`
            and, if there are any, `validation` data.
        task: What the network is for; None is what the data set says, or classification.
        columns: Names of inputs that the network takes; None takes all.

    Raises:
        InputError: It is something else, or does not fit.
    """
    if isinstance(given, Dataset):
        return given if task is None else given.for_task(task_of(task))
    if hasattr(given, "keys") and {"train", "test"} <= set(given.keys()):
        unknown = sorted(set(given.keys()) - set(_PARTS))
        if unknown:
            raise InputError(
                f"dataset: got parts {', '.join(unknown)}; allowed: train, test, validation"
            )
        parts: dict[str, Any] = {_PARTS[name]: given[name] for name in given.keys()}
        return from_arrays(
            **parts, task="classification" if task is None else task, columns=columns
        )
    raise InputError(
        f"dataset: got {kind_of(given)}; make one with "
        "lo.dataset(train=(inputs, targets), test=(inputs, targets))"
    )
