"""Random numbers that a network draws in evaluation mode: its accuracy would be a matter of chance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lionheart_opt.errors import InputError
from lionheart_opt.own_errors import place_now

#: Seeds with which a network that draws random numbers is asked: a mask may happen to change nothing.
_SEEDS = range(5)


class _Drawn(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the first operator that draws random numbers, and which line of the user's code calls it."""

    first = ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not self.first and torch.Tag.nondeterministic_seeded in func.tags:
            name = func._schema.name.rpartition("::")[2]
            self.first = ", ".join(filter(None, (name, place_now())))
        return func(*args, **(kwargs or {}))


def check_chance(ask: Callable[[int], list[torch.Tensor]]) -> None:
    """Refuse a network whose answers depend on random numbers.

    Args:
        ask: Gives the outputs of the network with torch's generators at a seed.

    Raises:
        InputError: They differ between seeds. The message names the operator that draws, and its line.
    """
    with _Drawn() as drawn:  # type: ignore[no-untyped-call]
        answers = ask(_SEEDS[0])
    if not drawn.first or all(equal(answers, ask(seed)) for seed in _SEEDS[1:]):
        return
    raise InputError(
        "the network draws random numbers in evaluation mode, which cannot be measured (Monte-Carlo "
        "dropout, too); nn.Dropout and F.dropout(x, training=self.training) are off there "
        f"({drawn.first})"
    )


def equal(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    """Whether outputs are the same, but for rounding."""
    return all(
        a.shape == b.shape and torch.allclose(a, b, rtol=1e-4, equal_nan=True)
        for a, b in zip(some, others, strict=True)
    )
