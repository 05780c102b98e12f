"""Examples as users have them: pairs, dictionaries, tokenised texts, map-style data sets."""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.datasets.stored import StoredExamples, read_all
from lionheart_opt.errors import InputError
from lionheart_opt.own_errors import own_error
from lionheart_opt.tasks import Task
from lionheart_opt.tasks.batches import Inputs, Targets
from lionheart_opt.tasks.question_answering import objects
from lionheart_opt.text import shown

#: Data sets up to this size are read into memory at once.
IN_MEMORY_BYTES = 1 << 30
#: Keys of a dictionary that hold targets.
TARGET_KEYS = ("labels", "label", "targets", "target")
#: Keys that hold the targets of question answering; see `QuestionAnswering`.
ANSWER_KEYS = ("start", "end", "offsets", "context", "answers")
#: What pads sequences: where nothing else is said, 0, which the attention mask hides.
_PADDING = {"labels": -100}


def examples_of(
    given: Any, task: Task, where: str, columns: Collection[str] | None = None
) -> Examples | StoredExamples:
    """Examples in any form that users have.

    Args:
        given: A pair of inputs and targets; a dictionary (or tokenised texts) whose `labels` are the
            targets; a map-style data set, or a list, whose items are pairs, dictionaries, or tuples that
            end with the target; or `Examples`. Inputs are an array, a tuple of arrays, or a dictionary.
        task: What the network is for.
        where: What messages call them.
        columns: Keys of inputs that the network takes; None takes all. Those of a data set's items that
            it does not take are left out; in a dictionary, only texts are.

    Raises:
        InputError: They cannot be used.
    """
    try:
        if isinstance(given, (Examples, StoredExamples)):
            return given.for_task(task)
        if _is_data_set(given):
            return _stored(given, task, where, columns)
        if _is_dictionary(given):
            inputs, targets = _parted({str(key): given[key] for key in given})
            inputs = _taken(inputs, columns)
        else:
            inputs, targets = _pair(given)
        return Examples(inputs=_inputs(inputs), targets=_targets(targets), task=task)
    except InputError as error:
        said = str(error)
        raise InputError(said if said.startswith(where) else f"{where}: {said}") from error


def _is_dictionary(given: Any) -> bool:
    return hasattr(given, "keys") and hasattr(given, "__getitem__") and not hasattr(given, "iloc")


def _is_data_set(given: Any) -> bool:
    if isinstance(given, list) and given:  # [inputs, targets] is a pair
        return all(isinstance(item, tuple) for item in given) or all(
            _is_dictionary(item) and any(key in item for key in TARGET_KEYS) for item in given
        )
    plain = (tuple, list, str, bytes, np.ndarray, torch.Tensor)
    is_indexed = hasattr(given, "__getitem__") and hasattr(given, "__len__")
    return is_indexed and not isinstance(given, plain) and not _is_dictionary(given)


def _pair(given: Any) -> tuple[Any, Any]:
    try:
        inputs, targets = given
    except (TypeError, ValueError):
        loads = hasattr(given, "dataset") and hasattr(given, "batch_size")
        raise InputError(
            "must be a pair (inputs, targets), a dictionary, or a map-style data set"
            + (": give the loader's own, loader.dataset" if loads else "")
        ) from None
    return inputs, targets


