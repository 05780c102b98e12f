"""Calls of the Python front door with values of wrong types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mutations import EXTREMES
from torch import nn

import lionheart_opt as lo
from lionheart_opt.testing import tiny_problem

WRONG: tuple[Any, ...] = (
    *EXTREMES,
    *(None, object(), int, lambda: 0, b"x", 1j, 2**70, 10**5000, range(3), {1, 2}, iter([1])),
    *(np.float64("nan"), np.array([1.0]), np.array([]), np.array("x"), np.array([[None]])),
    *(torch.tensor(1.0), torch.tensor([]), nn.Linear(2, 2), nn.Linear, Path("/"), Path("\0")),
    *(ValueError("x"), ..., NotImplemented, (1, 2), ((1, 2), (3, 4)), ("a", "b", "c"), "\ud800"),
)


@cache
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.ReLU(), nn.Linear(4, 3))


def arrays(n: int = 12) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((n, 1, 4, 4), dtype=np.float32), np.arange(n) % 3


@cache
def data() -> lo.Dataset:  # type: ignore[name-defined]
    return lo.dataset(train=arrays(), test=arrays())


#: Each function with arguments that it takes.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "load": (lo.load, {"path": "no such folder"}),
    "trace": (lo.trace, {"model": network(), "example": (1, 4, 4), "name": "net"}),
    "cost": (
        lo.cost,
        {"model": "digits_cnn", "system": "lionheart", "mapping": "all-analog", "example": None},
    ),
    "dataset": (
        lo.dataset,
        {
            "train": arrays(),
            "test": arrays(),
            "validation": arrays(),
            "validation_fraction": 0.5,
            "seed": 0,
            "name": "data",
        },
    ),
    "problem": (
        lambda **arguments: lo.problem(**arguments),
        {
            "model": network(),
            "dataset": data(),
            "system": "lionheart",
            "max_drop": 0.01,
            "time": "1 day",
            "objectives": ("latency_s",),
            "training": "none",
            "draws": (5, 10),
            "digital": (),
            "units": {"all": ["1", "3"]},
            "quantile": None,
            "confidence": 0.9,
            "oracle": {"batch_size": 4},
            "cost_limits": {"latency_s": 1.0},
            "seed": 0,
            "artifacts": None,
        },
    ),
    "search": (
        lo.search,
        {
            "problem": tiny_problem(),
            "strategy": "random",
            "arguments": {},
            "trials": 2,
            "oracle_s": None,
            "seed": 0,
            "storage": None,
            "workers": 1,
            "label": "a",
            "progress": False,
        },
    ),
    "Study.of": (
        lambda **arguments: lo.Study.of(**arguments).run(progress=False),
        {
            "problem": tiny_problem(),
            "searches": ["random"],
            "seeds": (0,),
            "trials": 2,
            "oracle_s": None,
            "storage": None,
            "name": "study",
        },
    ),
    "Study.run": (
        lambda **arguments: lo.Study.of(tiny_problem(), "random", trials=2).run(**arguments),
        {"only": (), "workers": 1, "checks": True, "progress": False},
    ),
}


def wrong_calls(name: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Where a wrong value is given, and the call with it: every argument with every value."""
    function, right = CALLS[name]
    for argument in right:
        for number, value in enumerate(WRONG):
            yield f"{argument}, value {number}", partial(function, **{**right, argument: value})
