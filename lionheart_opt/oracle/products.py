"""Products with weights, recognised while a network runs: whichever module or function computes them.

An analog tile holds a weight matrix, not a module. `WeightProducts` sees every function of torch that
the network calls, and hands over those that multiply activations with a matrix of a parameter. The
network's own modules stay as they are: subclasses, functions on bare parameters and attention need
nothing of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from lionheart_opt.oracle.einsum import einsum_product
from lionheart_opt.oracle.recurrent import RECURRENT
from lionheart_opt.oracle.window import Window
from lionheart_opt.tracing.matrices import Matrix, as_matrix, part_of


def _unchanged(y: Tensor) -> Tensor:
    return y


class Product(NamedTuple):
    """A product of activations with an operand that may be a weight matrix.

    Attributes:
        x: Vectors, shape (..., n_inputs), or with a window feature maps (n, channels, height, width).
        weight: Shape (n_outputs, n_inputs, ...).
        bias: What is added to the outputs, shape (n_outputs,); None adds nothing.
        window: The window of a convolution; None for vectors.
        finish: From outputs of shape (..., n_outputs) or (n, n_outputs, height, width), bias included, to
            what the function returns.
    """

    x: Tensor
    weight: Tensor
    bias: Tensor | None = None
    window: Window | None = None
    finish: Callable[[Tensor], Tensor] = _unchanged

    def plain(self, rows: slice) -> Tensor:
        """Some of its outputs in floating point, without bias."""
        weight = self.weight[rows]
        if self.window is None:
            return F.linear(self.x, weight.flatten(1))
        weight = weight.view(len(weight), -1, *self.window.kernel)
        x = self.window.pad(self.x)
        return F.conv2d(x, weight, stride=self.window.stride, dilation=self.window.dilation)

    def with_bias(self, y: Tensor) -> Tensor:
        """All outputs, with the bias."""
        if self.bias is None:
            return y
        return y + (self.bias if self.window is None else self.bias.view(-1, 1, 1))


class WeightProducts(TorchFunctionMode):
    """Inside its context, products with weights go through `product`."""

    def __init__(self) -> None:
        super().__init__()
        #: Address of a parameter's memory -> the parameters there, with their paths.
        self._parameters: dict[int, list[tuple[str, Tensor]]] = {}
        #: Identity of a parameter -> the matrix that is all of it, as most modules use it.
        self._whole: dict[int, Matrix] = {}

    def watch(self, parameters: Iterable[tuple[str, Tensor]]) -> None:
        """Look for products with these parameters, given by path, and no others."""
        self._parameters, self._whole = {}, {}
        self.watch_also(parameters)

    def watch_also(self, parameters: Iterable[tuple[str, Tensor]]) -> None:
        """Look for products with these parameters, too."""
        for path, tensor in parameters:
            self._whole[id(tensor)] = Matrix(path, 0, len(tensor), is_whole=True)
            if address := _address(tensor):
                self._parameters.setdefault(address, []).append((path, tensor))

    def product(self, product: Product, matrix: Matrix) -> Tensor | None:
        """What a product with that matrix returns; None lets torch compute it."""
        raise NotImplementedError

    def steps(self, parameters: Iterable[str]) -> bool:
        """Whether a recurrent layer with these parameters has to be computed step by step."""
        raise NotImplementedError

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call a function of torch, or what takes its place."""
        kwargs = kwargs or {}
        if func in _READERS:
            for product in _products(func, self._is_weight, args, kwargs):
                matrix = self._matrix(product.weight)
                if matrix is not None:
                    result = self.product(product, matrix)
                    if result is not None:
                        return product.finish(result)
                    break
        elif func in RECURRENT:
            weights = [name for tensor in _tensors(args) for name in self._names(tensor)]
            if weights and self.steps(weights):
                with self:
                    return RECURRENT[func](*args, **kwargs)
        elif func in _OPENED and any(self._is_weight(t) for t in _tensors((args, kwargs))):
            with self:
                return _OPENED[func](*args, **kwargs)
        return func(*args, **kwargs)

    def name(self, operand: Any) -> str:
        """Path of the parameter that an operand is a part of; empty if it is of none."""
        names = self._names(operand) if isinstance(operand, Tensor) else []
        return names[0] if names else ""

    def _names(self, tensor: Tensor) -> list[str]:
        return [name for name, _ in self._parameters.get(_address(tensor), ())]

    def _is_weight(self, operand: Any) -> bool:
        if id(operand) in self._whole:
            return True
        return isinstance(operand, Tensor) and _address(operand) in self._parameters

    def _matrix(self, operand: Tensor) -> Matrix | None:
        if id(operand) in self._whole:
            return self._whole[id(operand)]
        for name, parameter in self._parameters.get(_address(operand), ()):
            matrix = part_of(operand, parameter, name)
            if matrix is not None:
                return matrix
        return None


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [tensor for item in value for tensor in _tensors(item)]


def _address(tensor: Tensor) -> int:
    """Address of its memory, the same for all views of a tensor; 0 if it has no memory of its own."""
    if tensor.layout is not torch.strided or tensor.is_meta:
        return 0
    return int(tensor.untyped_storage().data_ptr())


_IsWeight = Callable[[Any], bool]

#: Names of the operands of products, in the order in which every function takes them.
_OPERANDS = "input self mat mat1 batch1 weight other mat2 batch2 vec".split()
#: Other arguments that the readers of products of matrices know.
_FACTORS = {"beta", "alpha"}


