"""Python modules that lie beside a study: found by path, so that they never shadow installed ones.

Only what a study names is run, and what that imports. Nothing is written beside the study, not even
compiled modules.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from lionheart_opt.digest import digest
from lionheart_opt.errors import InputError

#: The folder of the study that is being read or run.
_beside: ContextVar[Path | None] = ContextVar("beside", default=None)
#: Every folder that was named so far, and its modules while another folder is current.
_folders: dict[Path, dict[str, ModuleType]] = {}
#: Top-level module that this file found -> its folder.
_served: dict[str, Path] = {}
#: Modules that import on behalf of others: they bring back objects whose classes lie beside a study.
_CARRIERS = (
    "cloudpickle",
    "concurrent",
    "copyreg",
    "distributed",
    "joblib",
    "loky",
    "multiprocessing",
    "pickle",
    "torch.serialization",
    "lionheart_opt.own_modules",
    "lionheart_opt.study.worker",
)


@contextmanager
def beside(folder: Path) -> Iterator[None]:
    """While the block runs, `module:attr` may name a module in this folder.

    Modules of the same name beside several studies are kept apart: those of other folders are not
    importable until their folder is current again.
    """
    folder = folder.resolve()
    _folders.setdefault(folder, {})
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)  # last: what is installed comes first
        sys.meta_path.insert(0, _FINDER_OF_PARTS)
    before = _beside.get()
    token = _beside.set(folder)
    _switch_to(folder)
    try:
        yield
    finally:
        _beside.reset(token)
        if before is not None:
            _switch_to(before)


def _switch_to(folder: Path) -> None:
    """Put the modules of other folders away, and bring this folder's back."""
    for name in list(sys.modules):
        other = _served.get(name.partition(".")[0])
        if other is not None and other != folder:
            _folders[other][name] = sys.modules.pop(name)
    for name, module in _folders[folder].items():
        sys.modules[name] = module
        _served[name.partition(".")[0]] = folder
    _folders[folder].clear()


def find_module(name: str) -> ModuleType:
    """The module beside the current study, an installed one, or one in the working folder.

    Raises:
        ModuleNotFoundError: There is none.
        InputError: It is part of a folder whose name an installed package has.
    """
    if not all(part and len(part) < 200 for part in name.split(".")) or set(name) & {"/", "\\"}:
        raise ModuleNotFoundError(f"no module {name!r}", name=name)
    folder = _beside.get()
    if folder is not None and (file := file_beside(folder, name)) is not None:
        return _load(name, file, folder)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        file = file_beside(Path.cwd(), name)
        if file is None or error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        with beside(Path.cwd()):
            return _load(name, file, Path.cwd().resolve())


def current_folder() -> Path | None:
    """The folder of the study that is being read or run."""
    return _beside.get()


def own_modules() -> list[ModuleType]:
    """Modules that were loaded from beside the current study, and can be imported now."""
    return [
        module for name, module in list(sys.modules.items()) if name.partition(".")[0] in _served
    ]


class _Beside(MetaPathFinder):
    """Finds what modules beside a study import from there."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if path is not None:  # part of a package, which knows its own folder
            return None
        current, importer = _beside.get(), _importer()
        # a function of such a module may import when its study is not current any more
        for folder in list(_folders) if current is None else [current]:
            if importer is not None and folder not in importer.parents:
                continue
            spec = _uncompiled(PathFinder.find_spec(fullname, [str(folder)], target))
            if spec is None:
                continue
            # a folder without __init__.py is a package only if it holds modules
            if spec.origin is not None or any((folder / fullname).glob("*.py")):
                _served[fullname] = folder
                return spec
        return None


class _Parts(MetaPathFinder):
    """Finds the parts of packages beside studies, as Python does, but does not keep them compiled."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if path is None or fullname.partition(".")[0] not in _served:
            return None
        return _uncompiled(PathFinder.find_spec(fullname, path, target))


_FINDER, _FINDER_OF_PARTS = _Beside(), _Parts()


class _Loader(SourceFileLoader):
    """Loads a module, and writes nothing beside it."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Write no compiled module."""


def _uncompiled(spec: ModuleSpec | None) -> ModuleSpec | None:
    """The same module, loaded without a compiled copy beside it."""
    if spec is not None and type(spec.loader) is SourceFileLoader:
        spec.loader = _Loader(spec.loader.name, spec.loader.path)
    return spec


def _importer() -> Path | None:
    """The file whose code imports something now; None if it does so on behalf of others.

    Installed packages try to import others that may be missing; a file beside a study that happens to
    have such a name is none of their business.
    """
    frame = sys._getframe(2)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name.partition(".")[0] not in ("importlib", "_frozen_importlib"):
            if any(f"{name}.".startswith(f"{carrier}.") for carrier in _CARRIERS):
                return None
            return Path(frame.f_code.co_filename).resolve()
        frame = frame.f_back  # type: ignore[assignment]
    return None


def file_beside(folder: Path, name: str) -> Path | None:
    """The file of a module or package in a folder; None where there is none."""
    path = folder.joinpath(*name.split("."))
    for file in (path.with_name(path.name + ".py"), path / "__init__.py"):
        if file.is_file():
            return file.resolve()
    return None


def _load(name: str, file: Path, folder: Path) -> ModuleType:
    top, _, rest = name.partition(".")
    spec = importlib.util.find_spec(top)
    origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
    if origin == file_beside(folder, top):
        return import_module(name)
    # the name belongs to an installed module
    alias = f"{top}@{digest(str(folder))}"
    top_file = file_beside(folder, top)
    if top_file is None:  # a folder without __init__.py under a name that is taken
        raise InputError(
            f"module {name!r}: another package is called {top!r}; rename {file.parent}"
        )
    if alias not in sys.modules:
        is_package = top_file.name == "__init__.py"
        own = _uncompiled(
            importlib.util.spec_from_file_location(
                alias,
                top_file,
                submodule_search_locations=[str(top_file.parent)] if is_package else None,
            )
        )
        assert own is not None and own.loader is not None
        module = importlib.util.module_from_spec(own)
        sys.modules[alias] = module
        _served[alias] = folder
        try:
            own.loader.exec_module(module)
        except BaseException:
            del sys.modules[alias]
            raise
    return import_module(f"{alias}.{rest}" if rest else alias)
