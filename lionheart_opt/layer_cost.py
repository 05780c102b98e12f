"""What one layer costs on one target, split by component."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import fsum, inf
from typing import Any

from lionheart_opt.errors import InputError
from lionheart_opt.text import shown


@dataclass(frozen=True, kw_only=True, repr=False)
class LayerCost:
    """What one layer costs on one target, split by component.

    Args:
        name: Name of the layer in the workload.
        kind: Kind of the layer, such as `conv2d`.
        target: Name of the target that runs it.
        macs: Multiply-accumulates of the layer.
        components: Component (`compute`, `memory`, `queue`, `mvm`, `transfer`, ...) ->
            (latency in s, energy in J); they add up to the layer's cost. Where layers run side by
            side, those that the inference does not wait for have a latency of 0.
        place: Where the cost model placed it, such as `core 3`; empty where the target says all.
        aside_s: The time in s for which it works where the inference does not wait for it; otherwise 0.

    Raises:
        InputError: A latency or an energy is not a finite number, or is negative.
    """

    name: str
    kind: str
    target: str
    macs: int
    components: dict[str, tuple[float, float]]
    place: str = ""
    aside_s: float = 0.0

    def __post_init__(self) -> None:
        for component, amounts in self.components.items():
            if not _are_amounts(amounts):
                raise InputError(
                    f"cost of layer {self.name!r} on {self.target!r}: component {component!r}: got "
                    f"{shown(amounts)}; must be a time in s and an energy in J, finite and not negative"
                )

    def __repr__(self) -> str:
        return (
            f"LayerCost({self.name!r}, {self.kind} on {self.target!r}: {self.macs:,} MACs, "
            f"latency_s={self.latency_s:.4g}, energy_j={self.energy_j:.4g})"
        )

    @cached_property
    def latency_s(self) -> float:
        """Sum over the components."""
        return fsum(latency for latency, _ in self.components.values())

    @cached_property
    def energy_j(self) -> float:
        """Sum over the components."""
        return fsum(energy for _, energy in self.components.values())


def _are_amounts(amounts: Any) -> bool:
    """Whether these are two finite numbers that are not negative."""
    try:
        latency_s, energy_j = amounts
        return bool(0.0 <= latency_s < inf and 0.0 <= energy_j < inf)
    except (TypeError, ValueError):
        return False
