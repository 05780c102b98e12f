"""Products in less common forms: volumes, groups, vectors, lists of axes, several parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from doubled_products import Doubled
from torch import Tensor, nn
from torch.nn import functional as F

from lionheart_opt.tracing.matrices import Matrix

torch.manual_seed(0)
W, U = torch.randn(4, 6), torch.randn(6)
X, T = torch.randn(3, 6), torch.randn(2, 3, 6)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {"padding": "same"},
        {"padding": "same", "dilation": (2, 1, 3)},
        {"padding": "valid", "stride": (1, 2, 3)},
        {"padding": (2, 0, 1), "dilation": 2},
        {"padding": 1, "stride": 2, "bias": False},
    ],
)
def test_volumes(settings: dict[str, Any], single: bool) -> None:
    """Kernels of 2, 3 and 4: `same` pads one side of an even one more."""
    layer = nn.Conv3d(2, 3, (2, 3, 4), **settings)
    x = torch.randn(2, 8, 7, 9) if single else torch.randn(2, 2, 8, 7, 9)
    mode = Doubled(layer.weight)
    with mode:
        result = layer(x)
    torch.testing.assert_close(result, 2 * layer(x))
    assert mode.seen == [Matrix("w0", 0, 3, True)]


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv2d])
def test_convolutions_of_one_example_and_of_several(kind: Any, single: bool) -> None:
    n_axes = 1 if kind is nn.Conv1d else 2
    layer = kind(2, 3, 3, padding="same", dilation=2)
    x = torch.randn(*([2] if single else [1, 2]), *([7] * n_axes))
    mode = Doubled(layer.weight)
    with mode:
        result = layer(x)
    torch.testing.assert_close(result, 2 * layer(x))
    assert result.shape == layer(x).shape


def test_a_function_without_settings_is_a_product_too() -> None:
    weight, x = torch.randn(3, 2, 2, 2), torch.randn(1, 2, 5, 5)
    mode = Doubled(weight)
    with mode:
        result = F.conv2d(x, weight)
    torch.testing.assert_close(result, 2 * F.conv2d(x, weight))


def test_axes_of_length_one_stay() -> None:
    layer, x = nn.Conv2d(2, 1, (3, 1)), torch.randn(1, 2, 3, 1)
    mode = Doubled(layer.weight)
    with mode:
        result = layer(x)
    torch.testing.assert_close(result, 2 * layer(x))


@pytest.mark.parametrize(
    "call",
    [
        lambda w: X @ w[1],
        lambda w: T @ w[1],
        lambda w: X @ w[1:2].t(),
        lambda w: w[1:2] @ X.t(),
        lambda w: torch.einsum(X, [0, 1], w, [2, 1], [0, 2]),
        lambda w: w.unsqueeze(0) @ T.mT,
        lambda w: w.unsqueeze(0).unsqueeze(0) @ T.mT.unsqueeze(0),
        lambda w: T.unsqueeze(0) @ w.t().unsqueeze(0).unsqueeze(0),
        lambda w: w.expand(5, 2, 4, 6) @ T.mT.expand(5, -1, -1, -1),
    ],
)
def test_vectors_and_repeated_matrices(call: Callable[[Tensor], Tensor]) -> None:
    mode = Doubled(W)
    with mode:
        result = call(W)
    torch.testing.assert_close(result, 2 * call(W))
    assert result.shape == call(W).shape and len(mode.seen) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda w: w[1] @ X.t(),  # a vector from the left
        lambda w: w.expand(2, 4, 6) @ X.t(),  # the same result twice
        lambda w: torch.einsum("oc->co", w),
        lambda w: torch.einsum("nc,oc,n->no", X, w, X[:, 0]),
        lambda w: F.conv1d(torch.randn(2, 4, 9), w.view(4, 2, 3), groups=2),
        lambda w: w.view(2, 2, 6) @ T.mT,  # another matrix for each example
        lambda w: torch.mm(torch.eye(3).to_sparse(), torch.eye(3)) + w.sum(),
    ],
)
def test_what_tiles_cannot_compute_is_left_to_torch(call: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(1)
    expected = call(W)
    torch.manual_seed(1)
    mode = Doubled(W)
    with mode:
        result = call(W)
    assert torch.equal(result, expected) and mode.seen == []


@pytest.mark.parametrize(
    ("call", "outputs"),
    [
        (lambda w: torch.einsum("btd,hde->bhte", torch.ones(2, 4, 3), w), (0, 2)),
        (lambda w: torch.einsum("bthe,hde->btd", torch.ones(2, 4, 2, 5), w), (1,)),
        (lambda w: torch.einsum("hde,d->he", w, torch.ones(3)), (0, 2)),
        (lambda w: torch.einsum("bhte,hde->btd", torch.ones(2, 2, 4, 5), w.detach()), (1,)),
        (lambda w: F.linear(torch.ones(4, 5), w.view(6, 5)), (0, 1)),
        (lambda w: torch.ones(4, 6) @ w.flatten(0, 1), (2,)),
        (lambda w: torch.tensordot(torch.ones(4, 2, 3), w, 2), (2,)),
    ],
)
def test_parameters_of_several_dimensions(call: Any, outputs: tuple[int, ...]) -> None:
    weight = torch.randn(2, 3, 5)
    mode = Doubled(weight)
    with mode:
        result = call(weight)
    torch.testing.assert_close(result, 2 * call(weight))
    assert mode.seen == [Matrix.whole("w0", weight, outputs)]


@pytest.mark.parametrize(
    "call",
    [
        lambda w: torch.einsum("bhtd,hde->bhte", torch.ones(1, 2, 4, 3), w),  # one for each head
        lambda w: torch.einsum("btd,hde->bte", torch.ones(1, 4, 3), w),  # a sum over outputs
        lambda w: torch.matmul(torch.ones(2, 4, 3), w),
        lambda w: w @ torch.ones(2, 5, 4),
        lambda w: F.linear(torch.ones(4, 5), w[:, 1]),
        lambda w: torch.tensordot(torch.ones(4, 5), w, ([1], [2])),
    ],
)
def test_other_uses_of_several_dimensions_are_left_to_torch(call: Any) -> None:
    weight = torch.randn(2, 3, 5)
    mode = Doubled(weight)
    with mode:
        result = call(weight)
    assert torch.equal(result, call(weight)) and mode.seen == []


def test_a_product_of_two_weights_is_one_product() -> None:
    """The host computes it if nobody else does."""
    mode = Doubled(W, factor=0.0)
    with mode:
        result = W @ W.t()
    assert torch.equal(result, W @ W.t()) and len(mode.seen) == 1


def test_only_the_parameters_that_are_watched_last_are_seen() -> None:
    other = torch.randn(4, 6)
    mode = Doubled(W)
    mode.watch([("other", other)])
    with mode:
        of_first, of_other, of_rows = (F.linear(X, w) for w in (W, other, other[1:3]))
    torch.testing.assert_close(of_first, X @ W.t())
    torch.testing.assert_close(of_other, 2 * X @ other.t())
    torch.testing.assert_close(of_rows, 2 * X @ other[1:3].t())
    assert mode.seen[0] == Matrix("other", 0, 4, True)
    assert {matrix.parameter for matrix in mode.seen} == {"other"}


def test_parameters_in_the_same_memory_are_told_apart() -> None:
    """Some pack all weights of a network into one tensor."""
    memory = torch.randn(10, 6)
    first, second = memory[:4], memory[4:]
    mode = Doubled(first, second)
    with mode:
        F.linear(X, first), F.linear(X, second), F.linear(X, second[1:3])
    assert mode.seen == [
        Matrix("w0", 0, 4, True),
        Matrix("w1", 0, 6, True),
        Matrix("w1", 1, 3, False),
    ]


@pytest.mark.parametrize("stepwise", [False, True])
def test_recurrent_layers_are_taken_apart_where_that_is_asked_for(stepwise: bool) -> None:
    layer, x = nn.LSTM(6, 5), torch.randn(7, 2, 6)
    mode = Doubled(layer.weight_hh_l0, factor=1.0, stepwise=stepwise)
    with mode:
        result = layer(x)[0]
    torch.testing.assert_close(result, layer(x)[0])
    assert len(mode.seen) == (7 if stepwise else 0)
    untouched = Doubled(W)
    with untouched:
        assert torch.equal(layer(x)[0], layer(x)[0])
