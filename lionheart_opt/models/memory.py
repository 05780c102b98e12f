"""Refuses tensors that no memory of this machine holds, before they are allocated."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from lionheart_opt.errors import InputError

#: Functions whose first arguments are the shape of a new tensor.
_MAKERS: frozenset[Any] = frozenset(
    {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn}
)


def memory_bytes() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def limited_memory(where: str) -> Iterator[None]:
    """While the block runs, new tensors may take half of the memory: training needs the other half.

    Args:
        where: What error messages call what is made.

    Raises:
        InputError: A tensor is made that would take more, all tensors before it included.
    """
    with _Limit(where):
        yield


class _Limit(TorchFunctionMode):
    """Counts the elements of tensors that are made, with four bytes each."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self._where = where
        self._bytes = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in _MAKERS:
            first = args[0] if args else kwargs.get("size", ())
            shape = first if isinstance(first, (tuple, list)) else args
            self._bytes += 4 * prod(size for size in shape if isinstance(size, int) and size > 0)
            if self._bytes > memory_bytes() // 2:
                raise InputError(
                    f"{self._where}: needs {self._bytes / 2**30:,.0f} GB or more; this machine has "
                    f"{memory_bytes() / 2**30:,.0f} GB"
                )
        return func(*args, **kwargs)
