"""Questions about texts, as SQuAD has them, in windows of tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.datasets.tables import read_json, read_table
from lionheart_opt.errors import Collected, InputError, unknown
from lionheart_opt.tasks import QuestionAnswering
from lionheart_opt.tasks.language_model import IGNORED
from lionheart_opt.tasks.question_answering import objects
from lionheart_opt.text import shown


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question.

    Args:
        question: The question.
        context: The text that it is about.
        answers: Answers that count as right, each with its place in the text. Networks are trained on the
            first one.
    """

    question: str
    context: str
    answers: tuple[tuple[str, int], ...]


def examples_of_questions(
    paths: dict[str, Path],
    tokenizer: Any,
    length: int,
    stride: int | None,
    task: QuestionAnswering,
) -> dict[str, Examples]:
    """Examples as `QuestionAnswering` takes them. All questions have as many windows.

    Files are SQuAD's json, or tables with columns question, context and answers. Answers are an object
    with `text` and `answer_start` (lists, or one of each), or a list of such objects; in csv and tsv as
    JSON. Windows that are not needed repeat the first one; they count neither in training nor in answers.

    Args:
        paths: Part of the data -> file.
        tokenizer: A tokenizer of `transformers` that knows where tokens are in texts.
        length: Tokens of a window.
        stride: Tokens that two windows share; None is a quarter of the window.
        task: What the network is for.

    Raises:
        InputError: A file cannot be read, or an answer is not where it is said to be.
    """
    if not tokenizer.is_fast:
        raise InputError(
            "data set 'text': tokenizer: it does not say where tokens are in a text; use a fast one"
        )
    shared = length // 4 if stride is None else stride
    if not 0 <= shared < length:
        raise InputError(f"data set 'text': stride: got {stride}; must be from 0 to {length - 1}")
    asked: dict[str, list[Asked]] = {}
    wrong = Collected()
    for part, path in paths.items():
        with wrong.collect():
            asked[part] = read_questions(path)
    wrong.refuse()
    windows = {part: _windows(asked[part], tokenizer, length, shared) for part in paths}
    count = max(len(rows) for each in windows.values() for rows in each.rows)
    return {part: _examples(asked[part], windows[part], count, task) for part in paths}


def read_questions(path: Path) -> list[Asked]:
    """The questions of a file.

    Raises:
        InputError: It cannot be read, or a question is incomplete.
    """
    nested = path.suffix.lower() == ".json" and _is_squad(content := read_json(path))
    rows = list(_of_squad(content, path) if nested else _of_table(path))
    if not rows:
        raise InputError(f"{path}: has no questions")
    return [_asked(row, f"{path}: question {number}") for number, row in enumerate(rows, 1)]


def _is_squad(content: Any) -> bool:
    data = content.get("data") if isinstance(content, dict) else None
    return isinstance(data, list) and all(
        isinstance(entry, dict) and "paragraphs" in entry for entry in data
    )


