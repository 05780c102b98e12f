"""What decides the results of a search, as plain data; a record is tied to it."""

from __future__ import annotations

import hashlib
import inspect
import json
import platform
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath
from typing import Any

import numpy as np

from lionheart_opt.accuracy import HasIdentity
from lionheart_opt.digest import digest, source_of, without_folder
from lionheart_opt.errors import InputError
from lionheart_opt.problem import Problem

#: Format of the records that this version writes; it reads all up to this one. Records of format 1 do
#: not say so; in theirs, a question and its answer share one level.
FORMAT = 2


def problem_specification(problem: Problem) -> dict[str, Any]:
    """Everything that decides the results of searches on a problem, but for the strategy."""
    specification: dict[str, Any] = plain(
        {
            "workload": problem.workload.with_batch(1).digest,
            "system": problem.system.digest,
            "objectives": list(problem.objectives),
            "limits": recorded_limits(asdict(problem.accuracy_limit)) | dict(problem.cost_limits),
            "digital": list(problem.digital),
            "training": problem.training,
            "seed": problem.seed,
            "oracle": identity(problem.oracle),
        }
        | ({"batch": problem.workload.batch} if problem.workload.batch > 1 else {})
    )
    return specification


def recorded_limits(limits: dict[str, Any]) -> dict[str, Any]:
    """Limits as a record says them: what did not exist in older records is None if it means the same."""
    older = {"over": "examples", "examples": ("all",), "relative": False}
    return {
        name: None if name in older and plain(value) == plain(older[name]) else value
        for name, value in limits.items()
    }


def identity(thing: object) -> dict[str, Any]:
    """What tells one plug-in from another: its own `identity`, or its class, source and settings.

    Raises:
        InputError: An object holds itself, so that its settings have no end.
    """
    if isinstance(thing, HasIdentity):
        return thing.identity
    return {
        "class": reference(thing),
        "source": _source(type(thing)),
        "settings": {name: plain(value) for name, value in _settings(thing).items()},
    }


def _settings(thing: object) -> dict[str, Any]:
    """Fields of a dataclass that it is made from and compared by; public attributes of other objects."""
    if is_dataclass(thing):
        names = [each.name for each in fields(thing) if each.init and each.compare]
        return {name: getattr(thing, name) for name in names}
    attributes = getattr(thing, "__dict__", {})
    return {name: value for name, value in attributes.items() if not name.startswith("_")}


def reference(thing: object) -> str:
    """`module:class` of an object."""
    return without_folder(f"{type(thing).__module__}:{type(thing).__qualname__}")


def plain(value: Any) -> Any:
    """Plain data as they are; digests of arrays and weights; identities of functions and objects."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "state_dict"):  # a torch module
        weights = digest(plain(dict(value.state_dict())))
        return {"class": reference(value), "source": _source(type(value)), "weights": weights}
    if hasattr(value, "detach"):  # a torch tensor
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        content = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
        return {"array": content, "dtype": str(value.dtype), "shape": list(value.shape)}
    if inspect.isroutine(value) or inspect.isclass(value):
        name = without_folder(f"{value.__module__}:{value.__qualname__}")
        return {"name": name, "source": _source(value)}
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        try:
            return identity(value)
        except RecursionError:
            raise InputError(
                f"{reference(value)}: it holds itself, so that a record cannot be tied to it; "
                "give it a property `identity` (see lionheart_opt.accuracy.HasIdentity)"
            ) from None


def _source(kind: Any) -> str:
    """Digest of the source of a class or function; empty where there is none, as for built-in ones."""
    source = source_of(kind)
    return "" if source is None else digest(source)


def versions() -> dict[str, str]:
    """Versions that results may depend on, for the reader of a record; see `warn_of_other_versions`."""
    installed = {"python": platform.python_version()}
    for name in ("lionheart_opt", "optuna", "torch", "aihwkit", "numpy", "scipy"):
        with suppress(PackageNotFoundError):  # a search on a table needs neither torch nor aihwkit
            installed[name] = version(name)
    return installed


def warn_of_other_versions(name: str, recorded: dict[str, str]) -> None:
    """Warn where a record goes on with other versions of what computes its accuracies.

    Args:
        name: Name of the Optuna study.
        recorded: What `versions` gave when the record began; records of version 0.1.0 do not say it.
    """
    now = versions()
    changes = [
        f"{package} {recorded[package]} (now {now[package]})"
        for package in ("aihwkit", "torch")
        if package in recorded and package in now and recorded[package] != now[package]
    ]
    if changes:
        warnings.warn(
            f"study {name!r} was recorded with {' and '.join(changes)}: "
            "new trials may differ in their last digits from recorded ones",
            stacklevel=3,
        )


def remedy(differs: Sequence[str]) -> str:
    """What to do about differences between a record and what is asked now."""
    usual = "Change them back, or give the run another label or the study another storage"
    if any(line.startswith("limits.over: recorded None") for line in differs):
        return (
            "Its limit was about the given examples only: to go on with that, set "
            'over = "examples" in [limits]; or give the run another label'
        )
    if not any(line.startswith("oracle.weights:") for line in differs):
        return usual
    return (
        "The weights of the network differ: load trained ones, or seed initial ones (torch.manual_seed), "
        "or give the run another label"
    )


def _unfolded(value: Any) -> Any:
    """What older versions recorded, without the folder in names of modules."""
    return without_folder(value) if isinstance(value, str) else value


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
        elif _unfolded(old) != _unfolded(new):
            lines.append(f"{path}{key}: {names[0]} {old!r}, {names[1]} {new!r}")
    return lines