def _parted(row: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Inputs and targets among named parts."""
    if set(ANSWER_KEYS) <= set(row):
        return (
            {name: part for name, part in row.items() if name not in ANSWER_KEYS},
            {name: row[name] for name in ANSWER_KEYS},
        )
    keys = [key for key in TARGET_KEYS if key in row]
    if len(keys) > 1:
        raise InputError(f"targets: got {' and '.join(keys)}; there must be one of them")
    inputs = {name: part for name, part in row.items() if name not in keys}
    return inputs, row[keys[0]] if keys else None


def _taken(inputs: dict[str, Any], columns: Collection[str] | None) -> dict[str, Any]:
    """Inputs without the texts that were tokenised."""
    if columns is None:
        return inputs
    taken = {name: p for name, p in inputs.items() if name in columns or not _holds_text(p)}
    strange = [name for name in taken if name not in columns]
    if strange:
        raise InputError(
            f"inputs: got {', '.join(strange)}, which the network does not take; it takes "
            f"{', '.join(columns)}"
        )
    return taken


def _stored(
    data: Any, task: Task, where: str, columns: Collection[str] | None
) -> Examples | StoredExamples:
    """Examples of a map-style data set."""
    if not _length(data, where):
        raise InputError("a data set without examples")

    def read(numbers: np.ndarray) -> Examples:
        rows = [_row(_item(data, int(number), where), columns) for number in numbers]
        try:
            inputs = _collated([inputs for inputs, _ in rows])
            targets = _collated([target for _, target in rows])
            return Examples(inputs=_inputs(inputs), targets=_targets(targets), task=task)
        except (TypeError, RuntimeError, KeyError) as error:
            raise own_error(error, f"{where}: items of the data set cannot be joined") from error

    stored = StoredExamples(read=read, numbers=np.arange(len(data)))
    is_random = stored[:1].loaded.digest != stored[:1].loaded.digest
    examples = read_all(stored, IN_MEMORY_BYTES)
    if is_random and examples is stored:
        raise InputError(
            "items of the data set are others when they are read again, and it is too large to be kept "
            "in memory; take random transforms out of it"
        )
    if is_random:
        warnings.warn(
            f"{where}: items of the data set are others when they are read again (random transforms?); "
            "each is read once, and stays as it is",
            stacklevel=2,
        )
    return examples


def _length(data: Any, where: str) -> int:
    """Number of items of a map-style data set, whose code is the user's."""
    try:
        return len(data)
    except Exception as error:
        raise own_error(error, f"{where}: the data set has no length") from error


def _item(data: Any, number: int, where: str) -> Any:
    """An item of a map-style data set, whose code is the user's."""
    try:
        return data[number]
    except Exception as error:
        raise own_error(error, f"{where}: item {number} of the data set cannot be read") from error


def _row(item: Any, columns: Collection[str] | None) -> tuple[Any, Any]:
    """Inputs and target of one item of a data set."""
    if _is_dictionary(item):
        inputs, target = _parted(dict(item))
        numbers = {name: part for name, part in inputs.items() if not _holds_text(part)}
        taken = {name: p for name, p in numbers.items() if columns is None or name in columns}
        if not taken:
            raise InputError(
                f"items of the data set hold {', '.join(item)}; the network takes none of them"
            )
        return taken, target
    if isinstance(item, (tuple, list)) and len(item) > 1:
        *parts, target = item
        return parts[0] if len(parts) == 1 else tuple(parts), target
    raise InputError(
        f"items of the data set: got {shown(item)}; must be pairs (input, target) or dictionaries"
    )


def _holds_text(part: Any) -> bool:
    """Whether it is a text, or a list of texts: what a tokenised data set still holds of the original."""
    while isinstance(part, (list, tuple)) and part:
        part = part[0]
    return isinstance(part, str) or part is None


def _collated(rows: list[Any]) -> Any:
    """Rows as one batch; sequences of different lengths are padded."""
    first = rows[0]
    if isinstance(first, dict):
        names = list(first)
        if any(list(row) != names for row in rows):
            raise InputError("items of the data set have different keys")
        padded = {name: _padded([row[name] for row in rows], name) for name in names}
        varied = [name for name, (_, is_padded) in padded.items() if is_padded]
        if varied and "attention_mask" not in padded and set(varied) - set(_PADDING):
            raise InputError(
                f"sequences of different lengths ({', '.join(varied)}) without an attention_mask; pad "
                "them, or have the tokeniser return one"
            )
        return {name: batch for name, (batch, _) in padded.items()}
    if isinstance(first, (tuple, list)) and any(torch.is_tensor(part) for part in first):
        return tuple(_collated(list(part)) for part in zip(*rows, strict=True))
    if first is None:
        return None
    batch, is_padded = _padded(rows, "labels")
    if is_padded and torch.is_tensor(batch) and batch.is_floating_point():
        raise InputError("items of the data set have different shapes")
    return batch


def _padded(values: list[Any], name: str) -> tuple[Any, bool]:
    """A batch of values, and whether some of them had to be padded."""
    if isinstance(values[0], str) or name in ("answers", "context"):
        return objects(values if isinstance(values[0], str) else list(map(tuple, values))), False
    tensors = [torch.as_tensor(np.asarray(v) if isinstance(v, list) else v) for v in values]
    lengths = {tuple(tensor.shape) for tensor in tensors}
    if len(lengths) == 1:
        return default_collate(tensors), False
    if any(tensor.ndim != 1 for tensor in tensors):
        raise InputError(
            f"items of the data set have different shapes: {shown(sorted(lengths)[:2])}"
        )
    value = _PADDING.get(name, 0)
    batch = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=value)
    return batch, True


def _inputs(given: Any) -> Inputs:
    """Inputs as tensors: floating-point numbers become float32, whole ones int64."""
    if _is_dictionary(given):
        return {str(name): _input(given[name], f"inputs {str(name)!r}") for name in given}
    if isinstance(given, tuple):
        return tuple(_input(part, f"inputs {number}") for number, part in enumerate(given))
    return _input(given, "inputs")


def _input(given: Any, where: str) -> torch.Tensor:
    tensor = _tensor(given, where)
    if tensor.ndim == 0:
        raise InputError(f"{where} of shape (); must be (n, ...)")
    if tensor.is_floating_point():
        tensor = tensor.to(torch.float32)
        if not bool(torch.isfinite(tensor).all()):
            raise InputError(f"{where}: NaN or infinite values")
    elif tensor.dtype in (torch.int32, torch.int64):
        tensor = tensor.to(torch.int64)
    elif tensor.dtype != torch.bool or where == "inputs":
        raise InputError(
            f"{where} of type {tensor.dtype}; must be floating-point numbers "
            "(images: x.float() / 255), int64 (token numbers) or bool (masks)"
        )
    return tensor.contiguous()


def _targets(given: Any) -> Targets:
    if given is None:
        return None
    if _is_dictionary(given):
        return {str(name): _target(given[name], f"targets {str(name)!r}") for name in given}
    return _target(given, "targets")


def _target(given: Any, where: str) -> torch.Tensor | np.ndarray:
    if isinstance(given, np.ndarray) and given.dtype.kind in "OUS":
        return given.astype(object)
    try:
        return _tensor(given, where)
    except InputError:
        if isinstance(given, (list, tuple)):
            return objects(given)
        raise


def _tensor(values: Any, where: str) -> torch.Tensor:
    """A copy: the caller may change theirs."""
    if isinstance(values, torch.Tensor):
        return values.detach().to("cpu", copy=True)
    try:
        return torch.from_numpy(np.array(values))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: must be a tensor or an array of numbers: {error}") from error


def columns_of(model: Any) -> Collection[str] | None:
    """Names of what a network takes; None where it takes anything.

    Networks of Hugging Face take any keyword, which means nothing to them.
    """
    import inspect

    parameters = inspect.signature(model.forward).parameters.values()
    kinds = {parameter.kind for parameter in parameters}
    if inspect.Parameter.VAR_KEYWORD in kinds and not hasattr(model, "main_input_name"):
        return None
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [parameter.name for parameter in parameters if parameter.kind not in variable]
