"""Compiles kernels, in one process at a time: numba's cache is not made for several at once."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
    suppress,
)
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])

#: The file in numba's cache folder that a process locks while it compiles.
LOCK = "lionheart_opt.lock"


#: Kernels that this process has called, by identity: asking numba takes longer than a small product.
_called: dict[int, Any] = {}


@lru_cache
def digest_of_sources(folder: Path) -> str:
    """Digest of the Python files in a folder."""
    sources = (path.read_bytes() for path in sorted(folder.glob("*.py")))
    return hashlib.sha256(b"\0".join(sources)).hexdigest()[:12]


def kernel(function: Function) -> Function:
    """Compile a function that kernels begin with.

    It counts no references, so it may not allocate arrays: where two threads count the references to
    the same array, each waits for the other's count. numba compares the time stamp of the function's
    own file with its cache; the name says what the files are that it calls functions of.
    """
    function.__qualname__ += f"_{digest_of_sources(Path(__file__).parent)}"
    compiled: Any = partial(njit, nogil=True, cache=True, error_model="numpy")
    return cast(Function, compiled(_nrt=False)(function))


def compiled_alone(function: Any) -> AbstractContextManager[None]:
    """While the block calls a kernel for the first time, other processes wait before they do.

    numba first writes to its cache which file will hold the machine code, and then that file. A process
    that reads in between may find machine code of other sources, and two that write at once may give two
    kernels the same file. The first process compiles, and the others read what it has written.

    Args:
        function: A kernel, which numba compiles and keeps in its cache.
    """
    return nullcontext() if id(function) in _called else _alone(function)


@contextmanager
def _alone(function: Any) -> Iterator[None]:
    with ExitStack() as held:
        if not getattr(function, "signatures", True):  # neither compiled nor read yet
            with suppress(OSError):  # a folder that cannot be locked; numba then works as ever
                folder = Path(function.stats.cache_path)
                folder.mkdir(parents=True, exist_ok=True)
                file = held.enter_context((folder / LOCK).open("a"))
                fcntl.flock(file, fcntl.LOCK_EX)  # closing the file releases it
        yield
    _called[id(function)] = function
