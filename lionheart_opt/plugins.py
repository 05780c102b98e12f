"""Finding plug-ins and systems: entry points by name, `module:attr` for one-offs."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass, is_dataclass
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal, get_type_hints

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError

from lionheart_opt.cost import CostModel
from lionheart_opt.errors import InputError, unknown
from lionheart_opt.own_modules import find_module
from lionheart_opt.pricing import own_errors
from lionheart_opt.system import System
from lionheart_opt.text import shown
from lionheart_opt.text_files import read_text

Kind = Literal["strategies", "cost_models", "oracles", "systems", "validations"]


@dataclass(frozen=True)
class Origin:
    """Where a plug-in comes from: distribution, its version, and `module:attr`."""

    distribution: str
    version: str
    reference: str


def _registered(kind: Kind) -> dict[str, EntryPoint]:
    points: dict[str, EntryPoint] = {}
    for point in entry_points(group=f"lionheart_opt.{kind}"):
        other = points.get(point.name)
        if other is not None and other.value != point.value:
            raise InputError(
                f"two distributions register {point.name!r} in lionheart_opt.{kind}: "
                f"{other.value} and {point.value}; uninstall one"
            )
        points[point.name] = point
    return points


def available(kind: Kind) -> dict[str, Origin]:
    """Name -> origin of everything registered, sorted by name."""
    return {
        name: Origin(
            point.dist.name if point.dist else "?",
            point.dist.version if point.dist else "?",
            point.value,
        )
        for name, point in sorted(_registered(kind).items())
    }


def load(kind: Kind, name: str, where: str = "") -> Any:
    """The object that a name or a `module:attr` refers to.

    A plug-in that fails to import raises what its import raised: a broken plug-in is never skipped.

    Raises:
        InputError: There is no such name, module or attribute; the message gives the nearest names.
    """
    if ":" in name:
        return attribute(name, where)
    registered = _registered(kind)
    if name not in registered:
        what = "strategy" if kind == "strategies" else kind.replace("_", " ").removesuffix("s")
        raise unknown(what, name, registered, where)
    return registered[name].load()


def attribute(reference: str, where: str = "") -> Any:
    """The object of `package.module:attr`.

    Raises:
        InputError: The module or the attribute does not exist.
    """
    module_name, _, path = reference.partition(":")
    prefix = f"{where}: " if where else ""
    try:
        value: Any = find_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise  # the module exists, something that it imports does not
        raise InputError(
            f"{prefix}no module {shown(module_name)} (in {shown(reference)})"
        ) from error
    for part in path.split("."):
        if not hasattr(value, part):
            public = [name for name in dir(value) if not name.startswith("_")]
            raise unknown("attribute", part, public, f"{prefix}{module_name}")
        value = getattr(value, part)
    return value


def build(kind: Kind, name: str, arguments: dict[str, Any], where: str = "") -> Any:
    """A plug-in with its hyper-parameters.

    Raises:
        InputError: There is no such plug-in, or it does not take an argument.
    """
    factory = load(kind, name, where)
    place = f"{where}: {name}" if where else name
    try:
        return call(factory, arguments, place)
    except TypeError as error:
        raise InputError(f"{place}: {error}") from error


def call(factory: Any, arguments: dict[str, Any], where: str) -> Any:
    """What a function or class returns for keyword arguments that its signature allows.

    Raises:
        InputError: An argument does not exist, has another type than the signature says, or is missing.
    """
    signature = inspect.signature(factory)
    parameters = signature.parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        for key in arguments:
            if key not in signature.parameters:
                raise unknown("argument", key, signature.parameters, where)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise InputError(f"{where}: {error}") from error
    check_types(factory, arguments, where)
    return factory(**arguments)


def check_types(factory: Any, arguments: dict[str, Any], where: str) -> None:
    """Refuse plain data (what a study file can hold) that the annotations do not allow.

    Args:
        factory: A function or class.
        arguments: Keyword arguments for it.
        where: What error messages call the place that names it.

    Raises:
        InputError: An argument has another type than the annotations say.
    """
    try:
        hints = get_type_hints(factory if is_dataclass(factory) else _signed(factory))
    except (NameError, TypeError):  # imported for type checkers only; a partial or other object
        return
    for key, value in arguments.items():
        try:
            plain = json.dumps(value)
        except TypeError:  # an object: its class is its own business
            continue
        try:
            TypeAdapter(hints.get(key, Any)).validate_json(plain, strict=True)
        except ValidationError as error:
            problem = error.errors()[0]
            path = ".".join(map(str, (key, *problem["loc"])))
            message = problem["msg"].replace("Input should be", "must be")
            raise InputError(
                f"{where}: {path}: got {shown(problem['input'])}; {message}"
            ) from error
        except PydanticSchemaGenerationError:
            continue


def _signed(factory: Any) -> Any:
    """What holds the annotations of a callable."""
    return factory.__init__ if inspect.isclass(factory) else factory


def system_names() -> dict[str, str]:
    """Name -> package of every installed system file."""
    packages: dict[str, str] = {}
    for point in _registered("systems").values():
        for file in resources.files(point.value).iterdir():
            if file.name.endswith(".toml"):
                name = file.name.removesuffix(".toml")
                if name in packages:
                    raise InputError(
                        f"system {name!r} is in both {packages[name]} and {point.value}"
                    )
                packages[name] = point.value
    return dict(sorted(packages.items()))


def load_system(name: str, where: str = "", folder: Path | None = None) -> System:
    """An installed system by name, or the one of a TOML file.

    Args:
        name: A name, or a path that ends in `.toml`.
        where: What error messages call the place that names it.
        folder: What a relative path is relative to; the working folder by default.

    Raises:
        InputError: There is no such system or file, or it is malformed.
    """
    if name.endswith(".toml"):
        return System.load((folder or Path()) / name)
    names = system_names()
    if name not in names:
        raise unknown("system", name, names, where)
    file = resources.files(names[name]) / f"{name}.toml"
    return System.from_toml(file.read_text(encoding="utf-8"), name, f"{names[name]}/{name}.toml")


def system_text(name: str) -> str:
    """The TOML of a system that `load_system` has loaded."""
    if name.endswith(".toml"):
        return read_text(Path(name))
    file = resources.files(system_names()[name]) / f"{name}.toml"
    return file.read_text(encoding="utf-8")


def cost_model(system: System) -> CostModel:
    """The cost model of the system's family, built from the system."""
    where = f"{system.where}: family"
    with own_errors(system, "building it"):
        model: CostModel = build("cost_models", system.family, {"system": system}, where)
    if not callable(getattr(model, "cost", None)):
        raise InputError(f"{where} {system.family!r}: got {shown(model)}; it has no method `cost`")
    return model
