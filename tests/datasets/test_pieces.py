"""Running text in pieces: shifts, characters, hidden tokens."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_transformers import save_tokenizer

from lionheart_opt.datasets.pieces import Characters, pieces, texts_for_pieces
from lionheart_opt.datasets.text import load_tokenizer
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import LanguageModel, MaskedLanguageModel


@pytest.fixture
def tokenizer(tmp_path: Path) -> Any:
    pytest.importorskip("transformers")
    save_tokenizer(tmp_path / "tokenizer")
    return load_tokenizer(str(tmp_path / "tokenizer"))


def test_characters() -> None:
    known = Characters.of(["hello", "world"])
    assert known.vocabulary == "dehlorw"
    made = pieces(["hello", "he"], Characters.of(["hello\n"]), 3, LanguageModel(), (0.1, 0), "a")
    # "hello\nhe": \n = 0, e = 1, h = 2, l = 3, o = 4
    assert made.inputs.tolist() == [[2, 1, 3], [3, 4, 0]]  # type: ignore[union-attr]
    assert made.targets.tolist() == [[1, 3, 3], [4, 0, 2]]  # type: ignore[union-attr]
    with pytest.raises(InputError, match=r"a: characters that are not in the training data: 'xy'"):
        known.numbers("hxey", "a")


def test_targets_are_shifted_by_the_data_or_by_the_task() -> None:
    known, text = Characters.of(["abcdefg"]), ["abcdefg"]
    shifted = pieces(text, known, 3, LanguageModel(shift=True), (0.1, 0), "a")
    assert torch.equal(shifted.inputs, shifted.targets)  # type: ignore[arg-type]
    assert len(shifted) == 2
    with pytest.raises(InputError, match="a: 7 tokens; a piece has 8: set a smaller max_length"):
        pieces(text, known, 7, LanguageModel(), (0.1, 0), "a")


def test_tokens_of_a_tokenizer(tokenizer: Any) -> None:
    made = pieces(
        ["good film bad", "the film"], tokenizer, 2, LanguageModel(shift=True), (0.1, 0), "a"
    )
    assert made.inputs["input_ids"].tolist() == [[5, 7], [6, 9]]  # type: ignore[index]
    assert set(made.inputs) == {"input_ids", "attention_mask"}  # type: ignore[arg-type]


def test_hidden_tokens(tokenizer: Any) -> None:
    texts = ["good film the was very not who where is it"] * 40
    task = MaskedLanguageModel()
    made = pieces(texts, tokenizer, 12, task, (0.15, 0), "a")
    ids, right = made.inputs["input_ids"], made.targets  # type: ignore[index]
    assert isinstance(right, torch.Tensor) and len(made) == 40
    hidden = right != -100
    assert ((hidden.sum(1) >= 1).all()) and 0.1 < hidden.float().mean() < 0.25
    assert (ids[:, 0] == 2).all() and (ids[:, -1] == 3).all(), "special tokens are never hidden"
    whole = torch.where(hidden, right, ids)
    assert (whole == whole[0]).all(), "the hidden tokens are the right ones"
    masked = (ids == 4)[hidden].float().mean()
    assert 0.6 < masked < 0.95
    assert (ids == right)[hidden].any(), "some are shown"
    again = pieces(texts, tokenizer, 12, task, (0.15, 0), "a")
    other = pieces(texts, tokenizer, 12, task, (0.15, 1), "a")
    assert again.digest == made.digest != other.digest
    with pytest.raises(InputError, match="hidden: got 1; must be between 0 and 1"):
        pieces(texts, tokenizer, 12, task, (1.0, 0), "a")
    tokenizer.mask_token = None
    with pytest.raises(InputError, match="no token for the mask"):
        pieces(texts, tokenizer, 12, task, (0.1, 0), "a")


def test_files_of_texts(tmp_path: Path) -> None:
    txt, table = tmp_path / "a.txt", tmp_path / "a.csv"
    txt.write_text("one\n\ntwo\n")
    table.write_text("text,note\none,1\ntwo,2\n")
    assert texts_for_pieces(txt, "text", LanguageModel()) == ["one\n\ntwo\n"]
    assert texts_for_pieces(txt, "text", MaskedLanguageModel()) == ["one", "two"]
    assert texts_for_pieces(table, "text", LanguageModel()) == ["one", "two"]
    with pytest.raises(InputError, match=r"unknown column 'texts' .did you mean 'text'"):
        texts_for_pieces(table, "texts", LanguageModel())
    with pytest.raises(InputError, match="must be one column"):
        texts_for_pieces(table, ["text", "note"], LanguageModel())
    (tmp_path / "b.json").write_text('[{"text": 3}]')
    with pytest.raises(InputError, match="row 1: must be a text"):
        texts_for_pieces(tmp_path / "b.json", "text", LanguageModel())
