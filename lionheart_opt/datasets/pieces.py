"""Running text, cut into pieces of tokens for language models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.datasets.tables import read_plain, read_table
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.tasks import LanguageModel, MaskedLanguageModel
from lionheart_opt.tasks.language_model import IGNORED
from lionheart_opt.text import shown

#: The tokenizer whose tokens are single characters.
CHARACTERS = "characters"
#: Shares of the hidden tokens that are replaced by the mask, and by another token.
MASKED, REPLACED = 0.8, 0.1


@dataclass(frozen=True)
class Characters:
    """Numbers of characters.

    Args:
        vocabulary: The characters, in the order of their numbers.
    """

    vocabulary: str
    model_max_length: int = 1 << 30

    @classmethod
    def of(cls, texts: Sequence[str]) -> Characters:
        """The characters of texts, sorted."""
        return cls("".join(sorted(set().union(*texts))))

    def numbers(self, text: str, where: str) -> list[int]:
        """Numbers of the characters of a text.

        Raises:
            InputError: A character is not in the vocabulary.
        """
        places = {character: number for number, character in enumerate(self.vocabulary)}
        strange = sorted(set(text) - set(places))
        if strange:
            raise InputError(
                f"{where}: characters that are not in the training data: "
                f"{shown(''.join(strange[:10]))}; add them there, or leave them out"
            )
        return [places[character] for character in text]


def texts_for_pieces(path: Path, column: str | list[str], task: LanguageModel) -> list[str]:
    """The texts of a file, which are cut into pieces one after the other.

    Args:
        path: A txt file: a single text, or one a line for masked language models. Or a table.
        column: Column of the texts in a table.
        task: What the network is for.

    Raises:
        InputError: It cannot be read, is empty, or has no such column.
    """
    if path.suffix.lower() == ".txt":
        text = read_plain(path)
        if isinstance(task, MaskedLanguageModel):
            return [line for line in text.splitlines() if line.strip()]
        return [text]
    table = read_table(path)
    if not isinstance(column, str):
        raise InputError(f"data set 'text': text: got {shown(column)}; must be one column")
    if column not in table:
        raise unknown("column", column, table, str(path))
    for number, value in enumerate(table[column], 1):
        if not isinstance(value, str):
            raise InputError(f"{path}: column {column!r}: row {number}: must be a text")
    return table[column]


def pieces(
    texts: Sequence[str],
    tokenizer: Any,
    length: int,
    task: LanguageModel,
    hiding: tuple[float, int],
    where: str,
) -> Examples:
    """Pieces of the same number of tokens.

    Args:
        texts: The texts, in their order.
        tokenizer: A tokenizer of `transformers`, or `Characters`.
        length: Tokens of a piece.
        task: What the network is for. Where it shifts its targets, they are the piece itself; otherwise
            the tokens one place later.
        hiding: Share of the tokens that masked language models have to guess, and seed of their choice.
        where: What messages call the texts.

    Raises:
        InputError: There are fewer tokens than a piece has, or tokens that are not known.
    """
    is_masked, is_plain = isinstance(task, MaskedLanguageModel), isinstance(tokenizer, Characters)
    tokens = _tokens(texts, tokenizer, is_masked, where)
    ahead = 0 if is_masked or task.shift else 1
    count = (len(tokens) - ahead) // length
    if count < 1:
        raise InputError(
            f"{where}: {len(tokens):,} tokens; a piece has {length + ahead}: set a smaller max_length"
        )
    blocks = torch.as_tensor(tokens[: count * length]).view(count, length)
    following = torch.as_tensor(tokens[ahead : ahead + count * length]).view(count, length)
    if is_masked:
        blocks, following = _hidden(blocks, tokenizer, hiding, where)
    if is_plain:
        return Examples(inputs=blocks, targets=following, task=task)
    inputs = {"input_ids": blocks, "attention_mask": torch.ones_like(blocks)}
    names = tokenizer.model_input_names
    return Examples(
        inputs={name: part for name, part in inputs.items() if name in names},
        targets=following,
        task=task,
    )


def _tokens(texts: Sequence[str], tokenizer: Any, is_masked: bool, where: str) -> np.ndarray:
    """The tokens of all texts, one after the other."""
    if isinstance(tokenizer, Characters):
        return np.array(tokenizer.numbers("\n".join(texts), where), dtype=np.int64)
    try:
        encoded = tokenizer(list(texts), add_special_tokens=is_masked, verbose=False)["input_ids"]
    except (ValueError, TypeError) as error:
        raise InputError(f"{where}: tokenizer: {error}") from error
    end = tokenizer.eos_token_id
    if not is_masked and end is not None and len(texts) > 1:
        encoded = [[*ids, end] for ids in encoded]
    return np.array([number for ids in encoded for number in ids], dtype=np.int64)


def _hidden(
    blocks: torch.Tensor, tokenizer: Any, hiding: tuple[float, int], where: str
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pieces with hidden tokens, and these tokens."""
    share, seed = hiding
    if not 0.0 < share < 1.0:
        raise InputError(f"data set 'text': hidden: got {share:g}; must be between 0 and 1")
    if tokenizer.mask_token_id is None:
        raise InputError(
            f"{where}: the tokenizer has no token for the mask: it is for no masked language model"
        )
    rng = np.random.default_rng(seed)
    shape = tuple(blocks.shape)
    ordinary = ~np.isin(blocks.numpy(), tokenizer.all_special_ids)
    chosen = (rng.random(shape) < share) & ordinary
    for row in np.flatnonzero(~chosen.any(axis=1) & ordinary.any(axis=1)):
        chosen[row, rng.choice(np.flatnonzero(ordinary[row]))] = True
    kind, others = rng.random(shape), rng.integers(len(tokenizer), size=shape)
    shown_tokens = blocks.numpy().copy()
    shown_tokens[chosen & (kind < MASKED)] = tokenizer.mask_token_id
    replaced = chosen & (kind >= MASKED) & (kind < MASKED + REPLACED)
    shown_tokens[replaced] = others[replaced]
    return torch.from_numpy(shown_tokens), blocks.masked_fill(torch.from_numpy(~chosen), IGNORED)