def _of_squad(content: dict[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    try:
        for entry in content["data"]:
            for paragraph in entry["paragraphs"]:
                for asked in paragraph["qas"]:
                    yield {**asked, "context": paragraph["context"]}
    except (KeyError, TypeError) as error:
        raise InputError(f"{path}: not as SQuAD's files: {error}") from error


def _of_table(path: Path) -> Iterator[dict[str, Any]]:
    if path.suffix.lower() == ".txt":
        raise InputError(f"{path}: a txt file has no questions; use SQuAD's json, or a table")
    table = read_table(path)
    names = ("question", "context", "answers")
    for name in names:
        if name not in table:
            raise unknown("columns: there is no", name, table, str(path))
    for row in zip(*(table[name] for name in names), strict=True):
        yield dict(zip(names, row, strict=True))


def _asked(row: dict[str, Any], where: str) -> Asked:
    question, context, answers = (row.get(name) for name in ("question", "context", "answers"))
    for name, value in (("question", question), ("context", context)):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{where}: {name}: got {shown(value)}; must be a text")
    if isinstance(answers, str):
        try:
            answers = json.loads(answers)
        except ValueError as error:
            raise InputError(f"{where}: answers: not valid JSON: {error}") from error
    each = list(_answers(answers, where))
    if not each:
        raise InputError(
            f"{where}: has no answer; questions without one, as in SQuAD 2.0, must be left out"
        )
    assert isinstance(question, str) and isinstance(context, str)
    for text, start in each:
        if start < 0 or context[start : start + len(text)] != text or not text.strip():
            raise InputError(f"{where}: the answer {shown(text)} is not at character {start}")
    return Asked(question=question, context=context, answers=tuple(each))


def _answers(given: Any, where: str) -> Iterator[tuple[str, int]]:
    if isinstance(given, dict) and {"text", "answer_start"} <= set(given):
        texts, starts = given["text"], given["answer_start"]
        if isinstance(texts, str):
            texts, starts = [texts], [starts]
        pairs = list(zip(texts, starts, strict=False))
        if len(texts) != len(starts):
            raise InputError(f"{where}: answers: {len(texts)} texts, but {len(starts)} places")
        for text, start in pairs:
            is_whole = isinstance(start, (int, np.integer)) and not isinstance(start, bool)
            if not isinstance(text, str) or not is_whole:
                raise InputError(f"{where}: answers: got {shown(text)} at {shown(start)}")
            yield text, int(start)
    elif isinstance(given, (list, tuple)) and all(isinstance(answer, dict) for answer in given):
        for answer in given:
            yield from _answers(answer, where)
    else:
        raise InputError(
            f"{where}: answers: got {shown(given)}; must be objects with text and answer_start"
        )


@dataclass(frozen=True)
class _Windows:
    """The windows of all questions of a part.

    Args:
        inputs: Name -> numbers, shape (n_windows, n_tokens).
        offsets: Where tokens are in the text, shape (n_windows, n_tokens, 2); -1 elsewhere.
        rows: Numbers of the windows of each question.
    """

    inputs: dict[str, np.ndarray]
    offsets: np.ndarray
    rows: list[list[int]]


def _windows(asked: list[Asked], tokenizer: Any, length: int, stride: int) -> _Windows:
    is_right = tokenizer.padding_side == "right"
    texts = [each.question for each in asked], [each.context for each in asked]
    try:
        encoded = tokenizer(
            *(texts if is_right else texts[::-1]),
            truncation="only_second" if is_right else "only_first",
            max_length=length,
            stride=stride,
            padding="max_length",
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
    except BaseException as error:  # the tokenizer panics where a question leaves no room
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"data set 'text': max_length: got {length}, stride {stride}; a question leaves no room for "
            f"its text: {reason}"
        ) from error
    of = [int(number) for number in encoded["overflow_to_sample_mapping"]]
    offsets = np.array(encoded["offset_mapping"], dtype=np.int64)
    for window in range(len(of)):
        which = encoded.sequence_ids(window)
        outside = np.array([number != (1 if is_right else 0) for number in which])
        offsets[window][outside] = -1
    rows: list[list[int]] = [[] for _ in asked]
    for window, number in enumerate(of):
        rows[number].append(window)
    names = [name for name in tokenizer.model_input_names if name in encoded]
    return _Windows({name: np.array(encoded[name]) for name in names}, offsets, rows)


def _examples(asked: list[Asked], made: _Windows, count: int, task: QuestionAnswering) -> Examples:
    """Examples with so many windows each."""
    numbers = np.array([[*rows, *[rows[0]] * (count - len(rows))] for rows in made.rows])
    is_real = np.array([[k < len(rows) for k in range(count)] for rows in made.rows])
    offsets = made.offsets[numbers]
    offsets[~is_real] = -1
    start, end = np.full((2, len(asked), count), IGNORED)
    for number, each in enumerate(asked):
        text, first = each.answers[0]
        for window in range(len(made.rows[number])):
            ends = _place(offsets[number, window], first, first + len(text))
            start[number, window], end[number, window] = ends
    return Examples(
        inputs={name: torch.from_numpy(values[numbers]) for name, values in made.inputs.items()},
        targets={
            "start": torch.from_numpy(start),
            "end": torch.from_numpy(end),
            "offsets": torch.from_numpy(offsets),
            "context": objects([each.context for each in asked]),
            "answers": objects([tuple(text for text, _ in each.answers) for each in asked]),
        },
        task=task,
    )


def _place(offsets: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """Numbers of the first and last token of a stretch of text; 0 and 0 if it is not all there."""
    inside = (offsets[:, 0] >= 0) & (offsets[:, 0] < last) & (offsets[:, 1] > first)
    tokens = np.flatnonzero(inside)
    if not len(tokens):
        return 0, 0
    is_whole = offsets[tokens[0], 0] <= first and offsets[tokens[-1], 1] >= last
    return (int(tokens[0]), int(tokens[-1])) if is_whole else (0, 0)
