"""`torch.einsum` as a product of vectors with a matrix."""

from __future__ import annotations

from math import prod

import pytest
import torch

from lionheart_opt.tracing.einsum import einsum_product


@pytest.mark.parametrize(
    ("equation", "x", "weight", "number"),
    [
        ("nc,oc->no", (3, 4), (5, 4), 1),
        ("co,nc->no", (3, 4), (4, 5), 0),
        ("nc,oc", (3, 4), (5, 4), 1),
        ("zc,ac", (3, 4), (5, 4), 1),
        ("bthd,hde->bte", (2, 3, 4, 5), (4, 5, 6), 1),
        ("bte,hde->bhtd", (2, 3, 6), (4, 5, 6), 1),
        ("...c,oc->o...", (2, 3, 4), (5, 4), 1),
        ("...c,oc->...o", (4,), (5, 4), 1),
        (" ...c , oc ", (2, 3, 4), (5, 4), 1),
    ],
)
def test_the_result_is_torchs(
    equation: str, x: tuple[int, ...], weight: tuple[int, ...], number: int
) -> None:
    operands = [torch.randn(x), torch.randn(weight)]
    operands = operands if number == 1 else operands[::-1]
    parts = einsum_product(equation, operands, number)
    assert parts is not None
    vectors, matrix, outputs, finish = parts
    assert matrix.shape[0] == prod(operands[number].shape[axis] for axis in outputs)
    assert matrix.dim() == 2 and vectors.shape[-1] == matrix.shape[1]
    result = finish(torch.nn.functional.linear(vectors, matrix))
    torch.testing.assert_close(result, torch.einsum(equation, *operands))


@pytest.mark.parametrize(
    "equation",
    [
        "nc,oc->nco",
        "nc,oc->n",
        "nn,on->no",
        "nc,cc->nc",
        "nc,od->no",
        "nc,...c->n...",
        "nc,oc,o->no",
    ],
)
def test_other_equations(equation: str) -> None:
    operands = [torch.randn(4, 4), torch.randn(4, 4)]
    assert einsum_product(equation, operands, 1) is None
