"""What decides the results of a search, as plain data; a record is tied to it."""

from __future__ import annotations

import inspect
import json
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from lionheart_opt.accuracy import HasIdentity
from lionheart_opt.digest import digest
from lionheart_opt.problem import Problem

#: Format of the records that this version writes; it reads all up to this one. Records of format 1 do
#: not say so; in theirs, a question and its answer share one level.
FORMAT = 2


def problem_specification(problem: Problem) -> dict[str, Any]:
    """Everything that decides the results of searches on a problem, but for the strategy."""
    return {
        "workload": problem.workload.digest,
        "system": problem.system.digest,
        "objectives": list(problem.objectives),
        "limits": {**asdict(problem.accuracy_limit), **problem.cost_limits},
        "digital": list(problem.digital),
        "training": problem.training,
        "seed": problem.seed,
        "oracle": identity(problem.oracle),
    }


def identity(thing: object) -> dict[str, Any]:
    """What tells one plug-in from another: its own `identity`, or its class, source and settings."""
    if isinstance(thing, HasIdentity):
        return thing.identity
    settings = {}
    if is_dataclass(thing):
        settings = {each.name: _plain(getattr(thing, each.name)) for each in fields(thing)}
    return {"class": reference(thing), "source": _source(type(thing)), "settings": settings}


def reference(thing: object) -> str:
    """`module:class` of an object."""
    return f"{type(thing).__module__}:{type(thing).__qualname__}"


def _plain(value: Any) -> Any:
    """Plain data as they are; the identity of anything else."""
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return identity(value)


def _source(kind: type) -> str:
    """Digest of a class's source; empty where there is none, as for built-in types."""
    try:
        return digest(inspect.getsource(kind))
    except (OSError, TypeError):
        return ""


def versions() -> dict[str, str]:
    """Versions that results may depend on, for the reader of a record; not compared on resume."""
    found = {"python": platform.python_version()}
    for name in ("lionheart_opt", "optuna", "torch", "aihwkit", "numpy", "scipy"):
        with suppress(PackageNotFoundError):  # a search on a table needs neither torch nor aihwkit
            found[name] = version(name)
    return found


def remedy(differs: Sequence[str]) -> str:
    """What to do about differences between a record and what is asked now."""
    usual = "Change them back, or give the run another label or the study another storage"
    if not any(line.startswith("oracle.weights:") for line in differs):
        return usual
    return (
        "The weights of the network differ: load trained weights, or seed initial ones before the "
        f"network is built (torch.manual_seed), so that every run has the same. Otherwise: {usual}"
    )


def differences(
    a: dict[str, Any],
    b: dict[str, Any],
    path: str = "",
    names: tuple[str, str] = ("recorded", "now"),
) -> list[str]:
    """`key: recorded X, now Y` for every leaf that differs; a missing key equals None."""
    lines: list[str] = []
    for key in sorted({*a, *b}):
        old, new = a.get(key), b.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            lines += differences(old, new, f"{path}{key}.", names)
        elif old != new:
            lines.append(f"{path}{key}: {names[0]} {old!r}, {names[1]} {new!r}")
    return lines
