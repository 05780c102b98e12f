"""Which weight matrix an operand is, and its path."""

from __future__ import annotations

from math import prod

import pytest
import torch
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.tracing.matrices import Matrix, Use, as_matrix, as_units, part_of

P = torch.randn(6, 4)
K = torch.randn(6, 4, 3, 2)


@pytest.mark.parametrize(
    ("view", "parameter", "expected"),
    [
        (P, P, (0, 6, False)),
        (P[2:5], P, (2, 5, False)),
        (P[5:], P, (5, 6, False)),
        (P.t(), P, (0, 6, True)),
        (P.view(6, 2, 2).flatten(1), P, (0, 6, False)),
        (K, K, (0, 6, False)),
        (K[1:3], K, (1, 3, False)),
        (K.flatten(1), K, (0, 6, False)),
        (K.flatten(1).t(), K, (0, 6, True)),
        (P[:, 1:3], P, None),
        (P[::2], P, None),
        (P.t()[1:3], P, None),
        (P.view(4, 6), P, None),
        (K.transpose(2, 3), K, None),
        (K[:, :2], K, None),
    ],
)
def test_parts(
    view: torch.Tensor, parameter: torch.Tensor, expected: tuple[int, int, bool] | None
) -> None:
    matrix = part_of(view, parameter, "p")
    found = matrix and (matrix.first, matrix.last, matrix.transposed)
    assert found == expected
    assert matrix is None or matrix.is_whole == ((matrix.first, matrix.last) == (0, 6))


def test_a_square_matrix_is_not_its_transposed() -> None:
    square = torch.randn(3, 3)
    assert part_of(square, square, "p") == Matrix("p", 0, 3, True)
    assert part_of(square.t(), square, "p") == Matrix("p", 0, 3, True, transposed=True)


def test_one_row_and_one_column() -> None:
    row, column = torch.randn(1, 4), torch.randn(4, 1)
    assert part_of(row, row, "p") == Matrix("p", 0, 1, True)
    assert part_of(column, column, "p") == Matrix("p", 0, 4, True)
    assert part_of(row.t(), row, "p") == Matrix("p", 0, 1, True, transposed=True)
    assert part_of(P[3:4], P, "p") == Matrix("p", 3, 4, False)


def test_operands_as_matrices() -> None:
    assert as_matrix(P, outputs_first=True) is P
    assert as_matrix(P, outputs_first=False).shape == (4, 6)
    assert as_matrix(P.expand(7, 6, 4), outputs_first=False).shape == (4, 6)
    assert as_matrix(P[0], outputs_first=False).shape == (1, 4)


NETWORK = nn.ModuleDict(
    {
        "fc": nn.Linear(4, 6),
        "att": nn.MultiheadAttention(4, 2),
        "norm": nn.LayerNorm(4),
        "depthwise": nn.Conv2d(4, 4, 3, groups=4),
        "grouped": nn.Conv2d(4, 6, 3, groups=2),
        "up": nn.ConvTranspose2d(4, 6, 3),
    }
)


@pytest.mark.parametrize(
    "matrix",
    [
        Matrix("fc.weight", 0, 6, True),
        Matrix("fc.weight", 2, 4, False),
        Matrix("fc.weight", 0, 6, True, transposed=True),
        Matrix("att.in_proj_weight", 0, 12, True),
        Matrix("att.in_proj_weight", 4, 8, False),
        Matrix("att.out_proj.weight", 0, 4, True),
        Matrix("grouped.weight", 0, 6, True, groups=2),
        Matrix("fc.weight", 0, 6, True, groups=3),
        Matrix("up.weight", 0, 4, True, transposed=True),
        Matrix("up.weight", 0, 4, True, outputs=(0, 2)),
    ],
)
def test_paths_name_matrices(matrix: Matrix) -> None:
    assert Matrix.named(NETWORK, matrix.path) == matrix


def test_paths_are_short() -> None:
    assert Matrix("fc.weight", 0, 6, True).path == "fc"
    assert Matrix("weight", 0, 6, True).path == ""
    assert Matrix("fc.weight", 1, 6, False).path == "fc.weight[1:6]"
    assert Matrix("c.weight", 0, 6, True, transposed=True).path == "c.weight.T"
    assert Matrix("c.weight", 0, 6, True, outputs=(0, 2)).path == "c.weight(0,2)"
    assert Matrix("c.weight", 0, 6, True, groups=2).path == "c.weight/2"


