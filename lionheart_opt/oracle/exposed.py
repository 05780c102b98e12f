"""A parameter some of whose rows are analog matrices, as the modules of its network see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from lionheart_opt.errors import InputError
from lionheart_opt.tracing.matrices import Matrix


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Some rows of a parameter that are analog together, or digital.

    Args:
        rows: The rows.
        path: Path of the analog matrix; empty if the rows are digital.
        layer: The `AnalogMatrix`; None if the rows are digital.
    """

    rows: slice
    path: str = ""
    layer: Any = None

    @property
    def is_plain(self) -> bool:
        """Whether products with it are computed in floating point."""
        return self.layer is None or bool(self.layer.ideal)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What a product uses of a piece.

    Args:
        piece: The piece.
        of_piece: The outputs of the piece that are needed.
        of_product: The outputs of the product that they are.
        is_all: Whether the product has no other outputs, and the piece has none.
    """

    piece: Piece
    of_piece: slice
    of_product: slice
    is_all: bool


def joined(parts: Sequence[Part]) -> list[Part]:
    """The parts of a product, with neighbours that are not on tiles as one.

    The sums of two products with some rows each may be rounded otherwise than those of one with all.
    So the network of one mapping and one that serves many would differ in their last digits.
    """
    together: list[Part] = []
    for part in parts:
        if together and part.piece.is_plain and (before := together[-1]).piece.is_plain:
            rows = slice(before.of_product.start, part.of_product.stop)
            together[-1] = replace(before, of_product=rows)
        else:
            together.append(part)
    return together


class Hidden:
    """What modules see instead of weights between a forward pass in training and the next one."""


class Exposed:
    """A parameter with analog matrices.

    The parameter is taken from all modules that have it, under whatever names. They get a plain tensor
    instead: in training the trained weights, which are computed from those on the tiles and
    differentiable; in evaluation the weights that were given, until they are trained.

    Args:
        network: The network.
        name: Path of the parameter.
        matrices: Path -> analog matrix of the parameter.
        layers: Path -> its `AnalogMatrix`.

    Attributes:
        form: How matrices lie in the parameter; see `Matrix.form`.
        parameter: The parameter, which no module has any more.
        given: The weights that were given; None once they have been trained.
        shown: What the modules see.
        pieces: All rows of the parameter, in order.
        digital: Rows that are not analog.

    Raises:
        InputError: Two matrices overlap.
    """

    def __init__(
        self,
        network: nn.Module,
        name: str,
        matrices: dict[str, Matrix],
        layers: dict[str, Any],
    ) -> None:
        parameter = network.get_parameter(name)
        self._matrices = matrices
        self.form = next(iter(matrices.values())).form
        # torch chooses between equal algorithms by whether a gradient is required
        self.given: Tensor | None = parameter.detach().requires_grad_(parameter.requires_grad)
        self.shown: Tensor = self.given
        self.parameter = parameter
        #: Name of the parameter -> the module and its attribute.
        self._places = {
            f"{path}.{attribute}" if path else attribute: (module, attribute)
            for path, module in network.named_modules(remove_duplicate=False)
            for attribute, other in module._parameters.items()
            if other is parameter
        }
        self.pieces: list[Piece] = []
        self.digital: list[nn.Parameter] = []
        self._parts: dict[Matrix, list[Part]] = {}
        end = 0
        for path, matrix in sorted(matrices.items(), key=lambda item: item[1].first):
            if matrix.first < end or matrix.form != self.form:
                raise InputError(f"{path!r} and {self.pieces[-1].path!r} have weights in common")
            self._add_digital(parameter, end, matrix.first)
            self.pieces.append(Piece(rows=matrix.rows, path=path, layer=layers[path]))
            end = matrix.last
        self._add_digital(parameter, end, len(parameter))
        for module, attribute in self._places.values():
            module._parameters.pop(attribute, None)  # a module may have two names

    def _add_digital(self, parameter: Tensor, first: int, last: int) -> None:
        if first < last:
            self.digital.append(nn.Parameter(parameter.detach()[first:last].clone()))
            self.pieces.append(Piece(rows=slice(first, last)))

    def value(self) -> Tensor:
        """The trained weights, in the shape of the parameter; differentiable."""
        digital = iter(self.digital)
        rows: list[Tensor] = []
        for piece in self.pieces:
            if piece.layer is None:
                rows.append(next(digital))
            else:
                matrix = self._matrices[piece.path]
                rows.append(matrix.restored(piece.layer.value(), self.parameter.shape))
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def show(self, live: bool) -> None:
        """Let modules see the weights.

        Args:
            live: The trained weights, differentiably. Otherwise those that were given.
        """
        if live:
            self.shown = self.value()
        elif self.given is not None:
            self.shown = self.given
        else:
            self.shown = self.value().detach().requires_grad_(self.parameter.requires_grad)
        for module, attribute in self._places.values():
            setattr(module, attribute, self.shown)

    def hide(self) -> None:
        """Let whoever uses the weights before they are shown again fail."""
        for module, attribute in self._places.values():
            setattr(module, attribute, Hidden())

    def tensors(self) -> dict[str, Tensor]:
        """Path -> trained weights, for all names of the parameter."""
        return dict.fromkeys(self._places, self.value())

    def parts(self, matrix: Matrix) -> list[Part]:
        """What a product with a matrix of the parameter needs of its pieces."""
        if matrix not in self._parts:
            self._parts[matrix] = self._find_parts(matrix)
        return self._parts[matrix]

    def _find_parts(self, matrix: Matrix) -> list[Part]:
        if not matrix.is_rows or matrix.groups > 1:
            everything = slice(None)
            [piece] = self.pieces
            return [Part(piece=piece, of_piece=everything, of_product=everything, is_all=True)]
        parts = []
        for piece in self.pieces:
            first = max(piece.rows.start, matrix.first)
            last = min(piece.rows.stop, matrix.last)
            if first < last:
                parts.append(
                    Part(
                        piece=piece,
                        of_piece=slice(first - piece.rows.start, last - piece.rows.start),
                        of_product=slice(first - matrix.first, last - matrix.first),
                        is_all=piece.rows == matrix.rows,
                    )
                )
        return parts
