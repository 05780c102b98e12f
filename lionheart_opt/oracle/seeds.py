"""Seeds by name: a random draw of the oracle depends on its purpose, never on when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lionheart_opt.digest import digest


def derive(seed: int, *names: str | int | float) -> int:
    """A seed for a purpose: equal names give equal seeds, different names give unrelated ones."""
    return int(digest([seed, *names]), 16) >> 1


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global generators for the time of a `with` block, and restore them afterwards."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        sow(seed, device)
        yield


def sow(seed: int, device: torch.device) -> None:
    """Seed torch's global generators of the CPU and the device.

    The numbers are those of `torch.manual_seed`, which is slow: at every call it formats the stack
    for each kind of accelerator that is not in use. There are several calls for each layer and draw.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
