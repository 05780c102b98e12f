"""Products with weights, recognised while a network runs: whichever module or function computes them.

An analog tile holds a weight matrix, not a module. `WeightProducts` sees every function of torch that
the network calls, and hands over those that multiply activations with a matrix of a parameter. The
network's own modules stay as they are: subclasses, functions on bare parameters and attention need
nothing of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from types import FunctionType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from lionheart_opt.oracle.convolutions import IsWeight, convolution, transposed_convolution
from lionheart_opt.oracle.product import Product as Product
from lionheart_opt.oracle.product import unchanged
from lionheart_opt.oracle.recurrent import RECURRENT
from lionheart_opt.tracing.einsum import einsum_product
from lionheart_opt.tracing.matrices import Matrix, as_matrix, is_same, part_of


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
            known = self.matrix_of(func, args, kwargs)
            if known is not None:
                result = self.product(*known)
                if result is not None:
                    return known[0].finish(result)
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

    def _matrix(self, product: Product) -> Matrix | None:
        operand = product.weight
        if product.source is not None:
            return self._made_of(*product.source)
        if id(operand) in self._whole:
            matrix = self._whole[id(operand)]
            return replace(matrix, groups=product.groups) if product.groups > 1 else matrix
        for name, parameter in self._parameters.get(_address(operand), ()):
            part = part_of(operand, parameter, name)
            if part is not None and (product.groups == 1 or part.is_whole):
                return replace(part, groups=product.groups) if product.groups > 1 else part
        return None

    def _made_of(self, operand: Tensor, outputs: tuple[int, ...]) -> Matrix | None:
        """All of a parameter, some dimensions of which are those of the outputs."""
        for name, parameter in self._parameters.get(_address(operand), ()):
            if is_same(operand, parameter):
                return Matrix.whole(name, parameter, outputs)
        return None

    def matrix_of(
        self, func: Any, args: Any, kwargs: dict[str, Any]
    ) -> tuple[Product, Matrix] | None:
        """The first product of a call with a known matrix, and the matrix; None if there is none."""
        if func not in _READERS:
            return None
        for product in _products(func, self._is_weight, args, kwargs):
            matrix = self._matrix(product)
            if matrix is not None:
                return product, matrix
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


#: Names of the operands of products, in the order in which every function takes them.
_OPERANDS = "input self mat mat1 batch1 weight other mat2 batch2 vec".split()
#: Other arguments that the readers of products of matrices know.
_FACTORS = {"beta", "alpha"}


def _products(
    function: Any, is_weight: IsWeight, args: Any, kwargs: dict[str, Any]
) -> list[Product]:
    """The products of a call whose operands may be weights; none if it is of a kind that is not known."""
    read = _READERS[function]
    if read in (_linear, convolution, transposed_convolution, _tensordot):
        return read(is_weight, *args, **kwargs)
    named = [kwargs[name] for name in _OPERANDS if name in kwargs]
    rest = {name: value for name, value in kwargs.items() if name not in _OPERANDS}
    if not rest.keys() <= _FACTORS:  # `out`, for example: the product is left to torch
        return []
    return read(is_weight, *args, *named, **rest)


def _linear(
    is_weight: IsWeight, input: Tensor, weight: Tensor, bias: Tensor | None = None
) -> list[Product]:
    return [Product(x=input, weight=weight, bias=bias)] if is_weight(weight) else []


def _matmul(is_weight: IsWeight, left: Any, right: Any) -> list[Product]:
    products = []
    if is_weight(right) and (left.dim() >= right.dim() or right.dim() <= 2):
        weight = as_matrix(right, outputs_first=False)
        finish = (lambda y: y.squeeze(-1)) if right.dim() == 1 else unchanged
        products.append(Product(x=left, weight=weight, finish=finish))
    if is_weight(left) and (right.dim() == 1 or right.dim() >= left.dim()):
        weight = left
        while weight.dim() > 2 and (len(weight) == 1 or weight.stride(0) == 0):
            weight = weight[0]
        if weight.dim() > 2:  # a matrix for each head or expert
            return products
        if right.dim() == 1:
            products.append(Product(x=right, weight=weight))
        else:
            products.append(Product(x=right.mT, weight=weight, finish=lambda y: y.mT))
    return products


def _swapped_matmul(is_weight: IsWeight, right: Any, left: Any) -> list[Product]:
    return _matmul(is_weight, left, right)


def _added_matmul(
    is_weight: IsWeight, input: Any, left: Any, right: Any, *, beta: float = 1, alpha: float = 1
) -> list[Product]:
    def added(finish: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda y: beta * input + alpha * finish(y)

    return [
        Product(x=product.x, weight=product.weight, finish=added(product.finish))
        for product in _matmul(is_weight, left, right)
    ]


def _einsum(is_weight: IsWeight, equation: Any, *operands: Any) -> list[Product]:
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = tuple(operands[0])
    if not isinstance(equation, str) or len(operands) != 2:
        return []
    products = []
    for number in (1, 0):
        if is_weight(operands[number]):
            parts = einsum_product(equation, operands, number)
            if parts is not None:
                products.append(
                    Product(
                        x=parts.x,
                        weight=parts.weight,
                        finish=parts.finish,
                        source=(operands[number], parts.outputs),
                    )
                )
    return products


def _inner(is_weight: IsWeight, left: Any, right: Any) -> list[Product]:
    return [Product(x=left, weight=right)] if is_weight(right) and right.dim() == 2 else []


def _tensordot(
    is_weight: IsWeight, a: Any, b: Any, dims: Any = 2, out: Any = None
) -> list[Product]:
    """A contraction of the last dimensions of activations and the first ones of a weight."""
    if out is not None or not isinstance(dims, int) or not is_weight(b) or not 0 < dims < b.dim():
        return []
    outputs = tuple(range(dims, b.dim()))
    sizes = b.shape[dims:]
    weight = b.flatten(0, dims - 1).flatten(1).t()
    x = a.flatten(a.dim() - dims)

    def finish(y: Tensor) -> Tensor:
        return y.reshape(*y.shape[:-1], *sizes)

    return [Product(x=x, weight=weight, finish=finish, source=(b, outputs))]


#: Function of torch -> its products with operands that may be weights.
_READERS: dict[Any, Callable[..., list[Product]]] = {
    F.linear: _linear,
    torch.conv1d: convolution,
    torch.conv2d: convolution,
    torch.conv3d: convolution,
    torch.conv_transpose1d: transposed_convolution,
    torch.conv_transpose2d: transposed_convolution,
    torch.conv_transpose3d: transposed_convolution,
    torch.einsum: _einsum,
    torch.tensordot: _tensordot,
    torch.inner: _inner,
    Tensor.inner: _inner,
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
