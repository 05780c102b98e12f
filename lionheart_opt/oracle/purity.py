"""What may be reused of a forward pass: results that nothing has written to or remembers."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.fx import Node
from torch.utils._pytree import tree_leaves

#: Operators that change their argument -> operators with the same result that do not.
PURE = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}
#: Operators that change their argument and that we do not replace.
_IMPURE = {
    operator.setitem,
    operator.delitem,
    operator.iand,
    operator.ifloordiv,
    operator.imatmul,
    operator.imod,
    operator.ior,
    operator.ipow,
    operator.ixor,
}


class WrittenError(Exception):
    """A result that was kept, or the state of a module, has been written to."""


@dataclass(frozen=True, eq=False)
class Kept:
    """A result of an operation, with the versions of its tensors when it was computed.

    Args:
        value: The result.
        tensors: The tensors in it, each with torch's count of writes to its memory.
    """

    value: Any
    tensors: tuple[tuple[torch.Tensor, int], ...]

    @classmethod
    def of(cls, value: Any) -> Kept:
        """A result that has just been computed."""
        return cls(value, tuple((tensor, tensor._version) for tensor in _tensors(value)))

    @property
    def nbytes(self) -> int:
        """Size of its tensors in memory."""
        return sum(tensor.nbytes for tensor, _ in self.tensors)

    def unwritten(self) -> Any:
        """The result.

        Raises:
            WrittenError: Something has written to it, to a view of it, or to what it is a view of.
        """
        for tensor, version in self.tensors:
            if tensor._version != version:
                raise WrittenError
        return self.value


def is_pure(node: Node) -> bool:
    """Whether an operation leaves its inputs unchanged, as far as its name tells."""
    name = getattr(node.target, "__name__", str(node.target))
    is_named_in_place = name.endswith("_") and not name.endswith("__")
    if node.target in _IMPURE:
        return False
    if node.op in {"call_function", "call_method"} and is_named_in_place:
        return node.target is operator.is_
    return not node.kwargs.get("inplace", False) and "out" not in node.kwargs


def is_in_doubt(operation: Any) -> bool:
    """Whether a module or function may write to its inputs, or remember them, without torch's knowledge.

    Those of torch and this package do not, unless hooks are registered on them.
    """
    kind = type(operation) if isinstance(operation, nn.Module) else operation
    package = (getattr(kind, "__module__", None) or "").partition(".")[0]
    if isinstance(operation, nn.Module) and (
        operation._forward_hooks or operation._forward_pre_hooks
    ):
        return True
    # methods of tensors, for example, have no module
    return package not in {
        "torch",
        "lionheart_opt",
        "operator",
        "_operator",
        "math",
        "builtins",
        "",
    }


def run_in_doubt(operation: Any, arguments: Any, keywords: dict[str, Any]) -> Any:
    """Call an operation that is in doubt.

    Raises:
        WrittenError: It has written to its inputs, or is a module whose state has changed.
    """
    inputs = _tensors((arguments, keywords))
    before = [tensor.clone() for tensor in inputs]
    state = _state(operation)
    result = operation(*arguments, **keywords)
    if not all(map(torch.equal, inputs, before)) or not _same(state, _state(operation)):
        raise WrittenError
    return result


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


def _state(operation: Any) -> list[Any]:
    """Attributes and buffers of a module, and how often its tensors have been written to."""
    if not isinstance(operation, nn.Module):
        return []
    values: list[Any] = []
    for attributes in (vars(operation), operation._parameters, operation._buffers):
        values += [item for pair in attributes.items() for item in pair]
    for value in tuple(values):
        if isinstance(value, torch.Tensor):
            values.append(value._version)
        elif isinstance(value, list | dict | set):
            values.append(len(value))
    return values


def _same(before: list[Any], now: list[Any]) -> bool:
    pairs = zip(before, now, strict=False)
    return len(before) == len(now) and all(a is b or (type(a) is int and a == b) for a, b in pairs)
