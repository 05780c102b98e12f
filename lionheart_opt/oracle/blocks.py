"""Reuses the results of a network's blocks where neither their inputs nor their chips have changed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_flatten, tree_map_only

from lionheart_opt.oracle.analog_network import AnalogNetwork

#: Results before anything analog are kept up to this size, all batches together.
KEPT_BYTES = 1 << 30


class _CannotReuse(Exception):
    """Something in the network forbids to reuse results."""


@dataclass(eq=False)
class _Result:
    """What a block returned, for what, and how often it multiplied with each matrix."""

    chips: frozenset[str]
    inputs: list[Any]
    output: Any
    uses: dict[str, int]

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        leaves, _ = tree_flatten((self.inputs, self.output))
        return sum(leaf.nbytes for leaf in leaves if isinstance(leaf, torch.Tensor))


@dataclass(eq=False)
class _Block:
    """A module that runs once in a pass.

    Args:
        module: The module.
        forward: Its own forward pass.
        paths: Paths of the analog matrices in it.
        last: Its last result.
        digital: Number of a batch -> its result there before anything analog, which no chip changes.
    """

    module: nn.Module
    forward: Callable[..., Any]
    paths: frozenset[str]
    last: _Result | None = None
    digital: dict[int, _Result] = field(default_factory=dict)


@dataclass(eq=False)
class Blocks:
    """The blocks of a network that torch.fx cannot trace, such as the layers of an encoder.

    In passes of one batch under one mapping after the other, a block is computed only if its inputs, the
    matrices in it that are analog, or those before it that are, differ from the last pass. What comes
    before anything analog is computed once for all chips. Inputs are
    compared bit by bit. Nothing is reused if a block draws random numbers or runs twice in a pass, if a
    matrix is used in two blocks or in a block and elsewhere, because its noise goes on there, or if the
    first result with reuse is not what the network gives without it.

    Args:
        analog: The network, in evaluation mode.

    Attributes:
        is_of_use: Whether there are blocks whose results may be reused.
    """

    analog: AnalogNetwork
    _blocks: list[_Block] = field(default_factory=list, init=False)
    _mapping: frozenset[str] = field(default=frozenset(), init=False)
    _runs: bool = field(default=False, init=False)
    _ran: list[_Block] = field(default_factory=list, init=False)
    _reused: bool = field(default=False, init=False)
    _is_checked: bool = field(default=False, init=False)
    _first: int = field(default=0, init=False)
    _kept_bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if next(
            self.analog.network.parameters()
        ).is_cuda:  # other random numbers would have to be watched
            return
        for path, module in _repeated(self.analog.network):
            inside = frozenset(p for p in self.analog.analog if p.startswith(f"{path}."))
            if inside:
                self._blocks.append(_Block(module, module.forward, inside))
        for block in self._blocks:
            vars(block.module)["forward"] = self._wrapped(block)

    @property
    def is_of_use(self) -> bool:
        """See the class."""
        return bool(self._blocks)

    def begin(self, first: int) -> None:
        """Take the next batch, or the same one on another chip.

        Args:
            first: Number of its first example.
        """
        self._first = first
        for block in self._blocks:
            block.last = block.digital.get(first)

    def forget(self, first: int) -> None:
        """Drop what is kept of a batch, because it will be another one under the same number."""
        for block in self._blocks:
            dropped = block.digital.pop(first, None)
            self._kept_bytes -= 0 if dropped is None else dropped.nbytes

    def __call__(self, mapping: Collection[str], run: Callable[[], Any]) -> Any:
        """The result of a pass.

        Args:
            mapping: Paths of the matrices that are analog.
            run: Runs the network, the same whenever it is called.
        """
        if not self._blocks:
            return run()
        chance = torch.get_rng_state()
        try:
            with self._reusing(frozenset(mapping)):
                output = run()
            self._check_matrices()
        except _CannotReuse:
            self.stop()
            torch.set_rng_state(chance)
            return run()
        if self._reused and not self._is_checked:
            self._is_checked = True
            torch.set_rng_state(chance)
            exact = run()
            if not _equal(output, exact):
                self.stop()
                return exact
        return output

    def _check_matrices(self) -> None:
        """Refuse to reuse results where a matrix is used in two blocks, or in a block and elsewhere."""
        owners: dict[str, int] = {}
        for block in self._ran:
            assert block.last is not None
            for path, uses in block.last.uses.items():
                if path in owners or self.analog.analog[path].uses != uses:
                    raise _CannotReuse
                owners[path] = uses

    def stop(self) -> None:
        """Reuse nothing any more."""
        for block in self._blocks:
            vars(block.module).pop("forward", None)
        self._blocks = []

    @contextmanager
    def _reusing(self, mapping: frozenset[str]) -> Iterator[None]:
        self._mapping, self._runs, self._ran = mapping, True, []
        try:
            yield
        finally:
            self._runs = False

    def _wrapped(self, block: _Block) -> Callable[..., Any]:
        def forward(*inputs: Any, **named: Any) -> Any:
            if not self._runs:
                return block.forward(*inputs, **named)
            return self._forward(block, inputs, named)

        return forward

    def _forward(self, block: _Block, inputs: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if block in self._ran:
            raise _CannotReuse
        self._ran.append(block)
        layers, last = self.analog.analog, block.last
        inside = block.paths if last is None else block.paths | set(last.uses)
        chips = frozenset(path for path in self._mapping if layers[path].uses or path in inside)
        given, _ = tree_flatten((inputs, named))
        if not chips:
            last = block.digital.get(self._first, last)
        if last is not None and last.chips == chips and _equal(last.inputs, given):
            for path, uses in last.uses.items():
                layers[path].uses += uses
            self._reused = True
            return _copied(last.output)
        kept = [_copied(each) for each in given]
        before = {path: layer.uses for path, layer in layers.items()}
        chance = torch.get_rng_state()
        output = block.forward(*inputs, **named)
        if not torch.equal(chance, torch.get_rng_state()):
            raise _CannotReuse
        used = {path: layers[path].uses - count for path, count in before.items()}
        used = {path: count for path, count in used.items() if count}
        chips |= self._mapping & set(used)
        block.last = _Result(chips, kept, _copied(output), used)
        if not chips and self._kept_bytes + block.last.nbytes <= KEPT_BYTES:
            block.digital[self._first] = block.last
            self._kept_bytes += block.last.nbytes
        return output


def _repeated(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Path and module of the layers of a deep network: members of the outermost lists of like modules."""
    found: list[str] = []
    for path, module in network.named_modules():
        if not isinstance(module, (nn.ModuleList, nn.Sequential)) or len(module) < 2:
            continue
        if any(path.startswith(f"{outer}.") for outer in found):
            continue
        if len({type(member) for member in module}) == 1 and any(module[0].children()):
            found.append(path)
            yield from ((f"{path}.{name}", member) for name, member in module.named_children())


def _copied(value: Any) -> Any:
    """The same with copies of its tensors: later operations may write to them."""
    return tree_map_only(torch.Tensor, torch.Tensor.clone, value)


def _equal(a: Any, b: Any) -> bool:
    """Whether two results are the same, bit by bit."""
    (first, form), (second, other) = tree_flatten(a), tree_flatten(b)
    if form != other:
        return False
    return all(map(_same, first, second))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if a is b:
        return True
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:  # of a comparison that the objects themselves define
        return False
