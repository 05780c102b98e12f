"""Where an oracle computes, and with how many threads: as many as it was told, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch

from lionheart_opt.errors import InputError
from lionheart_opt.oracle.settings import OracleSettings


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


def device_named(name: Literal["auto", "cpu", "cuda"]) -> torch.device:
    """The device of that name; `auto` is CUDA where there is any.

    Raises:
        InputError: It is CUDA and there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device: got 'cuda', but torch finds no CUDA device; allowed: cpu, auto")
    return torch.device(name)


def settled(settings: OracleSettings) -> OracleSettings:
    """The settings with `auto` decided by this machine.

    A GPU draws other random numbers, so another machine must not decide anew: a worker, or one on
    which the study is resumed.
    """
    if settings.device != "auto":
        return settings
    return settings.model_copy(update={"device": device_named("auto").type})
