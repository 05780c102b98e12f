"""Functions of torch that multiply with a weight are recognised, and give torch's result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lionheart_opt.oracle.products import Product, WeightProducts
from lionheart_opt.tracing.matrices import Matrix

torch.manual_seed(0)
W, V = torch.randn(4, 6), torch.randn(5, 4, 3)
X, T, M = torch.randn(3, 6), torch.randn(2, 3, 6), torch.randn(2, 6, 3)
BIAS = torch.randn(4)


class Recomputed(WeightProducts):
    """Computes every product in two parts, by `Product` alone."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.seen: list[Matrix] = []
        self.watch([("w", weight)])

    def product(self, product: Product, matrix: Matrix) -> Tensor:
        self.seen.append(matrix)
        axis = -1 if product.window is None else 1
        parts = [product.plain(slice(0, 1)), product.plain(slice(1, None))]
        return product.with_bias(torch.cat(parts, axis))

    def steps(self, parameters: Any) -> bool:
        return True


CALLS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda w: F.linear(X, w, BIAS),
    "linear of a vector": lambda w: F.linear(X[0], w, BIAS),
    "linear of tokens": lambda w: F.linear(T, w),
    "@": lambda w: X @ w.t(),
    "@ from the left": lambda w: w @ M,
    "@ of a vector from the left": lambda w: w @ X[0],
    "method": lambda w: T.matmul(w.mT),
    "matmul": lambda w: torch.matmul(X[0], w.T),
    "mm": lambda w: X.mm(w.permute(1, 0)),
    "mv": lambda w: w.mv(X[0]),
    "bmm": lambda w: torch.bmm(T, w.t().expand(2, 6, 4)),
    "bmm from the left": lambda w: w.unsqueeze(0).expand(2, -1, -1).bmm(M),
    "addmm": lambda w: torch.addmm(BIAS, X, w.t()),
    "addmm method": lambda w: BIAS.addmm(X, w.t(), beta=0.5, alpha=2),
    "addmv": lambda w: torch.addmv(BIAS, w, X[0]),
    "baddbmm": lambda w: torch.baddbmm(BIAS, T, w.t().expand(2, 6, 4), beta=0.5),
    "einsum": lambda w: torch.einsum("btc,oc->bto", T, w),
    "einsum from the left": lambda w: torch.einsum("oc,btc->tob", w, T),
    "einsum with dots": lambda w: torch.einsum("...c,oc->...o", T, w),
    "einsum without an arrow": lambda w: torch.einsum("nc,oc", X, w),
    "einsum of a list": lambda w: torch.einsum("nc,oc->no", [X, w]),
    "matmul by name": lambda w: torch.matmul(input=X, other=w.t()),
    "mm by name": lambda w: X.mm(mat2=w.t()),
    "addmm by name": lambda w: torch.addmm(input=BIAS, mat1=X, mat2=w.t(), beta=2),
    "baddbmm by name": lambda w: BIAS.baddbmm(batch1=T, batch2=w.t().expand(2, 6, 4), alpha=3),
    "mv by name": lambda w: torch.mv(w, vec=X[0]),
    "linear by name": lambda w: F.linear(input=X, weight=w, bias=BIAS),
    "data": lambda w: F.linear(X, w.data),
    "detached": lambda w: F.linear(X, w.detach().view(4, 6)),
}


@pytest.mark.parametrize("name", CALLS)
def test_products_with_a_matrix(name: str) -> None:
    mode = Recomputed(W)
    with mode:
        result = CALLS[name](W)
    expected = CALLS[name](W)
    torch.testing.assert_close(result, expected)
    assert result.shape == expected.shape
    assert mode.seen == [Matrix("w", 0, 4, True)]


