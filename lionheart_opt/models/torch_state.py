"""torch as it is by default, whatever the program around has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import RLock

import torch

#: Kinds of devices on which autocast may be on.
_DEVICES = ("cpu", "cuda")
_LOCK = RLock()


@contextmanager
def usual_torch(*, keeps_device: bool = False) -> Iterator[None]:
    """Compute as torch does by default, one thread of the process at a time.

    A program may have another default type or device, autocast, or gradients switched off. All of these
    would change results or end in errors of torch. Random generators, the number of threads and what the
    tracer replaces belong to the whole process, so that threads would disturb each other.

    Args:
        keeps_device: Leave the default device as it is.
    """
    with _LOCK, ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in _DEVICES:
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if not keeps_device and torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        stack.callback(torch.set_default_dtype, before)
        yield
