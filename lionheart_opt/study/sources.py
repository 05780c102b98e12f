"""Digests of the source of a study's own plug-ins, with the modules beside them that they import."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

from lionheart_opt import plugins
from lionheart_opt.digest import PARSING, digest
from lionheart_opt.errors import InputError
from lionheart_opt.own_modules import beside, file_beside
from lionheart_opt.pretrained import PREFIX

#: `module:attr`, which a network of Hugging Face is not
REFERENCE = re.compile(rf"(?!{PREFIX})[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
#: Fields of syntax trees that do not change what code does, or not in every version of Python.
_FORMAL = {"ctx", "kind", "type_comment"}
#: The package of what comes along; its records say their format.
_OURS = "lionheart_opt"

#: File, relative to the folder of the top module -> digest; or distribution -> version.
Sources = dict[str, str]


def named_sources(data: Any, folder: Path) -> Sources:
    """Sources of every `module:attr` in plain data.

    Comments, docstrings and formatting do not count. Modules beside the study are followed through their
    imports. A plug-in of an installed package is known by the version of its distribution.

    Args:
        data: What a study names, as dictionaries, lists and texts.
        folder: The folder of the study.
    """
    sources: Sources = {}
    with beside(folder):
        for reference in _references(data):
            sources |= _module_sources(reference.partition(":")[0], folder.resolve())
    return dict(sorted(sources.items()))


def plugin_sources(kind: plugins.Kind, name: str, folder: Path) -> Sources:
    """Sources of a plug-in by its name or its `module:attr`; none for what comes along."""
    if ":" in name:
        return named_sources(name, folder)
    origin = plugins.available(kind).get(name)
    if origin is None or origin.distribution.replace("-", "_") == _OURS:
        return {}
    return {origin.distribution: origin.version}


def object_sources(things: Iterable[object]) -> Sources:
    """Sources of the modules that define the classes of objects.

    What a script or a notebook defines itself is left out: records are tied to the source of the class.
    """
    sources: Sources = {}
    for name in dict.fromkeys(type(thing).__module__ for thing in things):
        module = sys.modules.get(name)
        if name == "__main__" or module is None or not getattr(module, "__file__", None):
            continue
        plain = (
            name.partition("@")[0] + name[len(name.partition(".")[0]) :] if "@" in name else name
        )
        up = plain.count(".") + (Path(inspect.getfile(module)).name == "__init__.py")
        root = Path(inspect.getfile(module)).resolve().parents[up]
        sources |= _module_sources(plain, root)
    return dict(sorted(sources.items()))


def source_changes(recorded: dict[str, Sources], now: dict[str, Sources]) -> list[str]:
    """What differs, in words: `greedy.py has changed`, `helper.py is new`, `old.py is gone`."""
    old = {key: value for group in recorded.values() for key, value in group.items()}
    new = {key: value for group in now.values() for key, value in group.items()}
    words = []
    for name in sorted({*old, *new}):
        if name not in new:
            words.append(f"{name} is gone")
        elif name not in old:
            words.append(f"{name} is new")
        elif old[name] != new[name]:
            is_file = name.endswith(".py")
            words.append(
                f"{name} has changed" if is_file else f"{name} is {new[name]}, was {old[name]}"
            )
    return words


def check_sources(name: str, recorded: dict[str, Sources] | None, now: dict[str, Sources]) -> None:
    """Refuse to resume a record that other code decides.

    Args:
        name: What messages call the record.
        recorded: Sources that the record holds. Those of earlier versions hold none; they can be
            resumed, with a warning.
        now: Sources of the same plug-ins now.

    Raises:
        InputError: The message names the files that differ.
    """
    if recorded is None:
        if files := [file for group in now.values() for file in group]:
            warnings.warn(
                f"study {name!r}: an older version recorded it without the sources of its plug-ins: "
                f"whether {', '.join(files)} changed since is not known",
                stacklevel=3,
            )
    elif changes := source_changes(recorded, now):
        raise InputError(
            f"study {name!r} was recorded with other plug-ins: {', '.join(changes)}. Change them back, "
            "or give the run another label or the study another storage. The record was not changed"
        )


def _references(data: Any) -> Iterator[str]:
    if isinstance(data, str) and REFERENCE.fullmatch(data):
        yield data
    elif isinstance(data, dict):
        yield from _references(list(data.values()))
    elif isinstance(data, (list, tuple)):
        for inner in data:
            yield from _references(inner)


def _module_sources(name: str, root: Path) -> Sources:
    """Sources of a module: of its file below `root`, or else of where it is installed."""
    top = name.partition(".")[0]
    if top == _OURS:
        return {}
    installed = _is_installed(top, root)
    if file_beside(root, name) is not None and not installed:
        sources: Sources = {}
        _follow(name, root, sources)
        return sources
    distributions = packages_distributions().get(top)
    if distributions:
        return {each: version(each) for each in distributions}
    spec = _spec(top)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return {}
    found = Path(spec.origin).resolve()
    folder = found.parents[found.name == "__init__.py"]
    sources = {}
    _follow(name, folder, sources)
    return sources


def _is_installed(top: str, root: Path) -> bool:
    """Whether files below `root` belong to an installed distribution."""
    return bool({"site-packages", "dist-packages"} & set(root.parts)) and (root / top).exists()


def _spec(top: str) -> Any:
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a module that was not imported from a file
        return None


def _follow(name: str, root: Path, sources: Sources) -> None:
    """Add the module, the packages that it is in, and what it imports from below `root`."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        module = ".".join(parts[:end])
        file = file_beside(root, module)
        if file is None:
            continue
        is_package = file.name == "__init__.py"
        key = "/".join([*parts[:end], *(["__init__"] if is_package else [])]) + ".py"
        if key in sources:
            continue
        text = file.read_bytes()
        try:
            with PARSING:
                tree = ast.parse(text)
        except (SyntaxError, ValueError):
            sources[key] = digest(text.hex())
            continue
        sources[key] = digest(_meaning(tree))
        for imported, is_relative in _imports(tree, module, is_package):
            if is_relative or _is_beside(imported.partition(".")[0], root):
                _follow(imported, root, sources)


