"""Products with weights on digital targets that compute with fewer bits than floating point.

Numerics of a target:

- `fp32`: as torch computes.
- `fp16`: weights, inputs and outputs of products are rounded to half precision; sums are in single
  precision.
- `int8` (W8A8): weights have 8 bit, symmetric, with a scale for each output; inputs have 8 bit, with one
  range for all inputs of a matrix that need not be symmetric. Sums are exact up to single precision.
- `int4` (W4A8): as `int8`, with weights from -7 to 7. Inputs keep 8 bit, as those of the 4-bit weights
  of Garofalo et al. 2022 (section III-A) do.
- `ternary`: weights are -s, 0 or s, with s for each output (`ternary_weights`); inputs have 7 bit, as
  those of DIANA's macro (Ueyoshi et al. 2022).

Ranges of inputs are those that the floating-point network with the same weights has on a fixed set of
training examples. In training they are those of the batch. Gradients are straight-through. Biases, norms,
activations, look-ups in tables and products of two activations are in floating point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.products import Product
from lionheart_opt.oracle.quantise import (
    InputRange,
    integer_weights,
    straight_through,
    ternary_weights,
)
from lionheart_opt.system import Numerics
from lionheart_opt.tasks.batches import Inputs
from lionheart_opt.tracing.matrices import Matrix

#: Number of training examples on which ranges of inputs are calibrated.
CALIBRATION_EXAMPLES = 256
#: Largest weight, and number of levels of inputs, in units of a step.
_INTEGERS: dict[Numerics, tuple[int, int]] = {
    "int8": (127, 256),
    "int4": (7, 256),
    "ternary": (1, 128),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Digital:
    """What the matrices of a network compute in that are on no tile.

    Args:
        host: Numerics of all matrices that `others` does not name.
        others: Path of a matrix -> its numerics, on digital targets other than the host.
        inputs: What the network is called with to find the ranges of inputs: training examples.
    """

    host: Numerics
    others: dict[str, Numerics] = field(default_factory=dict)
    inputs: Inputs

    @property
    def key(self) -> dict[str, Any]:
        """What it is, as plain data; the inputs are those of the training data."""
        return {"host": self.host, "others": dict(sorted(self.others.items()))}


class Segment(NamedTuple):
    """Outputs of a product that are computed alike."""

    rows: slice
    numerics: Numerics


class Input(NamedTuple):
    """What multiplies with the weights of a path.

    Attributes:
        path: The path.
        name: Name of the argument, for functions of `HOST_PRODUCTS`.
    """

    path: str
    name: str = ""


class DigitalProducts:
    """Computes the products of a network as its digital targets do.

    Args:
        network: The network.
        digital: What its matrices compute in.

    Attributes:
        training: Whether ranges of inputs are those of the batch, and gradients are needed.
        counts: Path of a parameter -> number of products with it while inputs were watched.

    Raises:
        InputError: The network has no weights of that path.
    """

    def __init__(self, network: nn.Module, digital: Digital) -> None:
        self.inputs = digital.inputs
        self.training = True
        self.counts: Counter[str] = Counter()
        self._host = digital.host
        self._others: dict[str, list[tuple[Matrix, Numerics]]] = {}
        for path, numerics in digital.others.items():
            matrix = weights_of(network, path)
            for name in aliases(network, matrix.parameter):
                self._others.setdefault(name, []).append((matrix, numerics))
        self._limits: dict[Input, tuple[Tensor, Tensor]] | None = None
        self._ranges: dict[tuple[Input, int], InputRange] = {}
        self._weights: dict[Any, Tensor] = {}

    @property
    def is_watching(self) -> bool:
        """Whether inputs are watched, and products are in floating point."""
        return self._limits is not None

    def watch(self) -> None:
        """Watch the inputs of products until `use_ranges`."""
        self._limits = {}
        self.counts.clear()

    def use_ranges(self) -> None:
        """Compute in evaluation mode, with the ranges of the inputs that were watched."""
        limits, self._limits = self._limits or {}, None
        self._weights = {}
        self._ranges = {
            (of, levels): InputRange.of(low, high, levels).as_numbers()
            for of, (low, high) in limits.items()
            for levels in {levels for _, levels in _INTEGERS.values()}
        }
        self.training = False

    def outputs(self, product: Product, matrix: Matrix) -> Tensor | None:
        """All outputs of a product, with the bias; None leaves it to torch in floating point."""
        if self.is_watching:
            self.counts[matrix.parameter] += 1
            self._see(Input(matrix.path), product.x)
            return None
        segments = self._segments(matrix)
        if len(segments) > 1:
            axis = -1 if product.window is None else 1
            return product.with_bias(
                torch.cat([self.some(product, matrix, each.rows) for each in segments], axis)
            )
        [(_, numerics)] = segments
        if numerics == "fp32":
            return None
        return self._compute(product, matrix, slice(None), numerics, product.bias)

    def some(self, product: Product, matrix: Matrix, rows: slice) -> Tensor:
        """Some outputs of a product, without bias.

        Args:
            product: The product.
            matrix: The matrix that it multiplies with.
            rows: The outputs that are needed.
        """
        first, last, _ = rows.indices(len(product.weight))
        axis = -1 if product.window is None else 1
        outputs = []
        for segment in self._segments(matrix):
            start, stop, _ = segment.rows.indices(len(product.weight))
            part = slice(max(first, start), min(last, stop))
            if part.start < part.stop:
                outputs.append(
                    product.plain(part)
                    if segment.numerics == "fp32"
                    else self._compute(product, matrix, part, segment.numerics, None)
                )
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, axis)

    def call(
        self,
        function: Any,
        args: Any,
        kwargs: Any,
        name_of: Callable[[Any], str],
        is_on_tiles: Callable[[], bool],
    ) -> Any:
        """The result of a function that multiplies with weights as no tile does.

        Args:
            function: One of `HOST_PRODUCTS`.
            args: Its arguments.
            kwargs: Its keyword arguments.
            name_of: From an operand to the path of the parameter that it is; empty if it is none.
            is_on_tiles: Asks whether tiles compute the product.

        Returns:
            None if the operand is no weight, or the product is computed elsewhere.
        """
        known = HOST_PRODUCTS[function]
        named = dict(zip(known.names, args, strict=False)) | kwargs
        operands = [name for name in known.weights if name_of(named.get(name))]
        if len(operands) != 1:
            return None
        [operand] = operands
        weight, axes = named[operand], known.axes(operand, named)
        if axes is None:
            return None
        matrix = Matrix(name_of(weight), 0, len(weight), is_whole=True)
        inputs = [name for name in known.inputs if name != operand]
        if self.is_watching:
            self.counts[matrix.parameter] += 1
            for name in inputs:
                self._see(Input(matrix.path, name), named[name])
            return function(*args, **kwargs)
        [(_, numerics)] = self._segments(matrix)[:1]
        if numerics == "fp32" or is_on_tiles():
            return None
        named[operand] = self._weight(weight, (matrix, axes), axes, numerics)
        for name in inputs:
            named[name] = self._input(named[name], Input(matrix.path, name), numerics)
        positional = [named.pop(name) for name in known.names[: len(args)]]
        return self._output(function(*positional, **named), numerics)

    def _see(self, of: Input, x: Tensor) -> None:
        assert self._limits is not None
        if not x.numel():
            return
        low, high = torch.aminmax(x.detach())
        if of in self._limits:
            before = self._limits[of]
            low, high = torch.minimum(low, before[0]), torch.maximum(high, before[1])
        self._limits[of] = low, high

    def _segments(self, matrix: Matrix) -> list[Segment]:
        """The rows of a matrix by what computes them, in order."""
        others = self._others.get(matrix.parameter)
        if others is None:
            return [Segment(slice(None), self._host)]
        segments, end = [], matrix.first
        for other, numerics in sorted(others, key=lambda pair: pair[0].first):
            first, last = max(other.first, end), min(other.last, matrix.last)
            if first < last:
                if end < first:
                    segments.append(Segment(_from(matrix, end, first), self._host))
                segments.append(Segment(_from(matrix, first, last), numerics))
                end = last
        if not matrix.is_rows:  # it is whole
            return [Segment(slice(None), segments[0].numerics if segments else self._host)]
        if end < matrix.last or not segments:
            segments.append(Segment(_from(matrix, end, matrix.last), self._host))
        return segments

    def _compute(
        self, product: Product, matrix: Matrix, rows: slice, numerics: Numerics, bias: Tensor | None
    ) -> Tensor:
        whole, window = product.weight, product.window
        key = (matrix, tuple(whole.shape), rows.start, rows.stop)
        weight = self._weight(whole[rows], key, tuple(range(1, whole.dim())), numerics)
        x = self._input(product.x, Input(matrix.path), numerics)
        if window is None:
            return self._output(F.linear(x, weight.flatten(1), bias), numerics)
        left, right, top, bottom = window.padding
        padding = (top, left)
        if (top, left) != (bottom, right):
            x, padding = window.pad(x), (0, 0)
        kernels = weight.reshape(len(weight), -1, *window.kernel)
        y = F.conv2d(x, kernels, bias, window.stride, padding, window.dilation)
        return self._output(y, numerics)

    def _weight(
        self, weight: Tensor, key: Any, axes: tuple[int, ...], numerics: Numerics
    ) -> Tensor:
        """Weights as the target has them; in evaluation they are computed once."""
        if self.training:
            return straight_through(weight, _rounded(weight.detach(), axes, numerics))
        if (key, numerics) not in self._weights:
            self._weights[key, numerics] = _rounded(weight.detach(), axes, numerics)
        return self._weights[key, numerics]

    def _input(self, x: Tensor, of: Input, numerics: Numerics) -> Tensor:
        if numerics == "fp16":
            return straight_through(x, x.detach().half().to(x.dtype))
        levels = _INTEGERS[numerics][1]
        if self.training:
            values = x.detach()
            if not values.numel():
                return x
            low, high = torch.aminmax(values)
            return straight_through(x, InputRange.of(low, high, levels).rounded(values))
        if (of, levels) not in self._ranges:
            raise InputError(
                f"the network multiplies with the weights of {of.path!r}, but not on the training "
                "examples on which ranges of inputs are calibrated"
            )
        return self._ranges[of, levels].rounded(x)

    def _output(self, y: Tensor, numerics: Numerics) -> Tensor:
        if numerics != "fp16":
            return y
        return straight_through(y, y.detach().half().to(y.dtype))


def _rounded(weight: Tensor, axes: tuple[int, ...], numerics: Numerics) -> Tensor:
    if numerics == "fp16":
        return weight.half().to(weight.dtype)
    if numerics == "ternary":
        return ternary_weights(weight, axes)
    return integer_weights(weight, axes, _INTEGERS[numerics][0])


def _from(matrix: Matrix, first: int, last: int) -> slice:
    """Rows of a parameter as rows of its matrix."""
    return slice(first - matrix.first, last - matrix.first)


def weights_of(network: nn.Module, path: str) -> Matrix:
    """The weights of a path, those of grouped and transposed convolutions included.

    Raises:
        InputError: The network has no weights of that path.
    """
    name = f"{path}.weight" if path else "weight"
    parameters = dict(network.named_parameters(remove_duplicate=False))
    if name in parameters and parameters[name].dim() > 1:
        return Matrix(name, 0, len(parameters[name]), is_whole=True)
    return Matrix.named(network, path)


def aliases(network: nn.Module, name: str) -> list[str]:
    """All paths of a parameter, the first of which is that of `named_parameters`."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    return [alias for alias, other in parameters.items() if other is parameters[name]]


