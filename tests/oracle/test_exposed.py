"""A parameter with analog matrices as modules see it: where, which rows, when."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.exposed import Exposed, Hidden, Piece
from lionheart_opt.tracing.matrices import Matrix


class Fixed:
    """An analog matrix with constant weights."""

    ideal = False

    def __init__(self, weight: torch.Tensor) -> None:
        self.weight = weight

    def value(self) -> torch.Tensor:
        return self.weight


def exposed(network: nn.Module, rows: dict[str, slice]) -> Exposed:
    matrices = {
        path: Matrix("a.weight", part.start, part.stop, part == slice(0, 6))
        for path, part in rows.items()
    }
    layers = {
        path: Fixed(torch.full((part.stop - part.start, 4), 7.0)) for path, part in rows.items()
    }
    return Exposed(network, "a.weight", matrices, layers)


def network() -> nn.Module:
    made = nn.ModuleDict({"a": nn.Linear(4, 6), "b": nn.Linear(4, 6), "c": nn.Linear(4, 6)})
    made["b"].weight = made["a"].weight
    return made


def test_all_modules_with_the_parameter_see_it() -> None:
    made = network()
    given = made["a"].weight.detach().clone()
    whole = exposed(made, {"p": slice(0, 6)})
    whole.show(live=False)
    assert made["a"].weight is made["b"].weight is whole.shown
    assert torch.equal(whole.shown, given) and whole.shown.requires_grad
    assert [name for name, _ in made.named_parameters()] == [
        "a.bias",
        "b.bias",
        "c.weight",
        "c.bias",
    ]
    whole.show(live=True)
    assert made["b"].weight is whole.shown and bool((whole.shown == 7.0).all())
    assert set(whole.tensors()) == {"a.weight", "b.weight"}
    whole.given = None
    whole.show(live=False)
    assert bool((made["a"].weight == 7.0).all()) and made["a"].weight.is_leaf


def test_rows_between_matrices_are_digital_and_trained() -> None:
    made = network()
    given = made["a"].weight.detach().clone()
    parts = exposed(made, {"late": slice(4, 5), "early": slice(1, 3)})
    assert [piece.rows for piece in parts.pieces] == [
        slice(0, 1),
        slice(1, 3),
        slice(3, 4),
        slice(4, 5),
        slice(5, 6),
    ]
    assert [piece.path for piece in parts.pieces] == ["", "early", "", "late", ""]
    assert [len(rows) for rows in parts.digital] == [1, 1, 1]
    expected = given.clone()
    expected[1:3], expected[4:5] = 7.0, 7.0
    assert torch.equal(parts.value(), expected)
    uses = parts.parts(Matrix("a.weight", 2, 5, False))
    assert [(use.piece.path, use.of_piece, use.of_product, use.is_all) for use in uses] == [
        ("early", slice(1, 2), slice(0, 1), False),
        ("", slice(0, 1), slice(1, 2), False),
        ("late", slice(0, 1), slice(2, 3), False),
    ]
    [use] = parts.parts(Matrix("a.weight", 1, 3, False))
    assert use.is_all


def test_a_piece_is_plain_if_it_is_digital_or_ideal() -> None:
    layer = Fixed(torch.zeros(1, 1))
    assert Piece(rows=slice(0, 1)).is_plain
    assert not Piece(rows=slice(0, 1), path="p", layer=layer).is_plain
    layer.ideal = True
    assert Piece(rows=slice(0, 1), path="p", layer=layer).is_plain


def test_a_module_with_two_names_has_its_weights_under_both() -> None:
    made = network()
    made["d"] = made["a"]
    whole = exposed(made, {"p": slice(0, 6)})
    assert set(whole.tensors()) == {"a.weight", "b.weight", "d.weight"}
    whole.hide()
    assert isinstance(made["b"].weight, Hidden)
    whole.show(live=False)
    assert made["d"].weight is made["a"].weight is whole.shown


def test_the_order_of_rows_is_not_that_of_names() -> None:
    parts = exposed(network(), {"a": slice(4, 6), "b": slice(0, 2), "c": slice(2, 4)})
    assert [piece.path for piece in parts.pieces] == ["b", "c", "a"] and not parts.digital
    with pytest.raises(InputError, match="'a' and 'b' have weights in common"):
        exposed(network(), {"a": slice(1, 6), "b": slice(0, 2)})


@pytest.mark.parametrize("transposed", [False, True])
def test_weights_have_the_shape_of_their_parameter(transposed: bool) -> None:
    """Kernels are flattened on tiles, and tiles have a row for each output."""
    made = nn.Linear(4, 6) if transposed else nn.Conv2d(2, 6, 3)
    given = made.weight.detach().clone()
    on_tiles = given.t() if transposed else given.flatten(1)
    matrix = Matrix("weight", 0, 6, True, transposed)
    whole = Exposed(made, "weight", {"": matrix}, {"": Fixed(on_tiles)})
    assert torch.equal(whole.value(), given) and set(whole.tensors()) == {"weight"}
    [part] = whole.parts(matrix)
    assert part.is_all and part.piece.rows == slice(0, 6)
    assert whole.parts(matrix)[0] is part, "found once"


@pytest.mark.parametrize("trained", [False, True])
def test_what_is_shown_needs_gradients_as_the_parameter_did(trained: bool) -> None:
    """torch chooses between algorithms by that."""
    made = network()
    made["a"].weight.requires_grad_(False)
    whole = exposed(made, {"p": slice(0, 6)})
    if trained:
        whole.given = None
    whole.show(live=False)
    assert not made["a"].weight.requires_grad