def _is_beside(top: str, root: Path) -> bool:
    """Whether an import finds the module below `root`: what is installed comes first."""
    file = file_beside(root, top)
    if file is None and not (root / top).is_dir():
        return False
    spec = _spec(top)
    return spec is None or spec.origin is None or Path(spec.origin).resolve() == file


def _imports(tree: ast.AST, module: str, is_package: bool) -> Iterator[tuple[str, bool]]:
    """Names of imported modules, and of what may be one; whether the import is relative."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: len(module.split(".")) - node.level + is_package]
            base = [*(above if node.level else []), *([node.module] if node.module else [])]
            for names in (base, *([*base, alias.name] for alias in node.names)):
                if names:
                    yield ".".join(names), node.level > 0
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield node.args[0].value, False


def _meaning(node: Any) -> Any:
    """A syntax tree as plain data, without positions, comments and docstrings."""
    if isinstance(node, ast.AST):
        fields = {
            name: _meaning(_counted(node, name, value))
            for name, value in ast.iter_fields(node)
            if name not in _FORMAL and value is not None and value != []
        }
        return [type(node).__name__, fields]
    if isinstance(node, list):
        return [_meaning(inner) for inner in node]
    return repr(node)


def _counted(node: ast.AST, name: str, value: Any) -> Any:
    """A field without its docstring, or the empty texts that Python 3.12.1 adds to f-strings."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    if name == "body" and isinstance(node, kinds) and _is_text(value):
        return value[1:]
    if isinstance(node, ast.JoinedStr):
        return [part for part in value if getattr(part, "value", None) != ""]
    return value


def _is_text(body: Sequence[ast.stmt]) -> bool:
    first = body[0] if body else None
    return (
        isinstance(first, ast.Expr)
        and isinstance(first.value, ast.Constant)
        and isinstance(first.value.value, str)
    )
