"""Texts in files as examples of token numbers: classes, numbers, pieces of text, questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lionheart_opt.datasets import Dataset
from lionheart_opt.datasets.pieces import CHARACTERS, Characters, pieces, texts_for_pieces
from lionheart_opt.datasets.questions import examples_of_questions
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.datasets.tables import Columns, read_table
from lionheart_opt.errors import Collected, InputError, unknown
from lionheart_opt.pretrained import place_of, stored
from lionheart_opt.tasks import (
    Classification,
    LanguageModel,
    MaskedLanguageModel,
    MultiLabel,
    QuestionAnswering,
    Regression,
    Task,
    task_of,
)
from lionheart_opt.text import shown

#: What messages call such a data set.
WHERE = "data set 'text'"
#: Most tokens of an example where neither the study nor the tokenizer says it.
USUAL_LENGTH = 512


def load_text(
    folder: Path,
    *,
    train: str,
    test: str,
    validation: str | None = None,
    text: str | list[str] = "text",
    label: str | list[str] = "label",
    labels: list[str] | None = None,
    network_labels: list[str] | None = None,
    tokenizer: str,
    max_length: int | None = None,
    stride: int | None = None,
    hidden: float = 0.15,
    hidden_seed: int = 0,
    task: Any = "classification",
) -> Dataset:
    """Texts from files, as a tokenizer gives them to a network: token numbers, and masks of padding.

    Classes, numbers: rows of a table with columns of texts and labels. Language models: the whole text of
    a txt file, or of a column, is cut into pieces of `max_length` tokens; what is left at the end is
    dropped. Masked language models: the same, with lines or rows as texts, and some of the tokens hidden,
    once for all epochs. Questions: see `examples_of_questions`.

    Args:
        folder: What relative names of files are relative to.
        train: File of the training data: csv, tsv, json, jsonl, parquet or txt.
        test: File of the test data.
        validation: File of the validation data; None splits them off the training data.
        text: Column of the texts, or two columns for pairs of texts.
        label: Column of the labels; columns of 0 or 1, one for each class, for `multi_label`.
        labels: Names of the classes, in the order of the network's scores. By default, labels that are
            whole numbers are class numbers; others have the order of `network_labels`.
        network_labels: Names that the network itself has for its classes; None sorts those of the
            training data.
        tokenizer: Folder of a tokenizer, or its id in the cache of Hugging Face; or `characters`, for
            language models, whose vocabulary is the characters of the training data, sorted.
        max_length: Most tokens of an example, longer texts are cut off; that of the tokenizer by default,
            at most 512.
        stride: Tokens that two windows of a long text share, for questions; a quarter of `max_length` by
            default.
        hidden: Share of the tokens that masked language models have to guess. Of these, 80 % are replaced
            by the mask and 10 % by another token (Devlin et al., NAACL 2019, section 3.1).
        hidden_seed: Seed of the choice of these tokens.
        task: What the network is for: a name, a table, or a `Task`.

    Raises:
        InputError: A file or the tokenizer cannot be read, a column is missing, or a label is missing or
            unknown. All that is wrong with the files is said.
    """
    made = task_of(task)
    files = {"train": train, "test": test}
    if validation is not None:
        files["validation"] = validation
    paths = {part: folder / Path(name).expanduser() for part, name in files.items()}
    if max_length is not None and max_length < 2:
        raise InputError(f"{WHERE}: max_length: got {max_length}; must be at least 2")
    if tokenizer == CHARACTERS and (
        not isinstance(made, LanguageModel) or isinstance(made, MaskedLanguageModel)
    ):
        raise InputError(
            f"{WHERE}: tokenizer: {CHARACTERS} are for language models; "
            'give [task] kind = "language_model", or a tokenizer'
        )
    if isinstance(made, LanguageModel):
        texts = _each(paths, lambda _, path: texts_for_pieces(path, text, made))
        tokens = (
            Characters.of(texts["train"]) if tokenizer == CHARACTERS else load_tokenizer(tokenizer)
        )
        length = _length(max_length, tokens)
        hiding = (hidden, hidden_seed)
        parts = {
            part: pieces(texts[part], tokens, length, made, hiding, f"{WHERE}: {paths[part]}")
            for part in paths
        }
        return _dataset(parts, made, None, paths)
    tokens = load_tokenizer(tokenizer)
    length = _length(max_length, tokens)
    if isinstance(made, QuestionAnswering):
        parts = examples_of_questions(paths, tokens, length, stride, made)
        return _dataset(parts, made, None, paths)
    tables = _each(paths, lambda _, path: _table(path))
    rows = _each(paths, lambda part, path: _texts(tables[part], text, path))
    said = _each(paths, lambda part, path: _labels(tables[part], label, made, path))
    names: Sequence[Any] | None = None
    if not isinstance(made, MultiLabel | Regression):
        names = _class_names(said["train"], labels, network_labels, paths["train"])
        said = _each(paths, lambda part, path: _numbers(said[part], names, path))
    encoded = encode(rows, tokens, length)
    parts = {
        part: Examples(inputs=encoded[part], targets=torch.as_tensor(said[part]), task=made)
        for part in paths
    }
    return _dataset(parts, made, names, paths)


def load_tokenizer(name: str) -> Any:
    """The tokenizer of a folder, or of the cache.

    Raises:
        InputError: There is none.
    """
    return stored("AutoTokenizer", place_of(name, Path()), f"{WHERE}: tokenizer")


def encode(
    rows: dict[str, list[list[str]]], tokenizer: Any, length: int
) -> dict[str, dict[str, torch.Tensor]]:
    """Inputs of a network for texts, all padded to the same length.

    Args:
        rows: Part of the data -> a list of one or two texts for each example.
        tokenizer: A tokenizer of `transformers`.
        length: Most tokens of an example.

    Raises:
        InputError: The tokenizer refuses a text, or cannot pad.
    """
    encoded = {}
    try:
        for part, texts in rows.items():
            columns = [list(column) for column in zip(*texts, strict=True)]
            encoded[part] = tokenizer(*columns, truncation=True, max_length=length)
        lengths = {len(ids) for each in encoded.values() for ids in each["input_ids"]}
        if len(lengths) > 1 and tokenizer.pad_token_id is None:
            raise InputError(
                f"{WHERE}: tokenizer: it has no token for padding, and texts differ in length; set its "
                "pad_token and save it again"
            )
        if len(lengths) > 1:
            encoded = {
                part: tokenizer.pad(each, padding="max_length", max_length=max(lengths))
                for part, each in encoded.items()
            }
    except (ValueError, TypeError, KeyError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{WHERE}: tokenizer: {error}") from error
    return {
        part: {name: torch.as_tensor(np.asarray(each[name])) for name in each}
        for part, each in encoded.items()
    }


def _each(paths: dict[str, Path], read: Callable[[str, Path], Any]) -> dict[str, Any]:
    """What is read of each part; all that is wrong is said."""
    wrong, content = Collected(), {}
    for part, path in paths.items():
        with wrong.collect():
            content[part] = read(part, path)
    wrong.refuse()
    return content


def _table(path: Path) -> Columns:
    if path.suffix.lower() == ".txt":
        raise InputError(
            f"{path}: a txt file has no labels; this task needs a table: csv, tsv, json, jsonl, parquet"
        )
    return read_table(path)


def column(table: Columns, name: str, path: Path) -> list[Any]:
    """A column of a table.

    Raises:
        InputError: There is none of that name.
    """
    if name not in table:
        raise unknown("column", name, table, str(path))
    return table[name]


def _texts(table: Columns, text: str | list[str], path: Path) -> list[list[str]]:
    names = [text] if isinstance(text, str) else text
    if not 1 <= len(names) <= 2:
        raise InputError(f"{WHERE}: text: got {shown(text)}; must be a column, or two of them")
    columns = [column(table, name, path) for name in names]
    for name, values in zip(names, columns, strict=True):
        for number, value in enumerate(values, 1):
            if not isinstance(value, str) or not value.strip():
                raise InputError(
                    f"{path}: column {name!r}: row {number}: got {shown(value)}; must be a text"
                )
    return [list(row) for row in zip(*columns, strict=True)]


def _labels(table: Columns, label: str | list[str], task: Task, path: Path) -> Any:
    """Labels as the file has them; numbers for regression and several labels."""
    if isinstance(task, MultiLabel) != isinstance(label, list):
        wanted = "a list of columns" if isinstance(task, MultiLabel) else "one column"
        raise InputError(f"{WHERE}: label: got {shown(label)}; this task needs {wanted}")
    names = label if isinstance(label, list) else [label]
    columns = [column(table, name, path) for name in names]
    for name, values in zip(names, columns, strict=True):
        for number, value in enumerate(values, 1):
            if value is None or value != value or (isinstance(value, str) and not value.strip()):
                raise InputError(f"{path}: column {name!r}: row {number}: has no label")
    if not isinstance(task, MultiLabel | Regression):
        return columns[0]
    try:
        numbers = np.array(columns, dtype=np.float32).T
    except (TypeError, ValueError) as error:
        raise InputError(f"{path}: labels must be numbers: {error}") from error
    return numbers if isinstance(task, MultiLabel) else numbers[:, 0]


def _class_names(
    labels: Sequence[Any], given: list[str] | None, network: list[str] | None, path: Path
) -> Sequence[Any]:
    """Names of the classes in their order; a range where labels are the numbers themselves."""
    if given is not None:
        if len(set(given)) < len(given):
            raise InputError(f"{WHERE}: labels: got {shown(given)}; names must differ")
        return given
    numbers = [_whole(label) for label in labels]
    if all(number is not None for number in numbers):
        return range(1 + max(number for number in numbers if number is not None))
    if any(isinstance(label, float) for label in labels):
        raise InputError(f"{path}: labels are no whole numbers; give [task] kind = 'regression'")
    if network is not None:
        return network
    return sorted({str(label) for label in labels})


def _whole(label: Any) -> int | None:
    """The class number that a label is; None if it is a name."""
    if isinstance(label, str):
        return int(label) if label.strip().isdecimal() else None
    is_number = isinstance(label, (int, np.integer)) and not isinstance(label, bool)
    return int(label) if is_number and label >= 0 else None


def _numbers(labels: Sequence[Any], names: Sequence[Any], path: Path) -> np.ndarray:
    """The class number of each label."""
    places = {str(name): number for number, name in enumerate(names)}
    whole = isinstance(names[0], int)
    said = [str(_whole(label) if whole else label) for label in labels]
    for number, label in enumerate(said, 1):
        if label not in places:
            raise unknown("label", str(labels[number - 1]), places, f"{path}: row {number}")
    return np.array([places[label] for label in said], dtype=np.int64)


def _length(asked: int | None, tokenizer: Any) -> int:
    largest = min(int(tokenizer.model_max_length), 1 << 30)
    if asked is None:
        return min(largest, USUAL_LENGTH)
    if asked > largest:
        raise InputError(
            f"{WHERE}: max_length: got {asked}; the tokenizer's network takes at most {largest}"
        )
    return asked


def _dataset(
    parts: dict[str, Examples], task: Task, names: Sequence[Any] | None, paths: dict[str, Path]
) -> Dataset:
    files = ", ".join(f"{part} {path.name}" for part, path in paths.items())
    classes = isinstance(task, Classification)
    return Dataset(
        name="text",
        train=parts["train"],
        test=parts["test"],
        validation=parts.get("validation"),
        n_classes=len(names) if classes and names is not None else None,
        provenance=f"texts: {files}",
    )
