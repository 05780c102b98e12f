"""What of a task decides the weights that are trained for it."""

from __future__ import annotations

import inspect
from typing import Any

from lionheart_opt.digest import digest, source_of
from lionheart_opt.tasks.classification import CLASSIFICATION
from lionheart_opt.tasks.own import OwnTask
from lionheart_opt.tasks.task import Task

#: Packages whose code is known by their version.
_KNOWN = ("lionheart_opt.", "torch.")


def task_key(task: Task) -> list[Any]:
    """The part of a key of trained weights that the task decides, as plain data.

    It holds the task's settings, and the code of the module that a loss or a task of your own is in.
    It is empty for the usual classification, so that the weights of version 0.1.0 are found.
    """
    if task == CLASSIFICATION:
        return []
    decides: object = task.training_loss if isinstance(task, OwnTask) else type(task)
    return [task.identity, _code(decides)]


def _code(thing: object) -> str:
    """Digest of the module that something is defined in; empty for packages, and without a file."""
    module = inspect.getmodule(thing)
    if module is None or module.__name__.startswith(_KNOWN):
        return ""
    source = source_of(module)
    return "" if source is None else digest(source)
