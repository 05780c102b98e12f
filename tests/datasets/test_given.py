"""Examples as users have them: dictionaries, tokenised texts, map-style data sets, padding."""

from collections import UserDict
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from lionheart_opt.datasets import given
from lionheart_opt.datasets.given import columns_of, examples_of
from lionheart_opt.datasets.splits import Examples
from lionheart_opt.datasets.stored import StoredExamples
from lionheart_opt.errors import InputError
from lionheart_opt.tasks import Classification, LanguageModel, QuestionAnswering, Regression, Task

X, Y = torch.randn(6, 4), torch.arange(6) % 3


class Rows(TorchDataset[Any]):
    """A map-style data set of given items."""

    def __init__(self, rows: list[Any]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Any:
        return self.rows[number]


def made(data: Any, task: Task | None = None, columns: Any = None) -> Any:
    return examples_of(data, task or Classification(), "here", columns)


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        TensorDataset(X, Y),
        Rows([(X[k], int(Y[k])) for k in range(6)]),
        Rows([[X[k].numpy(), Y[k].numpy()] for k in range(6)]),
        [(X[k], int(Y[k])) for k in range(6)],
        [X, Y],
        Examples(inputs=X, targets=Y),
    ],
)
def test_one_input(data: Any) -> None:
    examples = made(data)
    assert torch.equal(examples.inputs, X) and torch.equal(examples.targets, Y)


@pytest.mark.parametrize("key", ["labels", "label", "targets", "target"])
@pytest.mark.parametrize("kind", [dict, UserDict])
def test_dictionaries(key: str, kind: Any) -> None:
    examples = made(kind({"a": X, "b": Y.tolist(), key: Y.numpy()}))
    assert list(examples.inputs) == ["a", "b"] and examples.inputs["b"].dtype == torch.int64
    assert torch.equal(examples.targets, Y)
    rows = [{"a": X[k], "b": Y[k], key: Y[k]} for k in range(6)]
    assert made(Rows(rows)).digest == made(rows).digest == examples.digest


def test_several_positional_inputs() -> None:
    examples = made(TensorDataset(X, X + 1, Y))
    assert [part.tolist() for part in examples.inputs] == [X.tolist(), (X + 1).tolist()]
    assert made(((X, X + 1), Y)).digest == examples.digest


def test_columns_that_a_network_does_not_take_are_left_out() -> None:
    rows = Rows(
        [{"text": "a b", "tokens": ["a", "b"], "idx": k, "x": X[k], "label": 0} for k in range(6)]
    )
    assert list(made(rows, columns=["x"]).inputs) == ["x"]
    assert list(made(rows).inputs) == ["idx", "x"], "texts are no inputs"
    with pytest.raises(InputError, match="the network takes none of them"):
        made(rows, columns=["y"])


def test_sequences_are_padded() -> None:
    rows = [
        {
            "input_ids": list(range(1, n + 1)),
            "attention_mask": [1] * n,
            "labels": list(range(1, n + 1)),
        }
        for n in (3, 5, 2)
    ]
    examples = made(Rows(rows), LanguageModel(shift=True))
    assert examples.inputs["input_ids"].tolist()[0] == [1, 2, 3, 0, 0]
    assert examples.inputs["attention_mask"].sum(1).tolist() == [3, 5, 2]
    assert examples.targets.tolist()[2] == [1, 2, -100, -100, -100]
    for row in rows:
        del row["attention_mask"]
    with pytest.raises(
        InputError, match=r"different lengths \(input_ids\) without an attention_mask"
    ):
        made(Rows(rows), LanguageModel(shift=True))


