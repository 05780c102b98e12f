"""Programming, drift and drift compensation of a tile, by aihwkit's own classes.

Ours are the products of read-outs, because aihwkit's multiply by whole matrices of one-hot vectors, and
the formulas of its PCM-like devices (see `pcm`).
"""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import torch
from aihwkit.inference.compensation.drift import (
    GlobalDriftCompensation,
    PerColumnDriftCompensation,
)

from lionheart_opt.oracle.fast.mvm import input_scale, tile_product
from lionheart_opt.oracle.fast.tiles import Converters

#: Methods of aihwkit that return one-hot vectors.
_ONE_HOT = {
    kind.get_readout_tensor for kind in (GlobalDriftCompensation, PerColumnDriftCompensation)
}


class ProgrammedTile:
    """A tile whose weights are written once and can then be drifted to several points in time.

    It takes random numbers from torch's global generators in the order of aihwkit's
    `InferenceTileWithPeriphery`, so that equal seeds give both engines the same hardware.

    Args:
        target: Weights to write, in units of the largest conductance, shape (n_outputs, n_inputs).
        rpu_config: RPU configuration, for its noise model, drift compensation and converters.

    Attributes:
        weight: Weights as they are now, same shape as `target`.
        compensation: Digital factor of drift compensation, shape (1,) or (n_outputs,).
    """

    def __init__(self, target: torch.Tensor, rpu_config: Any) -> None:
        self.reference_combined_weights = target  # drift compensations read it by this name
        self._config, self._converters = rpu_config, Converters.of(rpu_config.forward)
        self._devices = _devices(rpu_config.noise_model)
        self._written, self._drift = self._devices.apply_programming_noise(target.cpu())
        self.weight = self._written.to(target.device)
        self.compensation = torch.ones(1, device=target.device)
        if rpu_config.drift_compensation is not None:
            self._baseline = rpu_config.drift_compensation.init_baseline(self)

    def drift(self, time_s: float) -> None:
        """Set `weight` and `compensation` to their state `time_s` after programming."""
        drifted = self._devices.apply_drift_noise(self._written, self._drift, time_s)
        self.weight = drifted.to(self.reference_combined_weights.device)
        compensation = self._config.drift_compensation
        if compensation is not None:
            response = self._forward_drift_readout_tensor()
            self.compensation = compensation.apply(response, self._baseline)

    def _forward_drift_readout_tensor(
        self, reset_if: bool = False, exact_reference: bool = False
    ) -> torch.Tensor:
        """Response to the compensation's read-out vectors; `init_baseline` calls it by this name."""
        if reset_if:
            vectors = _vectors(self._config.drift_compensation, self.weight.shape[1])
            self._vectors = None if vectors is None else vectors.to(self.weight.device)
        weight = self.reference_combined_weights if exact_reference else self.weight
        if self._vectors is None and not exact_reference and _has_kernels(weight):
            from lionheart_opt.oracle.fast.readout import columns_read

            return columns_read(weight, self._converters)
        # one-hot vectors read columns, and are alike for converters: what is not zero is 1
        vectors = weight.new_ones(1, 1) if self._vectors is None else self._vectors
        columns = weight.T.contiguous()

        def product(x: torch.Tensor) -> torch.Tensor:
            return columns * x if self._vectors is None else x @ columns

        if exact_reference:
            return product(vectors)
        scale = input_scale(vectors, self._converters)
        return tile_product(vectors, product, scale, self._converters, None)


def _vectors(compensation: Any, n_inputs: int) -> torch.Tensor | None:
    """Vectors of a read-out, shape (n_vectors, n_inputs); None if they are one-hot, as aihwkit's are."""
    made = getattr(type(compensation), "get_readout_tensor", None)
    if made in _ONE_HOT and "get_readout_tensor" not in vars(compensation):
        return None  # a matrix of them takes longer than the read-out
    vectors: torch.Tensor = compensation.get_readout_tensor(n_inputs)
    return None if torch.equal(vectors.cpu(), torch.eye(len(vectors))) else vectors


@lru_cache(maxsize=1)
def numba_works() -> bool:
    """Whether there are kernels for the CPU."""
    return find_spec("numba") is not None


def _has_kernels(weight: torch.Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and numba_works()


def _devices(noise_model: Any) -> Any:
    """What programs and drifts weights: the noise model, or its kernels."""
    if numba_works():
        from lionheart_opt.oracle.fast.pcm import PcmDevices, covers

        if covers(noise_model):
            return PcmDevices(noise_model)
    return noise_model
