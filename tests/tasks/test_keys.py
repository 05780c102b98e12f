"""Trained weights are those of their task: another loss is another key."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import lionheart_opt as lo
from lionheart_opt.own_modules import beside
from lionheart_opt.tasks import Classification, OwnTask, Regression, task_of
from lionheart_opt.tasks.keys import task_key


def metric(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).float()


def own(loss) -> OwnTask:
    return OwnTask(loss=loss, metric=metric, low=0.0, high=1.0)


def smoothed(share: float):
    def loss(outputs: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(outputs, targets, label_smoothing=share)

    return loss


def test_usual_classification_adds_nothing():
    assert task_key(Classification()) == []


def test_settings_of_a_task_count():
    assert task_key(Regression()) != task_key(Classification(top_k=2)) != []
    assert task_key(Regression()) == task_key(Regression())


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (nn.CrossEntropyLoss(label_smoothing=0.1), nn.CrossEntropyLoss(label_smoothing=0.2)),
        (nn.CrossEntropyLoss(torch.ones(3)), nn.CrossEntropyLoss(torch.arange(3.0))),
        (partial(F.cross_entropy, label_smoothing=0.1), partial(F.cross_entropy, ignore_index=3)),
        (smoothed(0.1), smoothed(0.2)),
    ],
    ids=["a module", "weights of a module", "a partial function", "a closure"],
)
def test_what_a_loss_holds_counts(first, second):
    assert own(first) != own(second) and own(first) == own(first)
    assert task_key(own(first)) != task_key(own(second))


def test_what_a_loss_holds_is_the_same_in_another_process():
    code = (
        "import torch; from functools import partial; from torch import nn;"
        "from lionheart_opt.tasks.own import _identity;"
        "w = torch.arange(3.0); print(_identity(nn.CrossEntropyLoss(w)),"
        "_identity(partial(nn.functional.cross_entropy, weight=w)))"
    )
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True) for _ in range(2)]
    assert runs[0].stdout == runs[1].stdout != b""


@pytest.mark.parametrize("text", ["+ 1.0", "* helper()"])
def test_code_beside_a_study_counts(tmp_path: Path, text: str):
    keys = []
    for name, last in (("first", ""), ("second", text)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "losses.py").write_text(
            f"def helper():\n    return {len(last)}.0\n\n\n"
            f"def loss(outputs, targets):\n    return outputs.mean() {last}\n"
        )
        with beside(folder):
            keys.append(task_key(task_of({"loss": "losses:loss", "metric": metric})))
    assert keys[0] != keys[1] and keys[0][0] == keys[1][0]


def test_another_loss_trains_other_weights(tmp_path: Path):
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    data = {"train": (x[:40], (x[:40, 0] > 0).long()), "test": (x[40:], (x[40:, 0] > 0).long())}
    recipes = {"pretrain": {"epochs": 1, "batch_size": 10}}

    def weights(loss) -> Tensor:
        torch.manual_seed(0)
        task = OwnTask(loss=loss, metric=metric, low=0.0, high=1.0)
        problem = lo.problem(
            nn.Linear(4, 2),
            data,
            task=task,
            max_drop=0.5,
            oracle=recipes,
            artifacts=str(tmp_path / "weights"),
        )
        return problem.oracle.weights.pretrained.weights["weight"]

    plain, hard = nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.9)
    first, other, again = weights(plain), weights(hard), weights(plain)
    assert torch.equal(first, again) and not torch.equal(first, other)
