"""Networks that Hugging Face's `transformers` has saved, and what they are for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle_context import ModelTable
from lionheart_opt.pretrained import place_of, stored
from lionheart_opt.text import shown

#: Arguments of `from_pretrained` where a study does not say: every product is seen, and texts are read at
#: once, so that no keys and values are kept for a next token.
USUAL = {"dtype": "float32", "attn_implementation": "eager"}
#: End of the name of a class -> task.
TASKS: dict[str, dict[str, Any]] = {
    "ForSequenceClassification": {"kind": "classification"},
    "ForImageClassification": {"kind": "classification"},
    "ForMaskedLM": {"kind": "masked_language_model"},
    "ForCausalLM": {"kind": "language_model", "shift": True},
    "LMHeadModel": {"kind": "language_model", "shift": True},
    "ForQuestionAnswering": {"kind": "question_answering"},
}
#: Problem type of a configuration -> kind of the task of a classifier.
_PROBLEMS = {"regression": "regression", "multi_label_classification": "multi_label"}


def load_network(table: ModelTable, folder: Path, *, is_whole: bool = False) -> nn.Module:
    """The network of a folder, or of the cache, with its weights.

    Args:
        table: The network.
        folder: What a relative folder is relative to.
        is_whole: Whether all weights must be there. Otherwise those that are missing are random.

    Raises:
        InputError: It is not there, or cannot be loaded.
    """
    where = f"model {table.name!r}"
    kind = _class_of(table, folder)
    asked = {**USUAL, **table.arguments}
    loaded, report = stored(
        kind, place_of(table.name, folder), where, output_loading_info=True, **asked
    )
    if not isinstance(loaded, nn.Module):
        raise InputError(f"{where}: {kind} loads no network of torch")
    missing = sorted(report["missing_keys"])
    if missing and is_whole:
        names = ", ".join([*missing[:3], *(["..."] if missing[3:] else [])])
        raise InputError(
            f"{where}: has no weights for {names}, which "
            "would be random: give [oracle.pretrain] to train it, or the class that it was saved as"
        )
    if "use_cache" not in table.arguments and hasattr(loaded.config, "use_cache"):
        loaded.config.use_cache = False
    return loaded.eval()


def config_of(table: ModelTable, folder: Path) -> Any:
    """The configuration of a network, with the arguments of the study.

    Raises:
        InputError: It is not there, or cannot be loaded.
    """
    where, place = f"model {table.name!r}", place_of(table.name, folder)
    return stored("AutoConfig", place, where, **{**USUAL, **table.arguments})


def _class_of(table: ModelTable, folder: Path) -> str:
    """The class that a study names, or the one that has saved the network."""
    if table.class_name is not None:
        return table.class_name
    names = getattr(config_of(table, folder), "architectures", None) or []
    if len(names) != 1:
        raise InputError(
            f"model {table.name!r}: class: is missing, and {shown(names)} is no single class; give one, "
            'such as class = "AutoModelForSequenceClassification"'
        )
    return str(names[0])


def task_of_table(table: ModelTable, folder: Path) -> dict[str, Any]:
    """What a network is for, from its class, as the `[task]` of a study.

    Raises:
        InputError: Its class does not say it.
    """
    task = _task_of(_class_of(table, folder), config_of(table, folder))
    if task is None:
        raise _unknown_task(f"model {table.name!r}", _class_of(table, folder))
    return task


def text_arguments(table: ModelTable, folder: Path) -> dict[str, Any]:
    """Arguments of `text` data that a network decides: its tokenizer, its length and names of classes.

    Raises:
        InputError: It is not there, or cannot be loaded.
    """
    config = config_of(table, folder)
    names = [str(name) for _, name in sorted(getattr(config, "id2label", {}).items())]
    has_names = any(not re.fullmatch(r"LABEL_\d+", name) for name in names)
    arguments: dict[str, Any] = {"tokenizer": place_of(table.name, folder)}
    if has_names:
        arguments["network_labels"] = names
    return arguments


def task_of_network(network: nn.Module) -> dict[str, Any] | None:
    """What a network is for, from its class; None if the class is none of `transformers`.

    Raises:
        InputError: It is one, but does not say it.
    """
    if not type(network).__module__.startswith("transformers."):
        return None
    name = type(network).__name__
    task = _task_of(name, network.config)
    if task is None:
        raise _unknown_task("model", name)
    return task


def _task_of(class_name: str, config: Any) -> dict[str, Any] | None:
    for end, task in TASKS.items():
        if class_name.endswith(end):
            if task["kind"] != "classification":
                return dict(task)
            problem = getattr(config, "problem_type", None)
            if problem is None and getattr(config, "num_labels", None) == 1:
                problem = "regression"
            return {"kind": _PROBLEMS.get(str(problem), "classification")}
    return None


def _unknown_task(where: str, class_name: str) -> InputError:
    return InputError(
        f"{where}: class {class_name} does not say what the network is for: give a task "
        "([task] in a study), see lionheart-opt list tasks; classes that say it end in "
        f"{', '.join(TASKS)}"
    )
