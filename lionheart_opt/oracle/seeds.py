"""Seeds by name: every random draw of the oracle depends on what it is for, never on when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from lionheart_opt.digest import digest


def derive(seed: int, *names: str | int | float) -> int:
    """A seed for one purpose: the same names give the same seed, other names an unrelated one."""
    return int(digest([seed, *names]), 16) >> 1


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's global generators, of the CPU and the device, seeded inside and untouched outside."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