@pytest.mark.parametrize(
    "call",
    [
        lambda w: torch.conv1d(torch.randn(2, 4, 9), w, torch.ones(5), 2, 1, 3),
        lambda w: torch.conv1d(torch.randn(4, 9), w, padding="same"),
        lambda w: F.conv1d(torch.randn(2, 4, 9), w, padding="valid", stride=2),
        lambda w: F.conv2d(torch.randn(2, 4, 9, 8), w.unsqueeze(-1), None, (2, 1), (0, 2)),
        lambda w: F.conv2d(torch.randn(4, 9, 8), w.unsqueeze(2), torch.ones(5), dilation=2),
        lambda w: F.conv3d(torch.randn(2, 4, 3, 4, 5), w[..., None, None], padding=(0, 1, 2)),
        lambda w: F.conv3d(torch.randn(4, 3, 4, 5), w[..., None, None], torch.ones(5), stride=2),
    ],
)
def test_convolutions(call: Callable[[Tensor], Tensor]) -> None:
    weight = torch.randn(5, 4, 3)
    torch.manual_seed(1)
    expected = call(weight)
    torch.manual_seed(1)
    mode = Recomputed(weight)
    with mode:
        result = call(weight)
    torch.testing.assert_close(result, expected)
    assert result.shape == expected.shape
    # a kernel with one axis more is no view that is known, unless it is flattened
    assert len(mode.seen) <= 1


@pytest.mark.parametrize("n_axes", [1, 2, 3])
def test_convolutions_of_their_own_weight(n_axes: int) -> None:
    kind = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[n_axes - 1]
    layer, x = kind(2, 3, 2, stride=2, padding=1), torch.randn(4, 2, *(5,) * n_axes)
    mode = Recomputed(layer.weight)
    with mode:
        result = layer(x)
    torch.testing.assert_close(result, layer(x))
    assert mode.seen == [Matrix("w", 0, 3, True)]


@pytest.mark.parametrize(
    ("call", "rows"),
    [
        (lambda w: F.linear(X, w[1:3]), slice(1, 3)),
        (lambda w: F.linear(X, w.chunk(2)[1]), slice(2, 4)),
        (lambda w: X @ w.split([1, 3])[1].t(), slice(1, 4)),
    ],
)
def test_rows_of_a_matrix(call: Callable[[Tensor], Tensor], rows: slice) -> None:
    mode = Recomputed(W)
    with mode:
        result = call(W)
    torch.testing.assert_close(result, call(W))
    assert [matrix.rows for matrix in mode.seen] == [rows]


def test_the_transposed_matrix_is_told_apart() -> None:
    mode = Recomputed(W)
    with mode:
        F.linear(torch.randn(2, 4), W.t())
        torch.addmm(torch.zeros(6), torch.randn(2, 4), W)
    assert [matrix.transposed for matrix in mode.seen] == [True, True]


@pytest.mark.parametrize(
    "call",
    [
        lambda w: F.linear(X[:, :3], w[:, :3]),  # columns
        lambda w: F.linear(X, w[::2]),  # every second row
        lambda w: F.linear(X, 2 * w),
        lambda w: F.linear(X, w.clone()),
        lambda w: F.embedding(torch.tensor([1, 2]), w),
        lambda w: w + 1,
        lambda _: X @ X.t(),
        lambda w: torch.einsum("nc,oc->co", X, w),  # a product for every input
        lambda w: torch.matmul(X, w.t(), out=torch.empty(3, 4)),
        lambda _: torch.matmul(X, other=X.t()),
        lambda w: torch.einsum("nc,oc->n", X, w),  # a sum over outputs
    ],
)
def test_what_is_no_product_with_a_known_matrix(call: Callable[[Tensor], Tensor]) -> None:
    mode = Recomputed(W)
    with mode:
        result = call(W)
    assert torch.equal(result, call(W)) and mode.seen == []


@pytest.mark.parametrize("across", [False, True])
def test_attention_is_looked_into(across: bool) -> None:
    attention = nn.MultiheadAttention(6, 2, batch_first=True)
    other = T.flip(1)[:, :2] if across else T
    mode = Recomputed(attention.in_proj_weight)
    with mode:
        result = attention(T, other, other)[0]
    torch.testing.assert_close(result, attention(T, other, other)[0])
    rows = [(matrix.first, matrix.last) for matrix in mode.seen]
    assert rows == ([(0, 6), (6, 18)] if across else [(0, 18)])
