"""Texts as blocks of characters, for small language models."""

from __future__ import annotations

import numpy as np
import torch

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import LanguageModel

#: Share of a text, at its end, that is the test data.
TEST_SHARE = 0.1


def character_blocks(text: str, block: int) -> tuple[Examples, Examples, int]:
    """A text cut into blocks; each character is to predict the next one. Measured in bits a character.

    Characters are numbered in their order, from 0.

    Args:
        text: The text.
        block: Characters in a block.

    Returns:
        Training and test data, which are the end of the text, and the number of different characters.

    Raises:
        InputError: A block has no characters, or the text is too short.
    """
    if isinstance(block, bool) or not isinstance(block, int) or block < 1:
        raise InputError(f"block: got {block!r}; must be a positive whole number")
    letters, numbers = np.unique(
        np.frombuffer(text.encode("utf-32-le"), np.uint32), return_inverse=True
    )
    n_blocks = (len(numbers) - 1) // block
    n_test = round(TEST_SHARE * n_blocks)
    if n_test < 1 or n_blocks - n_test < 2:
        raise InputError(f"{len(text):,} characters are too few for blocks of {block}")
    inputs, targets = (
        torch.from_numpy(numbers[first : first + n_blocks * block].reshape(n_blocks, block).copy())
        for first in (0, 1)
    )

    def examples(part: slice) -> Examples:
        task = LanguageModel(measure="bits")
        return Examples(inputs=inputs[part], targets=targets[part], task=task)

    n_train = n_blocks - n_test
    return examples(slice(0, n_train)), examples(slice(n_train, n_blocks)), len(letters)
