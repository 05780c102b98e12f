"""Examples that are read when they are needed."""

import numpy as np
import pytest
import torch

from lionheart_opt.datasets import stored
from lionheart_opt.datasets.splits import Examples, split
from lionheart_opt.datasets.stored import StoredExamples, read_all
from lionheart_opt.tasks import Classification, Regression

X, Y = torch.randn(40, 3), torch.arange(40) % 2
MEMORY = Examples(inputs=X, targets=Y)


def examples() -> StoredExamples:
    return StoredExamples(read=lambda numbers: MEMORY[numbers], numbers=np.arange(40))


def test_they_are_used_like_examples_in_memory() -> None:
    some = examples()
    assert len(some) == 40 and some.task == Classification()
    for numbers in (slice(3, 7), np.array([5, 1]), torch.tensor([5, 1])):
        part, expected = some[numbers], MEMORY[numbers]
        assert torch.equal(part.loaded.inputs, expected.inputs)  # type: ignore[arg-type]
        assert torch.equal(part.targets, expected.targets)  # type: ignore[arg-type]
        assert torch.equal(part.inputs, expected.inputs)  # type: ignore[arg-type]
    assert "40 of shape (3,)" in repr(some)
    assert some.to(torch.device("cpu")).digest == MEMORY.digest


def test_they_are_read_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "CHUNK", 16)
    assert [len(chunk) for chunk in examples().chunks] == [16, 16, 8]
    first = examples().digest
    assert first == examples().digest and first != examples()[:39].digest
    assert torch.equal(examples().targets, Y)  # type: ignore[arg-type]


def test_they_are_split_like_those_in_memory() -> None:
    some, expected = split(examples(), examples()[:4]), split(MEMORY, MEMORY[:4])
    assert torch.equal(some.validation.loaded.inputs, expected.validation.inputs)  # type: ignore[arg-type]
    assert isinstance(some.train, StoredExamples)


def test_another_task() -> None:
    other = examples().for_task(Regression())
    assert other.task == Regression() and other[:2].targets.dtype == torch.float32  # type: ignore[union-attr]


def test_small_ones_are_read_at_once() -> None:
    size = X.nbytes + Y.nbytes
    assert isinstance(read_all(examples(), size), Examples)
    assert isinstance(read_all(examples(), size - 1), StoredExamples)
