"""Forward passes of one network under many mappings; what mappings share is computed once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from functools import cached_property
from operator import attrgetter
from traceback import clear_frames
from typing import Any, Protocol

import torch
from torch import nn
from torch.fx import Node, Tracer
from torch.fx.node import map_arg

from lionheart_opt.oracle.analog_network import AnalogNetwork
from lionheart_opt.oracle.blocks import Blocks
from lionheart_opt.oracle.purity import (
    PURE,
    Kept,
    WrittenError,
    is_in_doubt,
    is_pure,
    run_in_doubt,
)
from lionheart_opt.oracle.uses import Uses, check_uses
from lionheart_opt.tasks import batches
from lionheart_opt.tasks.batches import Inputs

#: Results that no mapping changes are kept up to this size, all batches together; the rest are computed
#: again.
KEPT_BYTES = 1 << 30

#: Examples on which running the operations one by one is compared with running the whole network.
_TRIED = 4


class Calibrated(Protocol):
    """A calibration of a chip."""

    def put_on(self, analog: AnalogNetwork) -> None:
        """Let the network compute with it."""
        ...


class Passes:
    """A network in which every pass chooses the matrices that are analog.

    The result of an operation depends on the batch and on which of the matrices before it are analog.
    An operation is computed only if one of these has changed since the last pass. Mappings in the
    order of `ordered` have the longest beginnings in common, and what comes before the first
    analog matrix are computed once for all draws.

    This needs the network's graph (torch.fx). A network that cannot be traced is run block by block (see
    `Blocks`). It is run as a whole if it uses an analog matrix twice, or if an operation writes to a
    result that another one may still need or remembers something between passes. Before a result is
    reused, it is checked that nothing has written to it.

    Args:
        analog: The network, in evaluation mode. Nothing else may use it in the meantime.
        mappings: For each mapping that will be run, the paths of its analog matrices.
        inputs: A batch to try the graph with.
        uses: How often each analog matrix is used in one inference, if that is known.

    Attributes:
        calibrated: The calibration of the chip for each mapping; empty if it is not calibrated. What an
            operation does must depend on the matrices before it that are analog only, as its result.

    Raises:
        InputError: An analog matrix is used more or less often; also in passes.
    """

    def __init__(
        self,
        analog: AnalogNetwork,
        mappings: Sequence[Collection[str]],
        inputs: Inputs,
        uses: Uses | None = None,
    ) -> None:
        self._analog = analog
        self._mappings = [frozenset(paths) for paths in mappings]
        self._used = frozenset().union(*self._mappings)
        self._uses = uses
        self._inputs, self._first = inputs, 0
        self._given: dict[Node, Any] = {}
        self.calibrated: Sequence[Calibrated] = ()
        self._overwriting = [
            module
            for module in analog.network.modules()
            if type(module).__module__.startswith("torch.") and vars(module).get("inplace") is True
        ]
        self._forget()
        self._blocks: Blocks | None = None
        self._nodes = _nodes(analog.network)
        is_traced = bool(self._nodes)
        self._moving: list[Node] = []
        self._paths: dict[Node, list[str]] = {}  # analog matrices that an operation multiplies with
        self._bits: dict[str, int] = {}
        self._last: dict[Node, list[Node]] = {}  # results that no later operation needs
        self._operations: dict[Node, tuple[Any, bool]] = {}
        self._reach: dict[Node, int] = {}  # bits of the analog matrices that a result depends on
        if self._nodes:
            self._try(batches.select(inputs, slice(0, _TRIED)))
        if self._nodes:
            check_uses({path: int(path in self._bits) for path in self._used}, uses, 1)
        elif not is_traced and len(self._mappings) > 1:
            self._blocks = Blocks(analog)

    def _find_reach(self, inputs: Inputs) -> None:
        """Run the operations once to learn which matrices they multiply with, and what depends on them.

        Raises:
            WrittenError: See `_step`. Also where a matrix is used twice, because its noise differs then.
        """
        layers = self._analog.analog
        self.begin(inputs, 0)
        self._analog.rewind(0, batches.count(inputs))
        self._analog.stepwise = True
        for node in self._nodes:
            before = {path: layers[path].uses for path in self._used}
            self._results[node] = 0, Kept.of(self._run(node))
            self._paths[node] = [path for path in self._used if layers[path].uses > before[path]]
        if any(layers[path].uses > 1 for path in self._used):
            raise WrittenError
        for node in self._nodes:
            reach = 0
            for source in node.all_input_nodes:
                reach |= self._reach[source]
            for path in self._paths[node]:
                reach |= self._bits.setdefault(path, 1 << len(self._bits))
            self._reach[node] = reach
        users = {source: node for node in self._nodes for source in node.all_input_nodes}
        self._last = {node: [] for node in self._nodes}
        for source, user in users.items():
            if self._reach[source]:
                self._last[user].append(source)
        self._moving = [
            node
            for node in self._nodes
            if self._reach[node] or node.op in {"placeholder", "output"}
        ]

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
        if self._blocks is not None:  # in the order in which the network was made
            names = list(self._analog.network.state_dict())
            paths = sorted(self._used, key=lambda path: _place(path, names))
        keys = [[path in mapping for path in paths] for mapping in self._mappings]
        return sorted(range(len(keys)), key=keys.__getitem__)

    def begin(self, inputs: Inputs, first: int) -> None:
        """Take the next batch.

        Args:
            inputs: The batch, which is left unchanged.
            first: Number of its first example; it identifies the batch.
        """
        self._inputs, self._first = inputs, first
        self._given = _given(self._nodes, inputs)
        if self._blocks is not None:
            self._blocks.begin(first)
        self._results = dict(self._kept.get(first, {}))
        self._pending = self._moving if first in self._kept else self._nodes

    def forget(self, first: int) -> None:
        """Drop what is kept of a batch, because it will be another one under the same number.

        Args:
            first: Number of its first example.
        """
        if self._blocks is not None:
            self._blocks.forget(first)
        kept = self._kept.pop(first, {})
        self._kept_bytes -= sum(result.nbytes for _, result in kept.values())

    def __call__(self, number: int) -> Any:
        """The network's output for the batch, under the mapping with that number."""
        mapping = self._mappings[number]
        if self._nodes:
            self._choose(number)
            try:
                now = sum(self._bits[path] for path in mapping if path in self._bits)
                return self._step(now, drops=len(self._mappings) == 1)
            except WrittenError:
                self._give_up()
        if self._blocks is None:
            return self.whole(number)
        return self._blocks(self._mappings[number], lambda: self.whole(number))

    def _choose(self, number: int) -> None:
        """Let the network compute under the mapping with that number."""
        if self.calibrated:
            self.calibrated[number].put_on(self._analog)
        self._analog.set_ideal(self._used - self._mappings[number])
        self._analog.rewind(self._first, batches.count(self._inputs))

    def whole(self, number: int) -> Any:
        """As a call, without results of other passes."""
        self._choose(number)
        mapping = self._mappings[number]
        output = batches.call(self._analog, batches.apply(torch.clone, self._inputs))
        counts = {path: self._analog.analog[path].uses for path in mapping}
        check_uses(counts, self._uses, batches.count(self._inputs))
        return output

    def _step(self, now: int, drops: bool = False) -> Any:
        """The output, from those operations whose results are not there yet.

        Args:
            now: Bits of the matrices that are analog.
            drops: Whether to drop results that analog matrices change as soon as no operation needs
                them: their memory is still in the processor's cache when the next result takes it.

        Raises:
            WrittenError: An operation writes to what others need, or remembers something.
        """
        for node in self._pending:
            state = self._reach[node] & now
            if node not in self._results or self._results[node][0] != state:
                self._results[node] = state, Kept.of(self._run(node))
            for done in self._last[node] if drops else ():
                self._results.pop(done, None)
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
            given = self._given[node]
            return given.clone() if isinstance(given, torch.Tensor) else given
        if node.op == "output":
            return arguments[0]
        if node.op == "get_attr":
            return attrgetter(str(node.target))(self._analog.network)
        operation, doubtful = self._operation(node, arguments)
        with self._analog.products if doubtful or self._multiplies(node) else nullcontext():
            if doubtful:
                return run_in_doubt(operation, arguments, keywords)
            return operation(*arguments, **keywords)

    def _operation(self, node: Node, arguments: Sequence[Any]) -> tuple[Any, bool]:
        """What a node calls, and whether it `is_in_doubt`."""
        known = self._operations.get(node)
        if known is not None:
            return known
        operation: Any = node.target
        if node.op == "call_method":
            operation = getattr(type(arguments[0]), str(node.target))
        elif node.op == "call_function":
            operation = PURE.get(operation, operation)
        else:
            operation = attrgetter(str(node.target))(self._analog.network)
        found = operation, is_in_doubt(operation)
        if node.op != "call_method":  # a method depends on the argument
            self._operations[node] = found
        return found

    def _multiplies(self, node: Node) -> bool:
        """Whether an operation multiplies with matrices that torch does not, as far as is known."""
        return not self._reach or bool(self._paths[node]) or self._analog.digital is not None

    def _keep(self) -> None:
        """Keep the results that no mapping changes and that other operations need."""
        fixed = {
            node: self._results[node]
            for node in self._nodes
            if not self._reach[node]
            and node.op != "placeholder"  # inputs are there already
            and any(self._reach[user] for user in node.users)
        }
        size = sum(kept.nbytes for _, kept in fixed.values())
        if self._kept_bytes + size <= KEPT_BYTES:
            self._kept[self._first] = fixed
            self._kept_bytes += size

    def _try(self, inputs: Inputs) -> None:
        """Run whole networks from now on, unless the operations give the digital network's output.

        Two batches take turns, as they do for several draws. For several mappings, parts of the network
        behind an analog matrix are computed again in a batch.
        """
        self._analog.set_ideal(self._used)
        both = inputs, batches.apply(lambda part: part.flip(-1), inputs)
        whole = [batches.call(self._analog, batches.apply(torch.clone, each)) for each in both]
        for module in self._overwriting:  # if the network needs that, the outputs differ
            vars(module)["inplace"] = False
        try:
            self._find_reach(inputs)
            self._analog.stepwise = False
            again = [*list(self._bits.values())[-1:], 0] if len(self._mappings) > 1 else []
            for _ in range(2):
                for first, batch in enumerate(both):
                    self.begin(batch, first)
                    for changed in (-1, *again):
                        for node in self._moving:
                            if self._reach[node] & changed:
                                self._results.pop(node, None)
                        if not torch.equal(self._step(0), whole[first]):
                            raise WrittenError
        except Exception:  # see _nodes
            self._give_up()
        self._analog.stepwise = False
        self._forget()

    def _give_up(self) -> None:
        """Run whole networks from now on."""
        self._nodes = []
        for module in self._overwriting:
            vars(module)["inplace"] = True
        self._forget()


