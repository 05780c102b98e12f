"""Texts in files: classes, numbers, labels, pairs, padding, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_transformers import save_tokenizer

from lionheart_opt import datasets
from lionheart_opt.datasets import Dataset
from lionheart_opt.datasets.text import load_text
from lionheart_opt.errors import InputError, InputErrors

ROWS = [("good film", "pos"), ("the bad house", "neg"), ("very very red tree", "pos")] * 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("transformers")
    save_tokenizer(tmp_path / "tokenizer")
    write(tmp_path / "a.csv", ROWS)
    return tmp_path


def write(path: Path, rows: Any, names: tuple[str, ...] = ("text", "label")) -> None:
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]))


def made(folder: Path, **arguments: Any) -> Dataset:
    usual = {"train": "a.csv", "test": "a.csv", "tokenizer": str(folder / "tokenizer")}
    return load_text(folder, **{**usual, **arguments})


def test_classes_of_texts(folder: Path) -> None:
    data = made(folder)
    inputs = data.train.inputs
    assert isinstance(inputs, dict)
    assert set(inputs) == {"input_ids", "token_type_ids", "attention_mask"}
    assert inputs["input_ids"][0].tolist() == [2, 5, 7, 3, 0, 0], "padded as the tokenizer does"
    assert inputs["attention_mask"].sum(1).tolist()[:3] == [4, 5, 6]
    assert data.n_classes == 2 and data.train.targets.tolist()[:3] == [1, 0, 1]  # type: ignore[union-attr]
    assert data.split().validation.task == data.task


def test_long_texts_are_cut_off(folder: Path) -> None:
    inputs = made(folder, max_length=4).train.inputs
    assert isinstance(inputs, dict)
    assert inputs["input_ids"].shape == (12, 4) and (inputs["attention_mask"] == 1).all()
    with pytest.raises(
        InputError, match="max_length: got 99; the tokenizer's network takes at most 40"
    ):
        made(folder, max_length=99)
    with pytest.raises(InputError, match="max_length: got 1; must be at least 2"):
        made(folder, max_length=1)


def test_parts_are_alike(folder: Path) -> None:
    """Labels have the same numbers, and texts the same length, in all parts."""
    write(folder / "b.csv", [("tree", "pos"), ("very very good good red tree", "pos")])
    data = made(folder, test="b.csv", validation="b.csv")
    assert data.test.targets.tolist() == [1, 1]  # type: ignore[union-attr]
    shapes = {part.inputs["input_ids"].shape[1] for part in (data.train, data.test)}  # type: ignore[index, call-overload]
    assert shapes == {8}
    assert data.validation is not None and data.validation.digest == data.test.digest


def test_names_of_classes(folder: Path) -> None:
    assert made(folder, labels=["pos", "neg"]).train.targets.tolist()[:2] == [0, 1]  # type: ignore[union-attr]
    by_network = made(folder, network_labels=["pos", "other", "neg"])
    assert by_network.n_classes == 3
    assert by_network.train.targets.tolist()[:2] == [0, 2]  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"row 2: unknown label 'neg'; allowed: negative, pos"):
        made(folder, network_labels=["pos", "negative"])
    with pytest.raises(InputError, match="names must differ"):
        made(folder, labels=["pos", "pos"])


def test_labels_that_are_numbers(folder: Path) -> None:
    write(folder / "b.csv", [("tree", 10), ("red", 2), ("good", 2), ("a", 10)])
    data = made(folder, train="b.csv", test="b.csv", network_labels=["x", "y"])
    assert data.train.targets.tolist() == [10, 2, 2, 10] and data.n_classes == 11  # type: ignore[union-attr]
    (folder / "c.json").write_text(json.dumps([{"text": "red", "label": 0.5}] * 2))
    with pytest.raises(
        InputError, match=r"labels are no whole numbers; give .task. kind = 'regress"
    ):
        made(folder, train="c.json", test="c.json")
    numbers = made(folder, train="c.json", test="c.json", task="regression")
    assert numbers.train.targets.tolist() == [0.5, 0.5] and numbers.n_classes is None  # type: ignore[union-attr]


def test_several_labels(folder: Path) -> None:
    write(folder / "b.csv", [("tree", 1, 0), ("red", 1, 1)], ("text", "x", "y"))
    arguments = {"train": "b.csv", "test": "b.csv", "task": "multi_label"}
    assert made(folder, label=["x", "y"], **arguments).train.targets.tolist() == [[1, 0], [1, 1]]  # type: ignore[union-attr]
    with pytest.raises(InputError, match="label: got 'x'; this task needs a list of columns"):
        made(folder, label="x", **arguments)
    with pytest.raises(InputError, match="this task needs one column"):
        made(folder, label=["x", "y"], train="b.csv", test="b.csv")


def test_pairs_of_texts(folder: Path) -> None:
    write(folder / "b.csv", [("red tree", "a tree", 0), ("red", "a", 1)], ("one", "two", "label"))
    inputs = made(folder, train="b.csv", test="b.csv", text=["one", "two"]).train.inputs
    assert isinstance(inputs, dict)
    assert inputs["token_type_ids"][0].tolist() == [0, 0, 0, 0, 1, 1, 1]
    with pytest.raises(InputError, match="must be a column, or two of them"):
        made(folder, text=["a", "b", "c"])


def test_everything_that_is_wrong_is_said(folder: Path) -> None:
    write(folder / "b.csv", [("tree", "")])
    write(folder / "c.csv", [("", "pos")])
    for name in "bc":
        (folder / f"other_{name}.csv").write_text((folder / f"{name}.csv").read_text())
    with pytest.raises(InputErrors) as error:
        made(folder, train="b.csv", test="missing.csv", validation="c.txt")
    assert len(error.value.errors) == 2
    with pytest.raises(InputErrors, match="column 'label': row 1: has no label") as error:
        made(folder, train="b.csv", test="other_b.csv")
    with pytest.raises(InputErrors, match="column 'text': row 1: got ''; must be a text"):
        made(folder, train="c.csv", test="other_c.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": "txt"}, r"a.csv: unknown column 'txt' \(did you mean 'text'\?\)"),
        ({"label": "class"}, "a.csv: unknown column 'class'; allowed: label, text"),
        ({"tokenizer": "characters"}, "tokenizer: characters are for language models"),
        ({"tokenizer": "nobody/nothing"}, "neither a folder nor in the cache"),
        ({"train": "a.txt"}, "a.txt: a txt file has no labels"),
        ({"task": "classifcation"}, "did you mean 'classification'"),
    ],
)
def test_what_is_refused(folder: Path, arguments: dict[str, Any], message: str) -> None:
    (folder / "a.txt").write_text("red tree")
    with pytest.raises(InputError, match=message):
        made(folder, **arguments)


def test_a_tokenizer_without_padding(folder: Path) -> None:
    save_tokenizer(folder / "other", pad_token=None)
    write(folder / "b.csv", [("red", 0), ("tree", 1)])
    arguments = {"tokenizer": str(folder / "other")}
    assert len(made(folder, train="b.csv", test="b.csv", **arguments).train) == 2
    with pytest.raises(InputError, match="it has no token for padding, and texts differ in length"):
        made(folder, **arguments)


def test_characters_need_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    (tmp_path / "a.txt").write_text("to be or not to be " * 9)
    (tmp_path / "b.txt").write_text("to be, or not to be")
    arguments = {"tokenizer": "characters", "task": "language_model", "max_length": 8}
    data = datasets.load("text", tmp_path, train="a.txt", test="a.txt", **arguments)
    assert isinstance(data.train.inputs, torch.Tensor) and data.train.inputs.shape == (21, 8)
    with pytest.raises(InputError, match=r"b.txt: characters that are not in .*: ','"):
        datasets.load("text", tmp_path, train="a.txt", test="b.txt", **arguments)
    with pytest.raises(InputError, match=r"pip install 'lionheart_opt\[transformers\]'"):
        datasets.load("text", tmp_path, train="a.txt", test="a.txt", tokenizer="x")
    with pytest.raises(InputError, match="data set 'text': unknown argument 'maxlength'"):
        datasets.load("text", tmp_path, train="a.txt", test="a.txt", tokenizer="x", maxlength=3)
    with pytest.raises(InputError, match="max_length: got 'x'"):
        datasets.load("text", tmp_path, train="a", test="a", tokenizer="x", max_length="x")
