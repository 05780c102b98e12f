"""Forward passes of one network under many mappings, computing what they have in common once."""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.fx import Node, Tracer
from torch.fx.node import map_arg

from lionheart_opt.oracle.engine import AnalogNetwork, Engine

#: Results that no mapping changes are kept for all batches up to this size, and computed anew beyond.
KEPT_BYTES = 1 << 30

#: Operators that change their argument -> those that do not; their results are the same.
_PURE = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}
#: Operators that change their argument, and that we do not replace.
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
    """A network whose layers run analog or digital as each pass says.

    What an operation returns depends on the batch, and on which of the layers before it are analog.
    It is computed only where that has changed since the pass before: mappings in the order of
    `ordered` share the longest beginnings, and digital layers before the first analog one are
    computed once for all draws. This needs the network's graph (torch.fx); a network that has none,
    or uses a layer twice, is run as a whole.

    Args:
        engine: that made the network.
        analog: in evaluation mode; it must not be used otherwise meanwhile.
        mappings: the paths of the analog modules of each mapping that will be run.
        image: a batch to try the graph with.
    """

    def __init__(
        self,
        engine: Engine,
        analog: AnalogNetwork,
        mappings: Sequence[Collection[str]],
        image: torch.Tensor,
    ) -> None:
        self._engine = engine
        self._analog = analog
        self._mappings = [frozenset(paths) for paths in mappings]
        self._used = frozenset().union(*self._mappings)
        for module in analog.network.modules():
            if "inplace" in vars(module):
                vars(module)["inplace"] = False  # results are kept
        self._nodes = _nodes(analog.network, self._used)
        self._bits: dict[str, int] = {}
        self._reach: dict[Node, int] = {}  # analog layers among a node and what it depends on
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
        self._known: dict[Node, tuple[int, Any]] = {}
        self._pending: list[Node] = []
        self._images, self._first = image, 0
        if not self._agrees():
            self._nodes = []

    @cached_property
    def ordered(self) -> list[int]:
        """Numbers of the mappings, such that successive ones have the longest beginnings in common."""
        paths = list(self._bits)  # in execution order
        keys = [[path in mapping for path in paths] for mapping in self._mappings]
        return sorted(range(len(keys)), key=keys.__getitem__)

    def begin(self, images: torch.Tensor, first: int) -> None:
        """Take the next batch.

        Args:
            images: the batch.
            first: number of its first example, which stands for the batch.
        """
        self._images, self._first = images, first
        self._known = dict(self._kept.get(first, {}))
        self._pending = self._moving if first in self._kept else self._nodes

    def __call__(self, number: int) -> Any:
        """What the network returns for the batch under the mapping of that number."""
        mapping = self._mappings[number]
        self._engine.set_ideal(self._analog, self._used - mapping)
        self._engine.rewind(self._analog, self._first, len(self._images))
        if not self._nodes:
            return self._analog(self._images)
        now = sum(self._bits[path] for path in mapping if path in self._bits)
        for node in self._pending:
            state = self._reach[node] & now
            if node not in self._known or self._known[node][0] != state:
                self._known[node] = state, self._run(node)
        if self._pending is self._nodes:
            self._keep()
            self._pending = self._moving
        return self._known[self._nodes[-1]][1]

    def _run(self, node: Node) -> Any:
        """The result of one operation, from those of its inputs."""

        def value(argument: Node) -> Any:
            return self._known[argument][1]

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
        found: Any = self._analog.network
        for name in str(node.target).split("."):
            found = getattr(found, name)
        return found if node.op == "get_attr" else found(*arguments, **keywords)

    def _keep(self) -> None:
        """Remember what no mapping changes, as far as other operations need it."""
        fixed = {
            node: self._known[node]
            for node in self._nodes
            if not self._reach[node] and any(self._reach[user] for user in node.users)
        }
        size = sum(x.nbytes for _, x in fixed.values() if isinstance(x, torch.Tensor))
        if self._kept_bytes + size <= KEPT_BYTES:
            self._kept[self._first] = fixed
            self._kept_bytes += size

    def _agrees(self) -> bool:
        """Whether the operations, run one by one, give what the digital network gives."""
        self._engine.set_ideal(self._analog, self._used)
        whole = self._analog(self._images)
        try:
            for node in self._nodes:
                self._known[node] = 0, self._run(node)
        except Exception:  # see _nodes
            return False
        return bool(self._nodes) and torch.equal(self._known[self._nodes[-1]][1], whole)


class _LeafTracer(Tracer):
    """Takes modules without children, and analog ones, as single operations."""

    def __init__(self, analog: Collection[str]) -> None:
        super().__init__()
        self._leaves = set(analog)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """See `Tracer.is_leaf_module`."""
        return module_qualified_name in self._leaves or not any(True for _ in m.children())


def _nodes(network: nn.Module, analog: Collection[str]) -> list[Node]:
    """The network's operations in execution order; none where they cannot be run one by one."""
    try:
        graph = _LeafTracer(analog).trace(network)
    except Exception:  # what a network does while it is traced is beyond us
        return []
    nodes = list(graph.nodes)
    modules = [network.get_submodule(str(n.target)) for n in nodes if n.op == "call_module"]
    layers = [module for module in modules if any(True for _ in module.parameters())]
    is_plain = all(map(_is_pure, nodes)) and len(set(map(id, layers))) == len(layers)
    inputs = sum(node.op == "placeholder" for node in nodes)
    return nodes if is_plain and inputs == 1 else []


def _is_pure(node: Node) -> bool:
    """Whether an operation, as we run it, leaves its inputs as they are."""
    name = getattr(node.target, "__name__", str(node.target))
    is_named_in_place = name.endswith("_") and not name.endswith("__")
    if node.op == "call_function" and node.target in _IMPURE:
        return False
    if node.op in {"call_function", "call_method"} and is_named_in_place:
        return node.target is operator.is_
    return not node.kwargs.get("inplace", False) and "out" not in node.kwargs
