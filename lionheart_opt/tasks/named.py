"""Tasks by name, as studies give them."""

from __future__ import annotations

from typing import Any

from lionheart_opt import plugins
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.tasks.classification import Classification, MultiLabel
from lionheart_opt.tasks.language_model import LanguageModel, MaskedLanguageModel
from lionheart_opt.tasks.own import OwnTask
from lionheart_opt.tasks.question_answering import QuestionAnswering
from lionheart_opt.tasks.regression import Regression
from lionheart_opt.tasks.segmentation import Segmentation
from lionheart_opt.tasks.task import Task
from lionheart_opt.text import shown

_BUILT_IN: dict[str, type[Task]] = {
    "classification": Classification,
    "multi_label": MultiLabel,
    "segmentation": Segmentation,
    "regression": Regression,
    "language_model": LanguageModel,
    "masked_language_model": MaskedLanguageModel,
    "question_answering": QuestionAnswering,
}


def available() -> dict[str, str]:
    """Name -> description of each built-in task."""
    docs = {name: (kind.__doc__ or "").partition("\n")[0] for name, kind in _BUILT_IN.items()}
    return docs


def task_of(given: Task | str | dict[str, Any], where: str = "task") -> Task:
    """A task that is given itself, by name, or as a table of a study.

    Args:
        given: A task; a name of `available()`, or `module:attr` of a task or its class; or a table with
            its name as `kind` and its arguments. A table without `kind` has the arguments of `OwnTask`.
        where: What messages call it.

    Raises:
        InputError: There is no such task or argument.
    """
    if isinstance(given, Task):
        return given
    if isinstance(given, str):
        given = {"kind": given}
    if not isinstance(given, dict):
        raise InputError(f"{where}: got {shown(given)}; must be a name, a table or a Task")
    arguments = {name: value for name, value in given.items() if name != "kind"}
    kind = given.get("kind")
    if kind is None:
        made = plugins.call(OwnTask, arguments, where)
    elif not isinstance(kind, str):
        raise InputError(f"{where}: kind: got {shown(kind)}; must be a name")
    elif ":" in kind:
        made = plugins.attribute(kind, where)
        if not isinstance(made, Task) and callable(made):
            made = plugins.call(made, arguments, where)
    elif kind in _BUILT_IN:
        made = plugins.call(_BUILT_IN[kind], arguments, where)
    else:
        raise unknown("task", kind, _BUILT_IN, where)
    if not isinstance(made, Task):
        raise InputError(f"{where}: {kind!r} is a {type(made).__name__}; must be a Task")
    return made
