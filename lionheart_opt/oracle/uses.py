"""How often analog modules run: never past their forward method, and as often as the trace says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lionheart_opt.errors import InputError
from lionheart_opt.workload import Workload

#: Path of a module -> how often it runs in one inference.
Uses = dict[str, int]


def traced_uses(workload: Workload) -> Uses:
    """How often a workload uses the weights of each module, functions that take them included."""
    paths = (
        re.sub(r"\.weight(\[.*\])?$", "", layer.module) for layer in workload.layers if layer.mvm
    )
    return dict(Counter(paths))


@contextmanager
def unfused() -> Iterator[None]:
    """Keep torch from the fused kernel of `nn.TransformerEncoderLayer` and `nn.MultiheadAttention`.

    In evaluation it reads the weights of their modules, whose forward methods are never called.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def check_uses(counts: Uses, expected: Uses, n_examples: int) -> None:
    """Refuse a pass in which an analog module ran more or less often than the trace says.

    Args:
        counts: How often each analog module ran.
        expected: How often each runs in one inference.
        n_examples: Number of examples in the pass; a network may take them one by one.

    Raises:
        InputError: A module ran another number of times.
    """
    for path, count in counts.items():
        uses = expected.get(path, 0)
        if count not in (uses, uses * n_examples):
            raise InputError(
                f"module {path!r} ran {count} times in a pass, but {uses} times when the network was "
                "traced: its weights are used outside of it, or the network's way depends on its "
                "input; keep it on the host"
            )
