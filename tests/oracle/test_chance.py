"""Networks that draw random numbers in evaluation mode cannot be measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.chance import check_chance, equal
from lionheart_opt.oracle.seeds import seeded

X = torch.linspace(-1.0, 1.0, 32).reshape(2, 16)


class MonteCarlo(nn.Dropout):
    """Stays on."""

    def train(self, mode: bool = True) -> MonteCarlo:
        return super().train(True)


def asked(module: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[int], list[torch.Tensor]]:
    def ask(seed: int) -> list[torch.Tensor]:
        with seeded(seed, torch.device("cpu")):
            return [module(X.clone())]

    return ask


RANDOM = {
    "dropout": F.dropout,
    "monte carlo": MonteCarlo().eval(),
    "alpha dropout": lambda x: F.alpha_dropout(x, 0.5, training=True),
    "bernoulli": lambda x: x * torch.bernoulli(torch.full_like(x, 0.5)),
    "rand_like": lambda x: x + torch.rand_like(x),
    "randn": lambda x: x + torch.randn(16),
    "normal_": lambda x: x + torch.empty_like(x).normal_(),
    "randint": lambda x: x + torch.randint(0, 9, x.shape),
    "randperm": lambda x: x[:, torch.randperm(16)],
    "multinomial": lambda x: torch.multinomial(x.softmax(-1), 1),
    "gumbel": lambda x: F.gumbel_softmax(x),
    "rrelu": lambda x: F.rrelu(x, training=True),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x, dropout_p=0.5),
}
CERTAIN = {
    "dropout that is off": nn.Dropout().eval(),
    "rrelu in evaluation": nn.RReLU().eval(),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "noise without effect": lambda x: x + 0.0 * torch.randn_like(x),
    "no noise": torch.relu,
}


@pytest.mark.parametrize("name", RANDOM)
def test_answers_of_chance_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="draws random numbers in evaluation mode"):
        check_chance(asked(RANDOM[name]))


@pytest.mark.parametrize("name", CERTAIN)
def test_certain_answers_are_not(name: str) -> None:
    check_chance(asked(CERTAIN[name]))


def test_the_operator_and_its_line_are_named() -> None:
    with pytest.raises(InputError, match=r"\(rand_like, .*test_chance\.py, line \d+\)"):
        check_chance(asked(RANDOM["rand_like"]))


def test_outputs_are_equal_but_for_rounding() -> None:
    assert equal([X], [X * (1 + 1e-6)]) and not equal([X], [X + 0.1]) and not equal([X], [X[:1]])
