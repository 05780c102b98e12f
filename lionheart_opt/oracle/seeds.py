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
        sow(seed, device)
        yield


def sow(seed: int, device: torch.device) -> None:
    """Seed torch's global generators of the CPU and the device.

    The numbers of `torch.manual_seed`, which would format the stack for every kind of accelerator
    that is not in use, at every call; there are several for each layer and draw.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
