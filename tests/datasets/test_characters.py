"""Texts as blocks of characters: what is predicted from what, and which part is which."""

import pytest
import torch

from lionheart_opt.datasets.characters import character_blocks
from lionheart_opt.datasets.splits import split
from lionheart_opt.errors import InputError

TEXT = "to be or not to be, that is the question: " * 20


def test_each_character_predicts_the_next() -> None:
    train, test, n_characters = character_blocks(TEXT, 8)
    letters = sorted(set(TEXT))
    assert n_characters == len(letters)
    parts = [train, test]
    inputs = torch.cat([part.inputs for part in parts]).flatten().tolist()  # type: ignore[misc]
    targets = torch.cat([part.targets for part in parts]).flatten().tolist()  # type: ignore[misc]
    assert "".join(letters[number] for number in inputs) == TEXT[: len(inputs)]
    assert "".join(letters[number] for number in targets) == TEXT[1 : len(inputs) + 1]
    assert len(test) == round(0.1 * ((len(TEXT) - 1) // 8))


def test_validation_data_are_a_stretch_of_neighbours() -> None:
    train, test, _ = character_blocks(TEXT, 8)
    splits, whole = split(train, test), train.inputs
    assert isinstance(whole, torch.Tensor)
    rows = [tuple(row) for row in splits.validation.inputs.tolist()]  # type: ignore[union-attr]
    begins = [k for k in range(len(whole)) if tuple(whole[k].tolist()) in rows]
    assert any(set(range(first, first + len(rows))) <= set(begins) for first in range(len(whole)))


@pytest.mark.parametrize(("text", "block"), [(TEXT, 0), (TEXT, True), ("to be", 4), ("", 1)])
def test_what_cannot_be_cut(text: str, block: int) -> None:
    with pytest.raises(InputError, match=r"block: got|too few for blocks of"):
        character_blocks(text, block)
