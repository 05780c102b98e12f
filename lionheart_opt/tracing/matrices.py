"""Weight matrices as rows of parameters: what is the same matrix, wherever and however it is used."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from lionheart_opt.errors import InputError, unknown

#: Path of a parameter, rows of it, whether its first dimension is that of the inputs, which dimensions
#: are those of the outputs, and groups.
_PATH = re.compile(
    r"(?P<parameter>.+?)"
    r"(\[(?P<first>\d+):(?P<last>\d+)\])?((?P<transposed>\.T)|\((?P<outputs>\d+(,\d+)*)\))?"
    r"(/(?P<groups>\d+))?"
)


@dataclass(frozen=True)
class Matrix:
    """A weight matrix of a network: some rows of a parameter, or all of it.

    Further dimensions of the parameter (channels, kernel) are flattened. That of a grouped convolution
    has the weights of each group in a block of its own, and zeros elsewhere.

    Args:
        parameter: Path of the parameter.
        first: Its first row that belongs to the matrix.
        last: The row behind the last one.
        is_whole: Whether these are all of its rows.
        transposed: Whether the first dimension of the parameter, and no other, is that of the inputs (as
            in HuggingFace's `Conv1D` and transposed convolutions). Otherwise it is that of the outputs
            (as in `nn.Linear`).
        outputs: Dimensions of the outputs, where these are others.
        groups: Groups of a convolution.
    """

    parameter: str
    first: int
    last: int
    is_whole: bool
    transposed: bool = False
    outputs: tuple[int, ...] = ()
    groups: int = 1

    @classmethod
    def whole(
        cls, name: str, parameter: Tensor, outputs: Sequence[int] = (0,), groups: int = 1
    ) -> Matrix:
        """All of a parameter as a matrix.

        Args:
            name: Path of the parameter.
            parameter: The parameter.
            outputs: Its dimensions that are those of the outputs, in order.
            groups: Groups of a convolution.
        """
        kept, others = tuple(outputs), tuple(range(1, parameter.dim()))
        is_transposed = kept == others
        special = () if is_transposed or kept == (0,) else kept
        return cls(name, 0, len(parameter), True, is_transposed, special, groups)

    @property
    def path(self) -> str:
        """Its name in `Layer.module`; `Matrix.named` finds it again.

        It is the path of the module for the whole `weight` of one, otherwise the path of the parameter
        with the rows taken, `.T` if it is transposed, the dimensions of the outputs, or the groups. A
        module of torch with groups has a matrix with groups, too.
        """
        if self.groups > 1:
            return f"{self.parameter}/{self.groups}"
        if self.is_whole and self.is_rows and is_weight(self.parameter):
            return self.parameter.rpartition(".")[0]
        if self.outputs:
            return f"{self.parameter}({','.join(map(str, self.outputs))})"
        rows = "" if self.is_whole else f"[{self.first}:{self.last}]"
        return f"{self.parameter}{rows}{'.T' if self.transposed else ''}"

    @property
    def is_rows(self) -> bool:
        """Whether its rows are those of the parameter."""
        return not self.transposed and not self.outputs

    @property
    def form(self) -> tuple[bool, tuple[int, ...], int]:
        """What has to be the same if tiles are to hold two matrices of a parameter as one."""
        return self.transposed, self.outputs, self.groups

    def values(self, parameter: Tensor) -> Tensor:
        """Its values, shape (n_outputs, n_inputs); differentiable.

        Args:
            parameter: The whole parameter.
        """
        weight = parameter[self.rows]
        if self.groups > 1:
            dense: Tensor = torch.block_diag(  # type: ignore[no-untyped-call]
                *weight.flatten(1).chunk(self.groups)
            )
            return dense
        if self.outputs:
            sizes = [weight.shape[axis] for axis in self.outputs]
            return weight.permute(self._order(weight.dim())).reshape(prod(sizes), -1)
        return weight.flatten(1).t() if self.transposed else weight.flatten(1)

    def restored(self, values: Tensor, shape: Sequence[int]) -> Tensor:
        """Its rows of the parameter, from its values; differentiable.

        Args:
            values: Shape (n_outputs, n_inputs).
            shape: Shape of the parameter.
        """
        if self.groups > 1:
            blocks = values.view(self.groups, -1, self.groups, prod(shape[1:]))
            return blocks.diagonal(dim1=0, dim2=2).permute(2, 0, 1).reshape(tuple(shape))
        if self.outputs:
            order = self._order(len(shape))
            weight = values.reshape([shape[axis] for axis in order])
            return weight.permute([order.index(axis) for axis in range(len(shape))])
        values = values.t() if self.transposed else values
        return values.reshape(self.last - self.first, *shape[1:])

    def cells(self, parameter: Tensor) -> Tensor | None:
        """Where values of a grouped convolution are weights, as 1 and 0; None if all of them are."""
        return self.values(torch.ones_like(parameter)) if self.groups > 1 else None

    def _order(self, n_axes: int) -> list[int]:
        """Dimensions of the parameter, those of the outputs first."""
        return [*self.outputs, *(axis for axis in range(n_axes) if axis not in self.outputs)]

    @property
    def rows(self) -> slice:
        """Its rows of the parameter."""
        return slice(self.first, self.last)

    def holds(self, other: Matrix) -> bool:
        """Whether all rows of another matrix of the parameter are rows of this one."""
        return self.first <= other.first and other.last <= self.last

    def overlaps(self, other: Matrix) -> bool:
        """Whether it has rows in common with another matrix of the parameter."""
        return self.first < other.last and other.first < self.last

    @classmethod
    def named(cls, network: nn.Module, path: str) -> Matrix:
        """The matrix of that path.

        Raises:
            InputError: The network has no such parameter, or too few rows in it.
        """
        weight_name = f"{path}.weight" if path else "weight"
        weight = _parameter(network, weight_name)
        if weight is not None and weight.dim() > 1:
            module = network.get_submodule(path)
            groups = 1
            if isinstance(module, _ConvNd):
                groups = module.groups
                if module.transposed or not has_matrix(groups, weight):
                    raise _no_matrix(network, path)
            return cls(weight_name, 0, len(weight), True, groups=groups)
        match = _PATH.fullmatch(path)
        name = match["parameter"] if match else path
        parameter = _parameter(network, name)
        if not match or parameter is None or parameter.dim() < 2:
            raise _no_matrix(network, path)
        if match["outputs"] and not match["first"]:
            outputs = tuple(map(int, match["outputs"].split(",")))
            if not set(outputs) < set(range(parameter.dim())):
                raise InputError(f"{path}: the parameter has {parameter.dim()} dimensions")
            return cls.whole(name, parameter, outputs)
        n_rows = len(parameter)
        groups = int(match["groups"] or 1)
        if groups > 1 and (
            n_rows % groups or not match.end("parameter") == match.start("groups") - 1
        ):
            raise InputError(
                f"{path}: the parameter has {n_rows} rows, which are no {groups} groups"
            )
        first, last = int(match["first"] or 0), int(match["last"] or n_rows)
        is_transposed = match["transposed"] is not None
        if not first < last <= n_rows or (is_transposed and last - first < n_rows):
            raise InputError(f"{path}: the parameter has {n_rows} rows")
        return cls(name, first, last, last - first == n_rows, is_transposed, groups=groups)


def _parameter(network: nn.Module, name: str) -> nn.Parameter | None:
    try:
        return network.get_parameter(name)
    except AttributeError:
        return None


def is_weight(parameter: str) -> bool:
    """Whether a parameter is the `weight` of its module, which then gives the matrix its name."""
    return parameter.rpartition(".")[2] == "weight"


def has_matrix(groups: int, weight: Tensor) -> bool:
    """Whether a convolution that is not transposed has a matrix form.

    With a channel for each group (depthwise), it would be nothing but zeros: one weight in as many as
    there are channels.
    """
    return groups == 1 or weight.shape[1] > 1


def is_same(operand: Tensor, parameter: Tensor) -> bool:
    """Whether an operand is a parameter as it is, by another name or detached."""
    return (
        operand.shape == parameter.shape
        and operand.stride() == parameter.stride()
        and operand.storage_offset() == parameter.storage_offset()
        and operand.dtype == parameter.dtype
    )


def part_of(operand: Tensor, parameter: Tensor, name: str) -> Matrix | None:
    """The matrix that an operand of a product is.

    Args:
        operand: Shape (n_outputs, n_inputs, ...), a view of the parameter's memory.
        parameter: The parameter.
        name: Its path.

    Returns:
        None if the operand is neither rows of the parameter nor the whole of it, some dimensions of which
        are those of the outputs.
    """
    n_rows = len(parameter)
    first = _first_row(operand, parameter)
    if first is not None:
        last = first + len(operand)
        return Matrix(name, first, last, last - first == n_rows)
    if operand.dim() == 2 and _first_row(operand.t(), parameter) == 0:
        if operand.shape[1] == n_rows:
            return Matrix(name, 0, n_rows, True, transposed=True)
    return _flattened(operand, parameter, name)


def _flattened(operand: Tensor, parameter: Tensor, name: str) -> Matrix | None:
    """A matrix whose outputs or inputs are the first dimensions of the parameter, several of them."""
    is_all = operand.numel() == parameter.numel() and parameter.is_contiguous()
    at_start = operand.storage_offset() == parameter.storage_offset()
    if operand.dim() != 2 or parameter.dim() < 3 or not is_all or not at_start:
        return None
    is_transposed = not operand.is_contiguous()
    rows = operand.t() if is_transposed else operand
    if not rows.is_contiguous() or operand.dtype != parameter.dtype:
        return None
    for split in range(2, parameter.dim()):
        if prod(parameter.shape[:split]) == len(rows):
            first, last = range(split), range(split, parameter.dim())
            return Matrix.whole(name, parameter, tuple(last if is_transposed else first))
    return None


def as_matrix(operand: Tensor, outputs_first: bool) -> Tensor:
    """An operand of a product as a view of shape (n_outputs, n_inputs, ...).

    Args:
        operand: The operand. A vector is a matrix with one output.
        outputs_first: Whether it has a row for each output; otherwise a row for each input.
    """
    if operand.dim() == 1:
        return operand.unsqueeze(0)
    if outputs_first:
        return operand
    while operand.dim() > 2 and (len(operand) == 1 or operand.stride(0) == 0):
        operand = operand[0]
    return operand.transpose(-1, -2)


@dataclass(frozen=True, kw_only=True)
class Use:
    """A product with weights.

    Args:
        path: Name of the matrix in `Layer.module`.
        stem: Name of the layer, without a number.
        matrix: The matrix; None if it is computed in every pass.
    """

    path: str
    stem: str
    matrix: Matrix | None = None

    @property
    def key(self) -> str:
        """What identifies the weights, whoever multiplies with them."""
        return self.matrix.parameter if self.matrix else f"computed by {self.path}"


def as_units(uses: Sequence[Use | None]) -> list[Use | None]:
    """Each use with the matrix that holds its weights on tiles; None where the host has to run it.

    A parameter has one state on tiles. Uses of some rows join the matrix of a use that has all of them.
    If rows overlap otherwise, or a parameter is used transposed after it has been used as it is, the host
    runs the product with a copy of its own.
    """
    by_parameter: dict[str, list[Use]] = {}
    for use in uses:
        if use and use.matrix:
            by_parameter.setdefault(use.matrix.parameter, []).append(use)
    return [use and _on_tiles(use, by_parameter.get(use.key, [use])) for use in uses]


def _on_tiles(use: Use, others: Sequence[Use]) -> Use | None:
    if use.matrix is None:
        return use
    form = others[0].matrix.form if others[0].matrix else None
    if use.matrix.form != form:
        return None
    same = [
        (other.matrix, other.path) for other in others if other.matrix and other.matrix.form == form
    ]
    holders = [pair for pair in same if pair[0].holds(use.matrix)]
    matrix, path = max(holders, key=lambda pair: pair[0].last - pair[0].first)
    if any(matrix.overlaps(other) and not matrix.holds(other) for other, _ in same):
        return None
    return replace(use, path=path, matrix=matrix)


def _first_row(view: Tensor, parameter: Tensor) -> int | None:
    """The row of the parameter at which a view of consecutive rows begins; None for other views."""
    if parameter.dim() < 2 or view.dim() < 2 or view.dtype != parameter.dtype:
        return None
    shape, steps = _layout(parameter)
    if view.dim() == 2 < parameter.dim():  # flattened
        if not parameter[0].is_contiguous():
            return None
        shape, steps = (prod(shape),), (1,)
    inner = _layout(view)
    if inner[0] != shape or any(
        ours != theirs
        for size, ours, theirs in zip(shape, inner[1], steps, strict=True)
        if size > 1
    ):
        return None
    step, offset = parameter.stride(0), int(view.storage_offset() - parameter.storage_offset())
    if len(view) > 1 and view.stride(0) != step:
        return None
    first, rest = divmod(offset, step) if step else (0, offset)
    return first if not rest and 0 <= first <= len(parameter) - len(view) else None


def _layout(tensor: Tensor) -> tuple[Sequence[int], Sequence[int]]:
    """Sizes and strides of a row."""
    return tuple(tensor.shape[1:]), tuple(tensor.stride()[1:])


def _no_matrix(network: nn.Module, path: str) -> InputError:
    modules = dict(network.named_modules(remove_duplicate=False))
    if path in modules:
        return InputError(
            f"module {path!r} ({type(modules[path]).__name__}) has no weight matrix of its own that an "
            "analog tile could hold; keep it on the host"
        )
    return unknown("module", path, [name for name in modules if name], "the network")