class _LeafTracer(Tracer):
    """Treats modules without children as single operations."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        """See `Tracer.is_leaf_module`."""
        return not any(True for _ in m.children())


def _nodes(network: nn.Module) -> list[Node]:
    """The network's operations in execution order; empty if they cannot be run one by one."""
    try:
        graph = _LeafTracer().trace(network)
    except Exception as error:  # tracing runs the user's code, which may raise anything
        # a frame of torch.fx holds itself, and with it the network and all that calls this
        clear_frames(error.__traceback__)
        return []
    nodes = list(graph.nodes)
    return nodes if all(map(is_pure, nodes)) else []


def _place(path: str, names: list[str]) -> int:
    """Where a matrix is among the names of all tensors; at the end where it is none of them."""
    return next((k for k, name in enumerate(names) if name.startswith(path)), len(names))


def _given(nodes: Sequence[Node], inputs: Inputs) -> dict[Node, Any]:
    """What each argument of a network's graph is.

    Raises:
        TypeError: An argument is missing, or there is none of that name.
    """
    places = [node for node in nodes if node.op == "placeholder"]
    positional, named = batches.arguments(inputs)
    given: dict[Node, Any] = dict(zip(places, positional, strict=False))
    for node in places[len(positional) :]:
        name = str(node.target)
        if name not in named and not node.args:
            raise TypeError(f"argument {name!r} is missing")
        given[node] = named[name] if name in named else node.args[0]
    if nodes and len(given) < len(positional) + len(named):
        raise TypeError("there are more inputs than arguments")
    return given
