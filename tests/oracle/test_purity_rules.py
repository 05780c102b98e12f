"""What counts as pure, as in doubt and as written, operation by operation."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from impure_networks import AddInto, AddUnseen, Remember
from torch import nn
from torch.fx import Graph, Node

from lionheart_opt.oracle.fast import engine as of_this_package
from lionheart_opt.oracle.purity import (
    PURE,
    Kept,
    WrittenError,
    is_in_doubt,
    is_pure,
    run_in_doubt,
)

WRITES: dict[str, Callable[[torch.Tensor], Any]] = {
    "itself": lambda x: x.add_(1),
    "a view of it": lambda x: x[0].zero_(),
    "what it is a view of": lambda x: x._base.mul_(2),  # type: ignore[union-attr]
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    "wrapped", [lambda x: x, lambda x: (3, x), lambda x: {"a": [torch.ones(2), x]}]
)
def test_a_kept_result_that_was_written_to_is_not_given_back(
    write: Callable[[torch.Tensor], Any], wrapped: Callable[[torch.Tensor], Any]
) -> None:
    tensor = torch.zeros(4, 3)[1:]
    tensor += 1  # before it is kept
    value = wrapped(tensor)
    kept = Kept.of(value)
    assert kept.unwritten() is value
    write(tensor)
    with pytest.raises(WrittenError):
        kept.unwritten()


def test_the_size_of_a_kept_result_is_that_of_its_tensors() -> None:
    value = {"a": torch.zeros(5, 2), "b": [torch.zeros(3, dtype=torch.float64), "text", 7]}
    assert Kept.of(value).nbytes == 5 * 2 * 4 + 3 * 8
    assert Kept.of(3).nbytes == 0


def node(op: str, target: Any, keywords: dict[str, Any] | None = None) -> Node:
    graph = Graph()
    x = graph.placeholder("x")
    return graph.create_node(op, target, (x,), keywords)


@pytest.mark.parametrize(
    ("op", "target", "keywords"),
    [
        ("call_function", torch.relu, None),
        ("call_function", torch.nn.functional.relu, {"inplace": False}),
        ("call_function", operator.is_, None),
        ("call_method", "add", None),
        ("call_method", "__add__", None),
        ("call_module", "relu_", None),  # a module may have any name
        ("get_attr", "weight_", None),
        *(("call_function", target, None) for target in PURE),
    ],
)
def test_what_leaves_its_inputs_is_pure(op: str, target: Any, keywords: Any) -> None:
    assert is_pure(node(op, target, keywords))


@pytest.mark.parametrize(
    ("op", "target", "keywords"),
    [
        ("call_function", torch.relu_, None),
        ("call_function", torch.nn.functional.relu, {"inplace": True}),
        ("call_function", torch.sin, {"out": None}),
        ("call_function", operator.setitem, None),
        ("call_function", operator.ipow, None),
        ("call_method", "add_", None),
    ],
)
def test_what_writes_to_its_inputs_is_not(op: str, target: Any, keywords: Any) -> None:
    assert not is_pure(node(op, target, keywords))


def test_operators_that_write_are_replaced_by_some_with_the_same_result() -> None:
    for writes, pure in PURE.items():
        x, y = torch.tensor([3.0, 5.0]), torch.tensor([2.0, 4.0])
        result = pure(x, y)
        assert x.tolist() == [3.0, 5.0]
        assert torch.equal(writes(x, y), result)


def test_only_what_torch_or_this_package_wrote_is_beyond_doubt() -> None:
    class Own(nn.ReLU):
        pass

    for known in (
        nn.ReLU(),
        torch.relu,
        nn.functional.relu,
        torch.Tensor.relu,
        operator.add,
        math.floor,
        getattr,
        of_this_package.FastEngine,
    ):
        assert not is_in_doubt(known), known
    for doubtful in (Own(), np.linalg.norm, node):
        assert is_in_doubt(doubtful), doubtful


@pytest.mark.parametrize("kind", ["register_forward_hook", "register_forward_pre_hook"])
def test_a_module_with_hooks_is_in_doubt(kind: str) -> None:
    module = nn.ReLU()
    getattr(module, kind)(lambda *_: None)
    assert is_in_doubt(module)


class Counting(nn.Module):
    """Does something to itself in every pass."""

    def __init__(self, change: Callable[[Counting], Any]) -> None:
        super().__init__()
        self.change = change
        self.count, self.size, self.seen = 0, 0, [0]
        self.register_buffer("mean", torch.zeros(2))
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: torch.Tensor, *, y: torch.Tensor | None = None) -> torch.Tensor:
        self.change(self)
        return x + self.weight + self.mean + (0 if y is None else y)


def replaces_buffer(module: Counting) -> None:
    module.mean = module.mean + 1


def replaces_parameter(module: Counting) -> None:
    module.weight = nn.Parameter(torch.ones(2))


@pytest.mark.parametrize(
    "change",
    [
        lambda module: setattr(module, "count", module.count + 1),
        lambda module: setattr(module, "new", 1),
        lambda module: delattr(module, "count"),
        lambda module: module.seen.append(1),
        lambda module: module.mean.add_(1),
        lambda module: module.weight.add_(1),
        replaces_buffer,
        replaces_parameter,
    ],
)
def test_a_module_that_remembers_is_noticed(change: Callable[[Counting], Any]) -> None:
    with torch.no_grad(), pytest.raises(WrittenError):
        run_in_doubt(Counting(change), (torch.ones(2),), {})


def test_a_module_that_only_computes_is_run() -> None:
    """It may note the same number again, even one that is another object every time."""
    module = Counting(lambda module: setattr(module, "size", 1000 * len(module.seen)))
    module.size = 1000
    with torch.no_grad():
        result = run_in_doubt(module, (torch.ones(2),), {"y": torch.tensor([0.0, 5.0])})
    assert result.tolist() == [2.0, 7.0]
    assert run_in_doubt(max, (2, 3), {"key": lambda n: -n}) == 2


@pytest.mark.parametrize("module", [AddInto(), AddUnseen()])
def test_what_writes_to_its_inputs_is_noticed(module: nn.Module) -> None:
    a, b = torch.ones(2), torch.ones(2)
    for arguments, keywords in (((a, b), {}), ((a,), {"b": b}), ((), {"a": a, "b": b})):
        with pytest.raises(WrittenError):
            run_in_doubt(module, arguments, keywords)


def test_what_remembers_its_input_is_noticed() -> None:
    with pytest.raises(WrittenError):
        run_in_doubt(Remember(), (torch.ones(2),), {})
