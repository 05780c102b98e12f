"""Tiles of SRAM cells with three states: nothing drifts, and training sees the states."""

from __future__ import annotations

from typing import Any

from aihwkit.inference import BaseNoiseModel
from aihwkit.simulator.tiles.torch_tile import TorchSimulatorTile
from torch import Tensor

from lionheart_opt.oracle.quantise import straight_through, ternary_weights


class TernaryCells(BaseNoiseModel):  # type: ignore[misc, unused-ignore]
    """Programs the ternary weights nearest to the trained ones, exactly; they stay as they are."""

    def apply_programming_noise(self, weights: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The ternary weights of a tile, and no parameters of drift.

        Args:
            weights: Trained weights, shape (n_outputs, n_inputs).
        """
        return ternary_weights(weights, (1,)), []

    def apply_drift_noise(
        self,
        weights: Tensor,
        drift_noise_parameters: list[Any],  # noqa: ARG002
        t_inference: float,  # noqa: ARG002
    ) -> Tensor:
        """The programmed weights themselves."""
        return weights.clone()


class TernaryTile(TorchSimulatorTile):  # type: ignore[misc, unused-ignore]
    """aihwkit's torch tile, trained with ternary weights and straight-through gradients."""

    def forward(self, x_input: Tensor, *_: Any, is_test: bool = False, **__: Any) -> Tensor:
        """See `TorchSimulatorTile.forward`; in evaluation the weights are those of the cells."""
        weight = self.weight
        if not is_test:
            weight = straight_through(weight, ternary_weights(weight.detach(), (1,)))
        y: Tensor = self._analog_mvm.matmul(weight, x_input, self._f_io, False, is_test=is_test)
        return y
