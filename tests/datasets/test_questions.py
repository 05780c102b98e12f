"""Questions in windows: answers are where they are said to be, whatever the file."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_transformers import save_tokenizer

from lionheart_opt.datasets.questions import Asked, examples_of_questions, read_questions
from lionheart_opt.datasets.text import load_tokenizer
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import QuestionAnswering
from lionheart_opt.tasks.question_answering import normalised

CONTEXT = "the house is red the tree is green and the film was very good " * 2
ROWS = [
    {
        "question": "where is the tree",
        "context": CONTEXT,
        "answers": [("green", CONTEXT.index("green")), ("is green", CONTEXT.index("is green"))],
    },
    {"question": "who", "context": "a very red house", "answers": [("red house", 7)]},
]


def squad(rows: Any = ROWS) -> dict[str, Any]:
    return {
        "version": "1.1",
        "data": [
            {
                "title": "t",
                "paragraphs": [
                    {
                        "context": row["context"],
                        "qas": [
                            {
                                "id": "1",
                                "question": row["question"],
                                "answers": [
                                    {"text": text, "answer_start": start}
                                    for text, start in row["answers"]
                                ],
                            }
                        ],
                    }
                ],
            }
            for row in rows
        ],
    }


def flat(row: dict[str, Any]) -> dict[str, Any]:
    texts, starts = zip(*row["answers"], strict=True)
    return {**row, "answers": {"text": list(texts), "answer_start": list(starts)}}


def write(folder: Path, name: str) -> Path:
    path = folder / name
    rows = [flat(row) for row in ROWS]
    if name == "squad.json":
        path.write_text(json.dumps(squad()))
    elif name.endswith("jsonl"):
        path.write_text("\n".join(map(json.dumps, rows)))
    elif name.endswith("json"):
        path.write_text(json.dumps(rows))
    else:
        lines = [
            "\t".join((row["question"], row["context"], json.dumps(row["answers"]))) for row in rows
        ]
        path.write_text("\n".join(["question\tcontext\tanswers", *lines]))
    return path


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    pytest.importorskip("transformers")
    save_tokenizer(tmp_path / "tokenizer")
    return load_tokenizer(str(tmp_path / "tokenizer"))


@pytest.mark.parametrize("name", ["squad.json", "a.jsonl", "a.json", "a.tsv"])
def test_every_file_holds_the_same(tmp_path: Path, name: str) -> None:
    assert read_questions(write(tmp_path, name)) == [
        Asked(
            question=str(row["question"]),
            context=str(row["context"]),
            answers=tuple(row["answers"]),  # type: ignore[arg-type]
        )
        for row in ROWS
    ]


def test_windows(tmp_path: Path, tokenizer: Any) -> None:
    path = write(tmp_path, "squad.json")
    task = QuestionAnswering(measure="exact_match")
    made = examples_of_questions({"train": path}, tokenizer, 16, 4, task)["train"]
    right = made.targets
    assert isinstance(right, dict) and isinstance(made.inputs, dict)
    n, n_windows, n_tokens = made.inputs["input_ids"].shape
    assert (n, n_tokens) == (2, 16) and n_windows > 2
    assert (right["start"][1, 1:] == -100).all(), "windows that are not needed count nowhere"
    assert (right["offsets"][1, 1:] == -1).all()
    assert torch.equal(made.inputs["input_ids"][1, 1], made.inputs["input_ids"][1, 0])
    for number, window in ((number, window) for number in range(n) for window in range(n_windows)):
        start, end = right["start"][number, window], right["end"][number, window]
        if start > 0:
            first, last = right["offsets"][number, window, [start, end]]
            text = right["context"][number][first[0] : last[1]]
            assert normalised(text) == normalised(right["answers"][number][0])
    assert (right["start"] > 0).any(dim=1).all(), "each answer is in a window"
    said = {
        "start_logits": torch.nn.functional.one_hot(right["start"].clamp(0).flatten(0, 1), 16)
        * 9.0,
        "end_logits": torch.nn.functional.one_hot(right["end"].clamp(0).flatten(0, 1), 16) * 9.0,
    }
    assert task.statistics(said, made).flatten().tolist() == [True, True]
    assert bool(torch.isfinite(task.loss(said, made)))
    offsets = right["offsets"]
    assert (offsets[0, 0, :6] == -1).all(), "tokens of the question are no answers"


def test_padding_on_the_left(tmp_path: Path, tokenizer: Any) -> None:
    tokenizer.padding_side = "left"
    path = write(tmp_path, "squad.json")
    made = examples_of_questions({"train": path}, tokenizer, 16, 4, QuestionAnswering())["train"]
    right = made.targets
    assert isinstance(right, dict)
    start = right["start"][1, 0]
    first, last = right["offsets"][1, 0, start, 0], right["offsets"][1, 0, right["end"][1, 0], 1]
    assert right["context"][1][first:last] == "red house"


def changed(**changes: Any) -> list[dict[str, Any]]:
    return [{**flat(ROWS[1]), **changes}]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed(answers=[]), "question 1: has no answer"),
        (changed(answers={"text": [], "answer_start": []}), "SQuAD 2.0, must be left out"),
        (changed(answers={"text": ["red"], "answer_start": [3]}), "'red' is not at character 3"),
        (changed(answers={"text": ["e"], "answer_start": [-1]}), "is not at character -1"),
        (changed(answers={"text": ["red"], "answer_start": [7, 8]}), "1 texts, but 2 places"),
        (changed(answers={"text": ["red"], "answer_start": ["7"]}), "got 'red' at '7'"),
        (changed(answers=3), "must be objects with text and answer_start"),
        (changed(answers="{"), "answers: not valid JSON"),
        (changed(question=""), "question: got ''; must be a text"),
        (changed(context=None), "context: got None; must be a text"),
        ([{"question": "a", "context": "b"}], "there is no 'answers'"),
        ({"data": [{"paragraphs": [{}]}]}, "not as SQuAD's files"),
        ({"data": [{"paragraphs": []}]}, "has no questions"),
    ],
)
def test_what_is_refused(tmp_path: Path, rows: Any, message: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(rows))
    with pytest.raises(InputError, match=message):
        read_questions(path)


def test_settings_that_are_refused(tmp_path: Path, tokenizer: Any) -> None:
    paths = {"train": write(tmp_path, "squad.json")}
    with pytest.raises(InputError, match="stride: got 16; must be from 0 to 15"):
        examples_of_questions(paths, tokenizer, 16, 16, QuestionAnswering())
    with pytest.raises(InputError, match="max_length: got 6, stride 1; a question leaves no room"):
        examples_of_questions(paths, tokenizer, 6, None, QuestionAnswering())
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(InputError, match="a txt file has no questions"):
        read_questions(tmp_path / "a.txt")