def test_answers_of_questions() -> None:
    data = {
        "input_ids": torch.ones(2, 1, 4, dtype=torch.int64),
        "start": torch.zeros(2, 1, dtype=torch.int64),
        "end": torch.zeros(2, 1, dtype=torch.int64),
        "offsets": torch.zeros(2, 1, 4, 2, dtype=torch.int64),
        "context": ["a b", "c"],
        "answers": [("a",), ("c", "d")],
    }
    examples = made(data, QuestionAnswering())
    assert list(examples.inputs) == ["input_ids"]
    assert examples.targets["answers"].tolist() == [("a",), ("c", "d")]
    rows = Rows([{name: part[k] for name, part in data.items()} for k in range(2)])
    stored = made(rows, QuestionAnswering())
    assert stored.targets["context"].tolist() == ["a b", "c"]
    assert torch.equal(stored.inputs["input_ids"], examples.inputs["input_ids"])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"a": X, "label": Y, "labels": Y}, "here: targets: got labels and label"),
        ({"a": X[:3], "labels": Y}, "here: 3 inputs 'a', 6 targets; there must be as many"),
        (Rows([]), "here: a data set without examples"),
        (Rows(["a"]), "must be pairs .input, target. or dictionaries"),
        (Rows([{"a": X[0], "label": 0}, {"b": X[0], "label": 0}]), "different keys"),
        (Rows([(X[0], 0), (X[0, :2], 0)]), "different shapes"),
        (Rows([(X, 0), (X[:2], 0)]), "different shapes"),
        (3, "here: must be a pair"),
        (DataLoader(TensorDataset(X, Y)), "give the loader's own, loader.dataset"),
    ],
)
def test_what_cannot_be_used(data: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(data)


def test_large_data_sets_stay_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "IN_MEMORY_BYTES", 100)
    read: list[int] = []

    class Watched(Rows):
        def __getitem__(self, number: int) -> Any:
            read.append(number)
            return super().__getitem__(number)

    examples = made(Watched([(X[k], float(k)) for k in range(6)]), Regression())
    assert isinstance(examples, StoredExamples) and set(read) <= {0}
    assert torch.equal(examples[2:4].loaded.inputs, X[2:4]) and set(read) == {0, 2, 3}
    assert isinstance(made((X, Y)), Examples)


def test_names_of_what_a_network_takes() -> None:
    class Named(torch.nn.Module):
        def forward(self, a: Any, b: Any = None) -> None: ...

    class Anything(torch.nn.Module):
        def forward(self, a: Any, **others: Any) -> None: ...

    assert columns_of(Named()) == ["a", "b"] and columns_of(Anything()) is None
    assert np.array(1).ndim == 0


class Broken(Rows):
    """One item cannot be read."""

    def __init__(self, error: Exception) -> None:
        super().__init__([(X[k], int(Y[k])) for k in range(6)])
        self.error = error

    def __getitem__(self, number: int) -> Any:
        if number == 4:
            raise self.error
        return super().__getitem__(number)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("broken.png"), "ValueError: broken.png"),
        (OSError(), "OSError: no message"),
        (NotImplementedError(), "NotImplementedError: no message"),
    ],
)
def test_items_that_cannot_be_read_are_named(error: Exception, said: str) -> None:
    with pytest.raises(
        InputError, match=f"here: item 4 of the data set cannot be read: {said} .*test_given"
    ):
        made(Broken(error))


def test_a_length_that_is_none_is_named() -> None:
    class NoLength(Rows):
        def __len__(self) -> int:
            return None  # type: ignore[return-value]

    with pytest.raises(
        InputError, match=r"^here: the data set has no length: TypeError: 'NoneType'"
    ):
        made(NoLength([(X[0], 0)]))


def test_items_with_random_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """On disk, every measurement would be about other examples."""

    class Random(Rows):
        def __getitem__(self, number: int) -> Any:
            return X[number] + torch.randn(4), int(Y[number])

    rows = Random([None] * 6)
    with pytest.warns(UserWarning, match="here: items of the data set are others"):
        assert isinstance(made(rows), Examples)
    monkeypatch.setattr(given, "IN_MEMORY_BYTES", 10)
    with pytest.raises(InputError, match="take random transforms out of it"):
        made(rows)
