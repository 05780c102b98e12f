"""Where an oracle computes, and with how many threads: as many as it was told, wherever it runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Literal

import torch

from lionheart_opt.errors import InputError
from lionheart_opt.models.torch_state import usual_torch
from lionheart_opt.oracle.settings import OracleSettings


@contextmanager
def computing_with(settings: OracleSettings) -> Iterator[None]:
    """Compute with the threads of the settings while the block runs, and on a GPU alike every time.

    Sums depend on the number of threads in their last digits, so what is recorded must not depend on
    the machine. Some functions of torch have no repeatable form on a GPU; torch warns of them. What the
    program around has set does not count; see `usual_torch`.
    """
    with usual_torch():
        before = torch.get_num_threads()
        torch.set_num_threads(settings.threads)
        try:
            with _repeatable() if settings.device == "cuda" else nullcontext():
                yield
        finally:
            torch.set_num_threads(before)


@contextmanager
def _repeatable() -> Iterator[None]:
    """On a GPU, the same results every time, and convolutions with all digits of fp32.

    By default, cuDNN adds up gradients in any order, and multiplies 10 bits of the mantissa (TF32).
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
    before = torch.are_deterministic_algorithms_enabled()
    warned_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with torch.backends.cudnn.flags(
            enabled=torch.backends.cudnn.enabled,
            benchmark=False,
            deterministic=True,
            allow_tf32=False,
        ):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned_only)


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