class _HostProduct(NamedTuple):
    """Arguments of a function that only digital targets compute.

    Attributes:
        names: Names of its arguments, in order.
        inputs: Those that may be activations.
        weights: Those that may be weights.
        axes: From the name of the weight and all arguments to the axes of its inputs; None if a tile
            could compute the product.
    """

    names: tuple[str, ...]
    inputs: tuple[str, ...]
    weights: tuple[str, ...]
    axes: Callable[[str, dict[str, Any]], tuple[int, ...] | None]


def _inputs_of_groups(_: str, named: dict[str, Any]) -> tuple[int, ...] | None:
    return tuple(range(1, named["weight"].dim())) if named.get("groups", 1) != 1 else None


def _inputs_of_transposed(_: str, named: dict[str, Any]) -> tuple[int, ...]:
    return (0, *range(2, named["weight"].dim()))


def _inputs_of_many(operand: str, named: dict[str, Any]) -> tuple[int, ...] | None:
    """Weights that are a matrix for each head or expert: the inner axis of the product."""
    weight = named[operand]
    if weight.dim() < 3 or weight.shape[:-2].numel() == 1:
        return None
    return (-1,) if operand == "input" else (-2,)


_CONVOLUTION = tuple("input weight bias stride padding dilation groups".split())
_TRANSPOSED = tuple("input weight bias stride padding output_padding groups dilation".split())
_ONE_INPUT = ("input",), ("weight",)
_EITHER = ("input", "other"), ("input", "other")

#: Function of torch -> its arguments.
HOST_PRODUCTS: dict[Any, _HostProduct] = {
    **dict.fromkeys(
        (torch.conv1d, torch.conv2d, torch.conv3d),
        _HostProduct(_CONVOLUTION, *_ONE_INPUT, _inputs_of_groups),
    ),
    **dict.fromkeys(
        (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
        _HostProduct(_TRANSPOSED, *_ONE_INPUT, _inputs_of_transposed),
    ),
    F.bilinear: _HostProduct(
        ("input1", "input2", "weight", "bias"),
        ("input1", "input2"),
        ("weight",),
        lambda *_: (1, 2),
    ),
    **dict.fromkeys(
        (torch.matmul, Tensor.matmul, Tensor.__matmul__),
        _HostProduct(("input", "other"), *_EITHER, _inputs_of_many),
    ),
    **dict.fromkeys(
        (torch.bmm, Tensor.bmm),
        _HostProduct(("input", "mat2"), ("input", "mat2"), ("input", "mat2"), _inputs_of_many),
    ),
}
