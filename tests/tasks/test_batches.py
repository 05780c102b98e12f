"""Tensors, tuples and dictionaries as what a network is called with."""

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lionheart_opt.tasks import batches

A, B = torch.arange(6.0).view(3, 2), torch.arange(3)
CASES: list[Any] = [A, (A, B), {"a": A, "b": B}]


class Adds(nn.Module):
    def forward(self, a: torch.Tensor, b: Any = 0) -> torch.Tensor:
        return a.sum(1) + b


@pytest.mark.parametrize(("batch", "expected"), zip(CASES, (0, 1, 1), strict=True))
def test_calls(batch: Any, expected: int) -> None:
    assert batches.call(Adds(), batch).tolist() == (A.sum(1) + expected * B).tolist()
    positional, named = batches.arguments(batch)
    assert Adds()(*positional, **named).tolist() == (A.sum(1) + expected * B).tolist()


@pytest.mark.parametrize("batch", [*CASES, {"a": A, "text": np.array(["x", "y", "z"], object)}])
def test_selections(batch: Any) -> None:
    assert batches.count(batch) == 3
    for numbers in (slice(1, 3), np.array([1, 2]), torch.tensor([1, 2])):
        some = batches.select(batch, numbers)
        for name, part in batches.parts(some).items():
            assert list(map(str, part)) == list(map(str, batches.parts(batch)[name][1:]))
    together = batches.join(list(batches.chunks(batch, 2))[:1] * 2) if batch is A else None
    assert together is None or together.shape == (4, 2)


def test_nothing_is_a_batch_of_nothing() -> None:
    assert batches.count(None) == 0 and batches.parts(None) == {}
    assert batches.select(None, slice(0, 1)) is None


def test_joined_outputs() -> None:
    kept = [{"a": (A, B)}, {"a": (A + 1, B)}]
    joined = batches.join(kept)
    assert joined["a"][0].shape == (6, 2) and joined["a"][1].tolist() == [0, 1, 2, 0, 1, 2]
    assert batches.on_cpu({"a": [A], "n": 3})["a"][0].device.type == "cpu"


def test_descriptions() -> None:
    assert batches.described(A) == "shape (2,)"
    assert batches.described({"a": A, "b": B}) == "shapes (a: (2,) float32, b: () int64)"


def digest(batch: Any) -> str:
    content = hashlib.sha256()
    batches.update_digest(content, batch)
    return content.hexdigest()


def test_digests_tell_batches_apart() -> None:
    texts = np.array(["x", "y"], object)
    different = [A, A + 1, A.double(), A.view(2, 3), {"a": A}, {"b": A}, (A,), texts, texts[::-1]]
    assert len({digest(batch) for batch in different}) == len(different)
    assert digest({"t": texts}) == digest({"t": texts.copy()})
