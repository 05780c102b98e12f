"""Forward passes of one network under many mappings; what mappings share is computed once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import nn
from torch.fx import Node, Tracer
from torch.fx.node import map_arg

from lionheart_opt.oracle.engine import AnalogNetwork
from lionheart_opt.oracle.purity import (
    PURE,
    Kept,
    WrittenError,
    is_in_doubt,
    is_pure,
    run_in_doubt,
)
from lionheart_opt.oracle.uses import Uses, check_uses

#: Results that no mapping changes are kept up to this size, all batches together; the rest are computed
#: again.
KEPT_BYTES = 1 << 30

#: Examples on which running the operations one by one is compared with running the whole network.
_TRIED = 4


class Passes:
    """A network in which every pass chooses the layers that are analog.

    The result of an operation depends on the batch and on which of the layers before it are analog.
    An operation is computed only if one of these has changed since the last pass. Mappings in the
    order of `ordered` have the longest beginnings in common, and digital layers before the first
    analog one are computed once for all draws.

    This needs the network's graph (torch.fx). A network is run as a whole if it cannot be traced, if it
    uses a layer twice, or if an operation writes to a result that another one may still need or
    remembers something between passes. Before a result is reused, it is checked that nothing has
    written to it.

    Args:
        analog: The network, in evaluation mode. Nothing else may use it in the meantime.
        mappings: For each mapping that will be run, the paths of its analog modules.
        images: A batch to try the graph with.
        uses: How often each analog module runs in one inference; None does not check it.

    Raises:
        InputError: An analog module runs more or less often; also in passes.
    """

    def __init__(
        self,
        analog: AnalogNetwork,
        mappings: Sequence[Collection[str]],
        images: torch.Tensor,
        uses: Uses | None = None,
    ) -> None:
        self._analog = analog
        self._mappings = [frozenset(paths) for paths in mappings]
        self._used = frozenset().union(*self._mappings)
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
        self._moving = [
            node
            for node in self._nodes
            if self._reach[node] or node.op in {"placeholder", "output"}
        ]
        self._images, self._first = images, 0
        self._overwriting = [
            module
            for module in analog.network.modules()
            if type(module).__module__.startswith("torch.") and vars(module).get("inplace") is True
        ]
        self._forget()
        if self._nodes:
            self._try(images[:_TRIED])
        self._uses = uses
        if self._nodes and uses is not None:
            targets = Counter(node.target for node in self._nodes if node.op == "call_module")
            check_uses({path: targets[path] for path in self._used}, uses, 1)

    def _forget(self) -> None:
        """Drop all results."""
        self._kept: dict[int, dict[Node, tuple[int, Kept]]] = {}
        self._kept_bytes = 0
        self._results: dict[Node, tuple[int, Kept]] = {}
        self._pending: list[Node] = []

    @cached_property
    def ordered(self) -> list[int]:
        """Numbers of the mappings, ordered so that neighbours share the longest beginnings."""
        paths = list(self._bits)  # in execution order
        keys = [[path in mapping for path in paths] for mapping in self._mappings]
        return sorted(range(len(keys)), key=keys.__getitem__)

    def begin(self, images: torch.Tensor, first: int) -> None:
        """Take the next batch.

        Args:
            images: The batch, which is left unchanged.
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
        if self._nodes:
            try:
                return self._step(sum(self._bits[path] for path in mapping if path in self._bits))
            except WrittenError:
                self._give_up()
                self._analog.rewind(self._first, len(self._images))
        output = self._analog(self._images.clone())
        if self._uses is not None:
            counts = {path: self._analog.analog[path].uses for path in mapping}
            check_uses(counts, self._uses, len(self._images))
        return output

    def _step(self, now: int) -> Any:
        """The output, from those operations whose results are not there yet.

        Args:
            now: Bits of the layers that are analog.

        Raises:
            WrittenError: An operation writes to what others need, or remembers something.
        """
        for node in self._pending:
            state = self._reach[node] & now
            if node not in self._results or self._results[node][0] != state:
                self._results[node] = state, Kept.of(self._run(node))
        if self._pending is self._nodes:
            self._keep()
            self._pending = self._moving
        return self._results[self._nodes[-1]][1].unwritten()

    def _run(self, node: Node) -> Any:
        """Compute one operation from the results of its inputs."""

        def value(argument: Node) -> Any:
            return self._results[argument][1].unwritten()

        arguments = map_arg(node.args, value)
        keywords = map_arg(node.kwargs, value)
        if node.op == "placeholder":
            return self._images.clone()
        if node.op == "output":
            return arguments[0]
        if node.op == "call_method":
            return getattr(arguments[0], str(node.target))(*arguments[1:], **keywords)
        operation: Any = node.target
        if node.op == "call_function":
            operation = PURE.get(operation, operation)
        else:
            operation = self._analog.network
            for name in str(node.target).split("."):
                operation = getattr(operation, name)
            if node.op == "get_attr":
                return operation
        if is_in_doubt(operation):
            return run_in_doubt(operation, arguments, keywords)
        return operation(*arguments, **keywords)

    def _keep(self) -> None:
        """Keep the results that no mapping changes and that other operations need."""
        fixed = {
            node: self._results[node]
            for node in self._nodes
            if not self._reach[node]
            and node.op != "placeholder"  # images are there already
            and any(self._reach[user] for user in node.users)
        }
        size = sum(kept.nbytes for _, kept in fixed.values())
        if self._kept_bytes + size <= KEPT_BYTES:
            self._kept[self._first] = fixed
            self._kept_bytes += size

    def _try(self, images: torch.Tensor) -> None:
        """Run whole networks from now on, unless the operations give the digital network's output.

        Two batches take turns, as they do for several draws, and in a batch every part of the network
        behind an analog layer is computed again, as it is for several mappings.
        """
        self._analog.set_ideal(self._used)
        batches = images, images.flip(-1)
        whole = [self._analog(batch.clone()) for batch in batches]
        for module in self._overwriting:  # if the network needs that, the outputs differ
            vars(module)["inplace"] = False
        try:
            for _ in range(2):
                for first, batch in enumerate(batches):
                    self.begin(batch, first)
                    for changed in (-1, *list(self._bits.values())[-1:], 0):
                        for node in self._moving:
                            if self._reach[node] & changed:
                                self._results.pop(node, None)
                        if not torch.equal(self._step(0), whole[first]):
                            raise WrittenError
        except Exception:  # see _nodes
            self._give_up()
        self._forget()

    def _give_up(self) -> None:
        """Run whole networks from now on."""
        self._nodes = []
        for module in self._overwriting:
            vars(module)["inplace"] = True
        self._forget()


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
    is_plain = all(map(is_pure, nodes)) and len(set(map(id, layers))) == len(layers)
    inputs = sum(node.op == "placeholder" for node in nodes)
    return nodes if is_plain and inputs == 1 else []