@pytest.mark.parametrize(
    ("shape", "outputs", "groups", "equation"),
    [
        ((6, 4), (0,), 1, "oi->oi"),
        ((4, 6), (1,), 1, "io->oi"),
        ((2, 4, 3), (0, 2), 1, "aib->abi"),
        ((2, 4, 3), (1,), 1, "iaj->aij"),
        ((4, 6, 3, 2), (1, 2, 3), 1, "iabc->abci"),
    ],
)
def test_values_are_the_parameter_in_another_order(
    shape: tuple[int, ...], outputs: tuple[int, ...], groups: int, equation: str
) -> None:
    parameter = torch.randn(shape)
    matrix = Matrix.whole("p", parameter, outputs, groups)
    values = matrix.values(parameter)
    n_outputs = prod(shape[axis] for axis in outputs)
    assert torch.equal(values, torch.einsum(equation, parameter).reshape(n_outputs, -1))
    assert torch.equal(matrix.restored(values, shape), parameter)
    assert matrix.cells(parameter) is None


def test_groups_lie_in_blocks() -> None:
    convolution = NETWORK["grouped"]
    matrix = Matrix.named(NETWORK, "grouped")
    values = matrix.values(convolution.weight)
    images = torch.randn(1, 4, 3, 3)
    expected = convolution(images) - convolution.bias.view(-1, 1, 1)
    torch.testing.assert_close(values @ images.flatten(), expected.flatten())
    cells = matrix.cells(convolution.weight)
    assert cells is not None and cells.sum() == convolution.weight.numel()
    assert torch.equal(values * cells, values)
    assert torch.equal(matrix.restored(values, convolution.weight.shape), convolution.weight)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("norm", "LayerNorm"),
        ("depthwise", "Conv2d"),
        ("att", "MultiheadAttention"),
        ("cf", "unknown module 'cf'"),
        ("fc.bias", "unknown module 'fc.bias'"),
        ("up", "ConvTranspose2d"),
        ("up.weight(0,4)", "has 4 dimensions"),
        ("fc.weight/4", "has 6 rows, which are no 4 groups"),
        ("fc.weight.T/2", "has 6 rows, which are no 2 groups"),
        ("fc.weight[0:4]/2", "has 6 rows, which are no 2 groups"),
        ("up.weight(0,1,2,3)", "has 4 dimensions"),
        ("fc.weight[3:9]", "has 6 rows"),
        ("fc.weight[4:4]", "has 6 rows"),
    ],
)
def test_what_is_no_matrix(path: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Matrix.named(NETWORK, path)


def use(first: int, last: int, *, transposed: bool = False, path: str = "") -> Use:
    matrix = Matrix("p", first, last, (first, last) == (0, 6), transposed)
    return Use(path=path or matrix.path, stem="p", matrix=matrix)


def paths(*uses: Use | None) -> list[str | None]:
    return [unit and unit.path for unit in as_units(list(uses))]


def test_uses_of_some_rows_belong_to_the_matrix_with_all_of_them() -> None:
    assert paths(use(0, 3), use(3, 6)) == ["p[0:3]", "p[3:6]"]
    assert paths(use(0, 3), use(0, 6), use(1, 2)) == ["p", "p", "p"]
    assert paths(use(0, 6, path="b"), use(0, 6, path="a")) == ["b", "b"]


def test_rows_that_overlap_are_on_the_host() -> None:
    assert paths(use(0, 4), use(2, 6), use(5, 6)) == [None, None, None]
    assert paths(use(0, 2), use(3, 5), use(4, 6)) == ["p[0:2]", None, None]


def test_the_first_orientation_decides() -> None:
    assert paths(use(0, 6), use(0, 6, transposed=True)) == ["p", None]
    assert paths(use(0, 6, transposed=True), use(0, 6)) == ["p.T", None]


def test_other_layers_are_left_alone() -> None:
    computed = Use(path="conv", stem="conv")
    assert as_units([None, computed, use(0, 6)]) == [None, computed, use(0, 6)]
