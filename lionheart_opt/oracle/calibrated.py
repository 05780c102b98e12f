"""Products of chips whose columns are calibrated, and of those that are being calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.columns import Columns, Moments
from lionheart_opt.oracle.exposed import Part
from lionheart_opt.oracle.products import Product
from lionheart_opt.oracle.settings import Calibration

if TYPE_CHECKING:
    from lionheart_opt.oracle.analog_network import AnalogNetwork

#: Path of an analog matrix -> its outputs in the floating-point network, use by use.
Outputs = dict[str, list[Tensor]]


class CalibratedColumns:
    """A `Calibration` whose gains and offsets are known.

    Args:
        columns: Path of an analog matrix -> its columns.
    """

    def __init__(self, columns: dict[str, Columns]) -> None:
        self.columns = columns

    def put_on(self, analog: AnalogNetwork) -> None:
        """Let a network compute with these columns."""
        analog.calibration = self

    def outputs(self, part: Part, product: Product, bias: Tensor | None) -> Tensor:
        """See `Calibration.outputs`."""
        y = _read(part, product)
        is_map = product.window is not None
        return self.columns[part.piece.path].apply(y, part.of_piece, bias, is_map)


class RecordedOutputs:
    """Keeps what analog matrices put out in the floating-point network; see `AnalogNetwork.recorded`.

    Attributes:
        outputs: What has been kept, without bias.
    """

    def __init__(self) -> None:
        self.outputs: Outputs = {}

    def __call__(self, product: Product, parts: Sequence[Part]) -> None:
        """Keep the outputs of a product."""
        for part in parts:
            if part.piece.layer is not None:
                uses = self.outputs.setdefault(part.piece.path, [])
                uses.append(product.plain(part.of_product))


class FittedColumns(CalibratedColumns):
    """Fits columns while the network runs, which goes on with calibrated outputs.

    So every layer is calibrated on inputs from calibrated layers, all in one pass. A matrix that is used
    several times is fitted on all its uses so far; its calibration is that after the last one.

    Args:
        settings: How to fit.
        wanted: What the outputs are fitted to; None fits them to the products of their own inputs with
            the trained weights.
    """

    def __init__(self, settings: Calibration, wanted: Outputs | None) -> None:
        super().__init__({})
        self._settings = settings
        self._wanted = wanted
        self._moments: dict[str, Moments] = {}

    def outputs(self, part: Part, product: Product, bias: Tensor | None) -> Tensor:
        """As `CalibratedColumns.outputs`, after fitting.

        Raises:
            InputError: The floating-point network has no such product.
        """
        path, use, axis = part.piece.path, part.piece.layer.uses - 1, _axis(product)
        reads = [_read(part, product) for _ in range(self._settings.reads)]
        t = self._fitted_to(part, product, use, reads[0])
        if product.window is not None and reads[0].is_contiguous(memory_format=torch.channels_last):
            t = t.contiguous(
                memory_format=torch.channels_last
            )  # read side by side, and twice as fast
        if use == 0:  # a new pass
            rows = part.piece.rows
            n_outputs = t.shape[axis] if part.is_all else rows.stop - rows.start
            self._moments[path] = Moments(n_outputs, t.device)
        self._moments[path].add(
            part.of_piece, [by_column(y, axis) for y in reads], by_column(t, axis)
        )
        self.columns[path] = self._moments[path].columns(self._settings, t.dtype)
        is_map = product.window is not None
        return self.columns[path].apply(reads[0], part.of_piece, bias, is_map)

    def _fitted_to(self, part: Part, product: Product, use: int, y: Tensor) -> Tensor:
        """What the outputs of a use are fitted to.

        Raises:
            InputError: The floating-point network has no such product.
        """
        if self._wanted is None:
            return product.plain(part.of_product)
        uses = self._wanted.get(part.piece.path, [])
        if use >= len(uses) or uses[use].shape != y.shape:
            raise InputError(
                f"calibration: {part.piece.path!r} is used otherwise on the chip than in the "
                "floating-point network, whose way depends on its activations; "
                "set fit_to = 'tile' in [oracle.calibration]"
            )
        return uses[use]


def _axis(product: Product) -> int:
    """The axis of outputs."""
    return -1 if product.window is None else 1


def _read(part: Part, product: Product) -> Tensor:
    """Outputs of the tiles for a part of a product."""
    y: Tensor = part.piece.layer(product.x, None, product.window)
    if part.is_all:
        return y
    first, last = part.of_piece.start, part.of_piece.stop
    return y.narrow(_axis(product), first, last - first)


def by_column(y: Tensor, axis: int) -> Tensor:
    """Outputs in shape (n_columns, n_vectors)."""
    return y.movedim(axis, 0).flatten(1) if y.dim() > 1 else y[:, None]
