"""The network of a study file is traced with what its data hold."""

from pathlib import Path

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.study.schema import StudyTable
from lionheart_opt.study.traced import traced

MODULE = """
import torch
from torch import nn
import lionheart_opt as lo

class Tokens(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.first, self.head = nn.Embedding(9, 4), nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, ids, weights):
        return self.head(self.first((self.embedding(ids) * weights[..., None]).sum(1)))

def data():
    ids, labels = torch.randint(9, (12, 5)), torch.arange(12) % 2
    part = {"ids": ids, "weights": torch.rand(12, 5), "labels": labels}
    return lo.dataset(train=part, test=part)
"""


def study(**changes: object) -> StudyTable:
    table = {
        "question": "?",
        "system": "lionheart",
        "model": {"name": "mine_traced:Tokens"},
        "data": {"name": "mine_traced:data"},
        "limits": {"max_drop": 0.01},
        "run": [{"strategy": "random"}],
    }
    return StudyTable.model_validate({**table, **changes})


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine_traced.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)


def test_an_example_of_the_data(tmp_path: Path) -> None:
    workload = traced(study(), tmp_path)
    assert [unit.name for unit in workload.units] == ["first", "head"]


def test_shapes_that_are_known(tmp_path: Path) -> None:
    by_zoo = study(model={"name": "resnet8"}, data={"name": "cifar10"})
    assert traced(by_zoo, tmp_path).layers[0].input_shapes == ((1, 3, 32, 32),)
    given = study(
        model={
            "name": "torch.nn:Linear",
            "input_shape": [7],
            "arguments": {"in_features": 7, "out_features": 2},
        }
    )
    assert traced(given, tmp_path).layers[0].input_shapes == ((1, 7),)


def test_a_network_that_does_not_take_the_data(tmp_path: Path) -> None:
    other = {"name": "torch.nn:Linear", "arguments": {"in_features": 7, "out_features": 2}}
    with pytest.raises(InputError, match="cannot be traced with an example of shape"):
        traced(study(model=other), tmp_path)