def _products(
    function: Any, is_weight: _IsWeight, args: Any, kwargs: dict[str, Any]
) -> list[Product]:
    """The products of a call whose operands may be weights; none if it is of a kind that is not known."""
    read = _READERS[function]
    if read in (_linear, _convolution):
        return read(is_weight, *args, **kwargs)
    named = [kwargs[name] for name in _OPERANDS if name in kwargs]
    rest = {name: value for name, value in kwargs.items() if name not in _OPERANDS}
    if not rest.keys() <= _FACTORS:  # `out`, for example: the product is left to torch
        return []
    return read(is_weight, *args, *named, **rest)


def _linear(
    is_weight: _IsWeight, input: Tensor, weight: Tensor, bias: Tensor | None = None
) -> list[Product]:
    return [Product(x=input, weight=weight, bias=bias)] if is_weight(weight) else []


def _convolution(
    is_weight: _IsWeight,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> list[Product]:
    if not is_weight(weight) or groups != 1:
        return []
    n_axes = weight.dim() - 2
    if n_axes == 3:
        return [_volumes(input, weight, bias, (stride, padding, dilation))]
    is_single = input.dim() == n_axes + 1
    x = input.unsqueeze(0) if is_single else input

    def finish(y: Tensor) -> Tensor:
        y = y.squeeze(2) if n_axes == 1 else y
        return y.squeeze(0) if is_single else y

    window = Window.of(weight.shape, stride, padding, dilation)
    x = x.unsqueeze(2) if n_axes == 1 else x
    return [Product(x=x, weight=weight, bias=bias, window=window, finish=finish)]


def _volumes(x: Tensor, weight: Tensor, bias: Tensor | None, settings: tuple[Any, ...]) -> Product:
    """A convolution of volumes as a product with vectors, one for each position of the kernel."""
    is_single = x.dim() == 4
    x = x.unsqueeze(0) if is_single else x
    kernel = weight.shape[2:]
    stride, padding, dilation = (
        (value,) if isinstance(value, int) else value for value in settings
    )
    spans = [d * (k - 1) for d, k in zip(_three(dilation), kernel, strict=True)]
    if isinstance(padding, str):
        margins = [(s // 2, s - s // 2) if padding == "same" else (0, 0) for s in spans]
    else:
        margins = [(p, p) for p in _three(padding)]
    x = F.pad(x, [size for margin in reversed(margins) for size in margin])
    steps = zip(spans, _three(stride), _three(dilation), strict=True)
    for axis, (span, step, gap) in enumerate(steps):
        x = x.unfold(axis + 2, span + 1, step)[..., ::gap]
    vectors = x.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(4)

    def finish(y: Tensor) -> Tensor:
        y = y.movedim(-1, 1)
        return y.squeeze(0) if is_single else y

    return Product(x=vectors, weight=weight, bias=bias, finish=finish)


def _three(value: Any) -> tuple[int, int, int]:
    values = tuple(value)
    return (values * 3)[:3] if len(values) == 1 else values


def _matmul(is_weight: _IsWeight, left: Any, right: Any) -> list[Product]:
    products = []
    if is_weight(right) and (left.dim() >= right.dim() or right.dim() <= 2):
        weight = as_matrix(right, outputs_first=False)
        finish = (lambda y: y.squeeze(-1)) if right.dim() == 1 else _unchanged
        products.append(Product(x=left, weight=weight, finish=finish))
    if is_weight(left) and (right.dim() == 1 or right.dim() >= left.dim()):
        weight = left
        while weight.dim() > 2 and (len(weight) == 1 or weight.stride(0) == 0):
            weight = weight[0]
        if right.dim() == 1:
            products.append(Product(x=right, weight=weight))
        else:
            products.append(Product(x=right.mT, weight=weight, finish=lambda y: y.mT))
    return products


def _swapped_matmul(is_weight: _IsWeight, right: Any, left: Any) -> list[Product]:
    return _matmul(is_weight, left, right)


def _added_matmul(
    is_weight: _IsWeight, input: Any, left: Any, right: Any, *, beta: float = 1, alpha: float = 1
) -> list[Product]:
    def added(finish: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda y: beta * input + alpha * finish(y)

    return [
        Product(x=product.x, weight=product.weight, finish=added(product.finish))
        for product in _matmul(is_weight, left, right)
    ]


def _einsum(is_weight: _IsWeight, equation: Any, *operands: Any) -> list[Product]:
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    if not isinstance(equation, str) or len(operands) != 2:
        return []
    products = []
    for number in (1, 0):
        if is_weight(operands[number]):
            parts = einsum_product(equation, operands, number)
            if parts is not None:
                x, weight, finish = parts
                products.append(Product(x=x, weight=weight, finish=finish))
    return products


#: Function of torch -> its products with operands that may be weights.
_READERS: dict[Any, Callable[..., list[Product]]] = {
    F.linear: _linear,
    torch.conv1d: _convolution,
    torch.conv2d: _convolution,
    torch.conv3d: _convolution,
    torch.einsum: _einsum,
    Tensor.__rmatmul__: _swapped_matmul,
    **dict.fromkeys(
        (
            *(torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm),
            *(torch.bmm, Tensor.bmm, torch.mv, Tensor.mv),
        ),
        _matmul,
    ),
    **dict.fromkeys(
        (torch.addmm, Tensor.addmm, torch.baddbmm, Tensor.baddbmm, torch.addmv, Tensor.addmv),
        _added_matmul,
    ),
}


def _opened(function: Any) -> Any:
    """A copy of a function of torch that does not ask who else wants to compute it, as a whole."""
    names = {**function.__globals__, "has_torch_function": lambda _: False}
    copy = FunctionType(
        function.__code__, names, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


#: Functions of torch in which there are products -> copies whose products are seen.
_OPENED = {F.multi_head_attention_forward: _opened(F.multi_head_attention_forward)}
