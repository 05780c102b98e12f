"""Networks and tokenizers that Hugging Face's libraries have stored: nothing is ever downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lionheart_opt.errors import InputError, unknown
from lionheart_opt.text import shown

#: What names of such networks begin with.
PREFIX = "hf:"
#: What names of folders in installed packages begin with, behind that.
PACKAGE = "package:"


def library(where: str) -> Any:
    """The package `transformers`.

    Raises:
        InputError: It is not installed.
    """
    try:
        return import_module("transformers")
    except ModuleNotFoundError as error:
        if error.name != "transformers":
            raise
        raise InputError(
            f"{where}: needs the package transformers: pip install 'lionheart_opt[transformers]'"
        ) from error


def place_of(name: str, folder: Path) -> str:
    """A folder if there is one of that name, relative to `folder`; otherwise the name, which is an id.

    `package:NAME/FOLDER` is a folder of an installed package.

    Raises:
        InputError: There is no such package.
    """
    name = name.removeprefix(PREFIX)
    if name.startswith(PACKAGE):
        package, _, inside = name.removeprefix(PACKAGE).partition("/")
        spec = find_spec(package) if package.isidentifier() else None
        if spec is None or not spec.submodule_search_locations:
            raise InputError(f"{shown(name)}: the package {shown(package)} is not installed")
        return str(Path(next(iter(spec.submodule_search_locations))) / inside)
    if name and _is_folder(folder / name):
        return str(folder / name)
    return name


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # its name is too long
        return False


def stored(kind: str, place: str, where: str, **arguments: Any) -> Any:
    """What a class of `transformers` loads with its `from_pretrained`.

    Args:
        kind: Name of the class, such as `AutoTokenizer`.
        place: See `place_of`.
        where: What messages call it.
        arguments: Further arguments of `from_pretrained`.

    Raises:
        InputError: The library or the class does not exist, the place is neither a folder nor in the
            cache, or what is there cannot be loaded so.
    """
    transformers = library(where)
    loader: Any = getattr(transformers, kind, None)
    if not hasattr(loader, "from_pretrained"):
        names = [name for name in dir(transformers) if name.startswith("AutoModelFor")]
        raise unknown("class", kind, names, where)
    if not arguments.pop("local_files_only", True):
        raise InputError(f"{where}: local_files_only: got false; nothing is downloaded")
    if not place or (not _is_folder(Path(place)) and not _is_cached(transformers, place)):
        raise InputError(
            f"{where}: {shown(place)} is neither a folder nor in the cache of Hugging Face, and nothing "
            "is downloaded: fetch it before (hf download ID), or name a folder that save_pretrained made"
        )
    arguments.setdefault("trust_remote_code", False)
    try:
        with _quiet(transformers):
            return loader.from_pretrained(place, local_files_only=True, **arguments)
    except Exception as error:  # of any part of the library, about files and arguments
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{where}: {kind} cannot load {place}: {reason}") from error


def _is_cached(transformers: Any, place: str) -> bool:
    """Whether the cache holds a network or a tokenizer of that id."""
    names = ("config.json", "tokenizer_config.json", "tokenizer.json")
    try:
        return any(
            transformers.utils.cached_file(
                place,
                name,
                local_files_only=True,
                _raise_exceptions_for_gated_repo=False,
                _raise_exceptions_for_missing_entries=False,
                _raise_exceptions_for_connection_errors=False,
            )
            for name in names
        )
    except (OSError, ValueError):  # no name of a repository
        return False


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Keep the library from reports and progress bars while it loads; what matters is said by us."""
    logging = transformers.utils.logging
    level, shows_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shows_bars:
            logging.enable_progress_bar()
