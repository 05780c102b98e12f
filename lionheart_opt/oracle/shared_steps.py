"""What a step of one-shot training is about: mappings, and the network that they imitate."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Random mappings beside the two extremes in a step of sandwich training (Yu and Huang, "Universally
#: Slimmable Networks", ICCV 2019).
SANDWICHED = 2


class Teacher:
    """A floating-point network whose outputs another one is to have.

    Args:
        network: The network, with its weights. It is put into evaluation mode.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network.eval()

    @torch.no_grad()
    def __call__(self, *inputs: Tensor, **named: Tensor) -> Any:
        """What it returns."""
        # it may overwrite them
        positional = [each.clone() for each in inputs]
        return self._network(*positional, **{name: each.clone() for name, each in named.items()})


def drawn_passes(
    groups: tuple[tuple[str, ...], ...], generator: torch.Generator, *, is_sandwich: bool
) -> tuple[set[str], ...]:
    """For each pass of a step, paths of the matrices that are digital in it.

    Args:
        groups: Paths of matrices that are digital together; empty if none ever is.
        generator: Random generator, on the CPU.
        is_sandwich: Whether the passes are all-digital, all-analog and `SANDWICHED` random mappings,
            instead of a random one.
    """
    if not groups:
        return (set(),)
    if not is_sandwich:
        return (digital_at_random(groups, generator),)
    every = {path for group in groups for path in group}
    return (every, set(), *(digital_at_random(groups, generator) for _ in range(SANDWICHED)))


def digital_at_random(groups: tuple[tuple[str, ...], ...], generator: torch.Generator) -> set[str]:
    """Draw a mapping; the expected share of digital groups is itself random, from none to all."""
    share = (1.2 * torch.rand((), generator=generator) - 0.1).clamp(0.0, 1.0)
    digital = torch.rand(len(groups), generator=generator) < share
    return {
        path for group, out in zip(groups, digital.tolist(), strict=True) if out for path in group
    }
