"""Weights that a digital target cannot round are refused before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from oracle_setup import SETTINGS, small_system
from torch import Tensor, nn
from weight_uses import networks

from lionheart_opt.accuracy import Fidelity
from lionheart_opt.datasets.splits import Examples, Splits
from lionheart_opt.errors import InputError
from lionheart_opt.mapping import Candidate, Mapping
from lionheart_opt.oracle.digital import Digital
from lionheart_opt.oracle.engine import engine
from lionheart_opt.oracle.hat import HatOracle
from lionheart_opt.oracle.numerics import check_products
from lionheart_opt.oracle.store import WeightStore
from lionheart_opt.tracing import trace


class Scaled(nn.Linear):
    """Computes its weights in every pass."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight / self.weight.norm(), self.bias)


class Computed(nn.Module):
    """A layer that computes its weights behind one that does not."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(6, 6), Scaled(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.last(torch.relu(self.first(x)))
        return y


class Experts(nn.Module):
    """A function with weights that is not known."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 6, 4))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("nk,eko->no", x, self.weight)


@pytest.mark.parametrize(
    ("kind", "where"), [(Computed, "'last.weight'"), (Experts, "'?weight|no units")]
)
def test_weights_that_cannot_be_rounded_are_refused(kind: Any, where: str, tmp_path: Path) -> None:
    network = kind()
    x = torch.randn(40, 6)
    examples = Examples(inputs=x, targets=torch.arange(40) % 4)
    oracle = HatOracle(
        workload=trace(network, x[:1], "here"),
        system=small_system("int8"),
        model=network,
        splits=Splits(train=examples[:20], validation=examples[20:30], test=examples[30:]),
        settings=SETTINGS.model_copy(update={"pretrain": None}),
        store=WeightStore.folder(tmp_path),
    )
    mapping_ = Mapping.of({unit.name: "cpu" for unit in oracle.workload.units})
    with pytest.raises(InputError, match=f"weights of .*({where}).* cannot be computed in int8"):
        oracle.accuracy(Candidate(mapping_, training="none"), Fidelity(draws=(0, 3)), 0)


def test_weights_of_a_floating_point_host_need_not_be_rounded() -> None:
    network, x = Computed().eval(), torch.randn(4, 6)
    workload = trace(network, x[:1], "here")
    some = Digital(host="fp32", others={"first": "int8"}, inputs=x)
    check_products(engine("fast"), network, some, workload)
    every = Digital(host="fp32", others={"first": "int8", "last": "int8"}, inputs=x)
    with pytest.raises(InputError, match=r"'last\.weight'"):
        check_products(engine("fast"), network, every, workload)


@pytest.mark.parametrize("name", networks())
def test_everything_that_the_field_does_with_weights_can_be_rounded(name: str) -> None:
    network, inputs = networks()[name]
    workload = trace(network, inputs[:1], name)
    check_products(engine("fast"), network.eval(), Digital(host="int8", inputs=inputs), workload)
