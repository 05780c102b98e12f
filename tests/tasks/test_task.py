"""What tasks have in common: the contract, and which part of an output is meant."""

from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lionheart_opt.datasets.splits import Examples
from lionheart_opt.errors import InputError
from lionheart_opt.metric import Metric
from lionheart_opt.tasks import (
    Classification,
    LanguageModel,
    MaskedLanguageModel,
    MultiLabel,
    OwnTask,
    QuestionAnswering,
    Regression,
    Segmentation,
    Task,
)
from lionheart_opt.tasks.question_answering import objects
from lionheart_opt.testing import TaskContract

N = 8


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def whole(high: int, *shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


class Tokens(nn.Module):
    """Scores of the next token, from the token alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 6), nn.Linear(6, 11)

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None) -> dict[str, Any]:
        return OrderedDict(logits=self.head(self.embedding(input_ids)), mask=attention_mask)


class Reader(nn.Module):
    """Scores of the first and the last token of an answer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(11, 6), nn.Linear(6, 2)

    def forward(self, input_ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        first, last = self.head(self.embedding(input_ids)).unbind(-1)
        return first, last


def absolute_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs[:, 0] - targets).abs()


def worst(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (outputs[:, 0] - targets).abs().max()


def squared(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return nn.functional.mse_loss(outputs[:, 0], targets)


class Halves(Task):
    """A task of a user: whether the sign is right."""

    metric = Metric(name="sign", counts=True)

    def loss(self, outputs: Any, batch: Any) -> torch.Tensor:
        return nn.functional.soft_margin_loss(outputs[:, 0], batch.targets.sign())

    def statistics(self, outputs: Any, batch: Any) -> torch.Tensor:
        return (outputs[:, :1] > 0) == (batch.targets[:, None] > 0)


def reading() -> dict[str, Any]:
    offsets = torch.stack([torch.arange(0, 12, 2), torch.arange(1, 13, 2)], dim=-1)
    offsets = offsets.expand(N, 2, 6, 2).clone()
    offsets[:, :, :2] = -1
    return {
        "start": whole(4, N, 2) + 2,
        "end": torch.full((N, 2), 5),
        "offsets": offsets,
        "context": objects(["a b c d e f"] * N),
        "answers": objects([("c d",), ("e", "f")] * (N // 2)),
    }


CASES: dict[str, tuple[Task, Any, Any, nn.Module]] = {
    "classes": (Classification(), numbers(N, 5), whole(3, N), nn.Linear(5, 3)),
    "top 2": (Classification(top_k=2), numbers(N, 5), whole(3, N), nn.Linear(5, 3)),
    "labels": (MultiLabel(), numbers(N, 5), whole(2, N, 3), nn.Linear(5, 3)),
    "macro": (MultiLabel(average="macro"), numbers(N, 5), whole(2, N, 3), nn.Linear(5, 3)),
    "places": (
        Segmentation(),
        numbers(N, 1, 6, 6),
        torch.where(numbers(N, 6, 6) > 2, 255, whole(3, N, 6, 6)),
        nn.Conv2d(1, 3, 3, padding=1),
    ),
    "coarse places": (
        Segmentation(),
        numbers(N, 1, 6, 6),
        whole(3, N, 6, 6),
        nn.Conv2d(1, 3, 3, 2, 1),
    ),
    "text": (LanguageModel(), whole(11, N, 7), whole(11, N, 7, seed=1), Tokens()),
    "text, shifted": (
        LanguageModel(measure="bits"),
        {"input_ids": whole(11, N, 7), "attention_mask": (torch.arange(7) < 5).long().expand(N, 7)},
        None,
        Tokens(),
    ),
    "hidden tokens": (
        MaskedLanguageModel(measure="accuracy"),
        whole(11, N, 7),
        torch.where(numbers(N, 7) > 0, whole(11, N, 7), -100).index_fill(1, torch.tensor([0]), 3),
        Tokens(),
    ),
    **{
        name: (Regression(measure=name), numbers(N, 5), numbers(N, seed=2), nn.Linear(5, 1))
        for name in ("mae", "mse", "rmse", "correlation", "r2")
    },
    "several numbers": (Regression(), numbers(N, 5), numbers(N, 2, seed=2), nn.Linear(5, 2)),
    "questions": (
        QuestionAnswering(),
        {"input_ids": whole(11, N, 2, 6)},
        reading(),
        Reader(),
    ),
    "questions, exact": (
        QuestionAnswering(measure="exact_match", longest=2),
        {"input_ids": whole(11, N, 2, 6)},
        reading(),
        Reader(),
    ),
    "two functions": (
        OwnTask(loss=squared, metric=absolute_error, higher_is_better=False, low=0.0),
        numbers(N, 5),
        numbers(N, seed=2),
        nn.Linear(5, 1),
    ),
    "of all": (
        OwnTask(loss=squared, metric=worst, of_all=True, higher_is_better=False, low=0.0),
        numbers(N, 5),
        numbers(N, seed=2),
        nn.Linear(5, 1),
    ),
    "own class": (Halves(), numbers(N, 5), numbers(N, seed=2), nn.Linear(5, 1)),
}


@pytest.mark.parametrize("case", list(CASES))
class TestContract(TaskContract):
    @pytest.fixture
    def examples(self, case: str) -> Examples:
        task, inputs, targets, _ = CASES[case]
        return Examples(inputs=inputs, targets=targets, task=task)

    @pytest.fixture
    def network(self, case: str) -> nn.Module:
        torch.manual_seed(0)
        network = CASES[case][3].eval()
        for parameter in network.parameters():
            parameter.grad = None
            nn.init.normal_(parameter.data)
        return network


LOGITS = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("output", "outputs"),
    [
        (None, LOGITS),
        (None, (LOGITS,)),
        (None, {"logits": LOGITS, "hidden": LOGITS + 1}),
        (None, {"out": LOGITS}),
        (1, (LOGITS + 1, LOGITS)),
        ("out", {"out": LOGITS, "aux": LOGITS + 1}),
    ],
)
def test_the_part_that_is_meant(output: Any, outputs: Any) -> None:
    assert Classification(output=output).pick(outputs) is LOGITS


@pytest.mark.parametrize(
    ("output", "outputs", "message"),
    [
        (None, (LOGITS, LOGITS), "returns a tuple; the task needs a tensor; say which part"),
        (None, {"a": LOGITS, "b": LOGITS}, "returns a dict with a, b; the task needs a tensor"),
        (2, (LOGITS, LOGITS), "a tuple; the task needs a tensor with a part 2"),
        ("out", (LOGITS,), "with a part 'out'"),
        (None, None, "returns nothing"),
    ],
)
def test_other_parts_are_refused(output: Any, outputs: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Classification(output=output).pick(outputs)


def test_tasks_with_other_settings_are_others() -> None:
    assert Classification() == Classification() and hash(Classification()) == hash(Classification())
    assert Classification() != Classification(top_k=5) != MultiLabel()


@pytest.mark.parametrize(
    "task", [Classification, MultiLabel, Segmentation, Regression, LanguageModel, QuestionAnswering]
)
def test_a_subclass_may_have_a_metric_of_its_own(task):
    """The built-in one must not replace it without a word."""
    own = Metric(name="cross entropy", higher_is_better=False, low=0.0, high=np.inf)

    class Measured(task):
        metric = own

    assert Measured().metric == own != task().metric
