"""How many threads an oracle computes with: as many as it was told, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Compute with this number of threads while the block runs.

    Sums depend on it in their last digits, so what is recorded must not depend on the machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
