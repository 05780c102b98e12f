"""Forward passes of one network under many mappings; what mappings share is computed once."""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.fx import Node, Tracer
from torch.fx.node import map_arg

from lionheart_opt.oracle.engine import AnalogNetwork

#: Results that no mapping changes are kept up to this size, all batches together; the rest are computed
#: again.
KEPT_BYTES = 1 << 30

#: Operators that change their argument -> operators with the same result that do not.
_PURE = {
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


class Passes:
    """A network in which every pass chooses the layers that are analog.

    The result of an operation depends on the batch and on which of the layers before it are analog.
    An operation is computed only if one of these has changed since the last pass. Mappings in the
    order of `ordered` have the longest beginnings in common, and digital layers before the first
    analog one are computed once for all draws.

    This needs the network's graph (torch.fx). A network that cannot be traced, or that uses a layer
    twice, is run as a whole.

    Args:
        analog: The network, in evaluation mode. Nothing else may use it in the meantime.
        mappings: For each mapping that will be run, the paths of its analog modules.
        image: A batch to try the graph with.
    """

    def __init__(
        self,
        analog: AnalogNetwork,
        mappings: Sequence[Collection[str]],
        image: torch.Tensor,
    ) -> None:
        self._analog = analog
        self._mappings = [frozenset(paths) for paths in mappings]
        self._used = frozenset().union(*self._mappings)
        for module in analog.network.modules():
            if "inplace" in vars(module):
                vars(module)["inplace"] = False  # results are kept
        self._nodes = _nodes(analog.network, self._used)
        self._bits: dict[str, int] = {}
        self._reach: dict[Node, int] = {}  # bits of the analog layers that a result depends on
        for node in self._nodes:
            reach = 0
            for before in node.all_input_nodes:
                reach |= self._reach[before]
            if node.op == "call_module" and node.target in self._used:
                reach |= self._bits.setdefault(str(node.target), 1 << len(self._bits))
            self._reach[node] = reach
        self._moving = [node for node in self._nodes if self._reach[node] or node.op == "output"]
        self._kept: dict[int, dict[Node, tuple[int, Any]]] = {}
        self._kept_bytes = 0
        self._results: dict[Node, tuple[int, Any]] = {}
        self._pending: list[Node] = []
        self._images, self._first = image, 0
        if not self._agrees():
            self._nodes = []

    @cached_property
    def ordered(self) -> list[int]:
        """Numbers of the mappings, ordered so that neighbours share the longest beginnings."""
        paths = list(self._bits)  # in execution order
        keys = [[path in mapping for path in paths] for mapping in self._mappings]
        return sorted(range(len(keys)), key=keys.__getitem__)

    def begin(self, images: torch.Tensor, first: int) -> None:
        """Take the next batch.

        Args:
            images: The batch.
            first: Number of its first example; it identifies the batch.
        """
        self._images, self._first = images, first
        self._results = dict(self._kept.get(first, {}))
        self._pending = self._moving if first in self._kept else self._nodes

    def __call__(self, number: int) -> Any:
        """The network's output for the batch, under the mapping with that number."""
        mapping = self._mappings[number]
        self._analog.set_ideal(self._used - mapping)
        self._analog.rewind(self._first, len(self._images))
        if not self._nodes:
            return self._analog(self._images)
        now = sum(self._bits[path] for path in mapping if path in self._bits)
        for node in self._pending:
            state = self._reach[node] & now
            if node not in self._results or self._results[node][0] != state:
                self._results[node] = state, self._run(node)
        if self._pending is self._nodes:
            self._keep()
            self._pending = self._moving
        return self._results[self._nodes[-1]][1]

    def _run(self, node: Node) -> Any:
        """Compute one operation from the results of its inputs."""

        def value(argument: Node) -> Any:
            return self._results[argument][1]

        arguments = map_arg(node.args, value)
        keywords = map_arg(node.kwargs, value)
        if node.op == "placeholder":
            return self._images
        if node.op == "output":
            return arguments[0]
        if node.op == "call_method":
            return getattr(arguments[0], str(node.target))(*arguments[1:], **keywords)
        if node.op == "call_function":
            function: Any = node.target
            return _PURE.get(function, function)(*arguments, **keywords)
        attribute: Any = self._analog.network
        for name in str(node.target).split("."):
            attribute = getattr(attribute, name)
        return attribute if node.op == "get_attr" else attribute(*arguments, **keywords)

    def _keep(self) -> None:
        """Keep the results that no mapping changes and that other operations need."""
        fixed = {
            node: self._results[node]
            for node in self._nodes
            if not self._reach[node] and any(self._reach[user] for user in node.users)
        }
        size = sum(x.nbytes for _, x in fixed.values() if isinstance(x, torch.Tensor))
        if self._kept_bytes + size <= KEPT_BYTES:
            self._kept[self._first] = fixed
            self._kept_bytes += size

    def _agrees(self) -> bool:
        """Whether running the operations one by one gives the digital network's output."""
        self._analog.set_ideal(self._used)
        whole = self._analog(self._images)
        try:
            for node in self._nodes:
                self._results[node] = 0, self._run(node)
        except Exception:  # see _nodes
            return False
        return bool(self._nodes) and torch.equal(self._results[self._nodes[-1]][1], whole)


class _LeafTracer(Tracer):
    """Treats modules without children, and analog ones, as single operations."""

    def __init__(self, analog: Collection[str]) -> None:
        super().__init__()
        self._leaves = set(analog)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See `Tracer.is_leaf_module`."""
        return module_qualified_name in self._leaves or not any(True for _ in m.children())


def _nodes(network: nn.Module, analog: Collection[str]) -> list[Node]:
    """The network's operations in execution order; empty if they cannot be run one by one."""
    try:
        graph = _LeafTracer(analog).trace(network)
    except Exception:  # tracing runs the user's code, which may raise anything
        return []
    nodes = list(graph.nodes)
    modules = [network.get_submodule(str(n.target)) for n in nodes if n.op == "call_module"]
    layers = [module for module in modules if any(True for _ in module.parameters())]
    is_plain = all(map(_is_pure, nodes)) and len(set(map(id, layers))) == len(layers)
    inputs = sum(node.op == "placeholder" for node in nodes)
    return nodes if is_plain and inputs == 1 else []


def _is_pure(node: Node) -> bool:
    """Whether an operation, as `Passes` runs it, leaves its inputs unchanged."""
    name = getattr(node.target, "__name__", str(node.target))
    is_named_in_place = name.endswith("_") and not name.endswith("__")
    if node.op == "call_function" and node.target in _IMPURE:
        return False
    if node.op in {"call_function", "call_method"} and is_named_in_place:
        return node.target is operator.is_
    return not node.kwargs.get("inplace", False) and "out" not in node.kwargs
