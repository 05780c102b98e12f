"""Fit what no source gives of the HERMES project chip: the delay of a hop, the power beside the arrays.

Run `python -m lionheart_opt.cost_models.calibration.fabric`; with `--write`, it writes the constants,
their intervals and `[uncertainty]` into the system file of a checkout. Both constants are such that the
ResNet-9 layer in the one-phase mode takes its measured time and energy. The other mode and the LSTM step
do not decide the values. They say how far predictions are off, and so decide the intervals.
"""

from __future__ import annotations

import numpy as np

from lionheart_opt.cost_models.calibration.shipped import (
    UNKNOWN,
    Constants,
    Scatter,
    covariance_of,
    refit,
    settled,
    together,
)
from lionheart_opt.cost_models.fabric import Fabric
from lionheart_opt.cost_models.validation import fabric as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.system import System

NAMES = ("targets.cores.hop_s", "targets.cores.beside_w")


def fit(system: System) -> dict[str, float]:
    """Parameter, as in `NAMES` -> fitted value."""
    network, mode = paper.FITTED
    latency_s, energy_j = paper.LAYERS[paper.FITTED]
    [matrix] = [layer.mvm for layer in paper.NETWORKS[network]().layers if layer.mvm]
    row_blocks, column_blocks = Fabric(system).cores.blocks(matrix)
    n_cores = row_blocks * column_blocks
    small_s = 1e-12
    without = paper.cost_of(variant(system, "cores", hop_s=small_s), network, mode)
    hop_s = small_s + (latency_s - without.latency_s) / row_blocks
    beside_w = (energy_j - n_cores * paper.CORE_J[mode]) / (n_cores * latency_s)
    return {"hop_s": hop_s, "beside_w": beside_w}


def residuals(system: System) -> np.ndarray:
    """Logarithms of predicted / measured, shape (2, n_points): latencies, then energies of all points."""
    errors = []
    for (network, mode), published in paper.LAYERS.items():
        cost = paper.cost_of(system, network, mode)
        errors.append(np.log(np.array([cost.latency_s, cost.energy_j]) / published))
    return np.array(errors).T


def fitted(system: System) -> tuple[Constants, Uncertainty]:
    """The constants with their intervals, and what is known of them together."""
    errors = residuals(system)
    time, energy = (Scatter.of(each, n_constants=1) for each in errors)
    covariance = covariance_of(
        lambda changed: residuals(changed).ravel(),
        system,
        NAMES,
        np.repeat([time.half_width, energy.half_width], errors.shape[1]),
        np.eye(len(NAMES)) * UNKNOWN**2,
    )
    half_widths = np.sqrt(np.diag(covariance))
    constants = settled(system, NAMES, np.log([*fit(system).values()]), half_widths)
    uncertainty = Uncertainty(
        source=f"calibration/fabric.py: scatter of times {time}; of energies {energy}",
        latency_factor=time.factor,
        energy_factor=energy.factor,
        **together(NAMES, covariance),
    )
    return constants, uncertainty


if __name__ == "__main__":
    refit(paper.SYSTEM, fitted)
