"""Fit what no source gives of AnalogNAS's fabric: how far layers overlap, and the power beside arrays.

Run `python -m lionheart_opt.cost_models.calibration.analog_fabric`; with `--write`, it writes the
constants, their intervals and `[uncertainty]` into the system file of a checkout. Both are such that
ResNet32 takes its published time and energy. T500 does not decide the values. With one point of time and
one of energy, its errors say little of how far predictions are off; so what no constant explains is
assumed: as of `hermes-64`, the same group's chip of such tiles.
"""

from __future__ import annotations

import numpy as np

from lionheart_opt.cost_models.calibration.shipped import (
    UNKNOWN,
    Constants,
    covariance_of,
    refit,
    settled,
    together,
)
from lionheart_opt.cost_models.validation import analog_fabric as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System

NAMES = ("targets.cores.overlap", "targets.cores.beside_w")
#: The measured chip of such tiles.
ALIKE = "hermes-64"


def fit(system: System) -> dict[str, float]:
    """Parameter, as in `NAMES` -> fitted value."""
    point = paper.POINTS[paper.FITTED]

    def numbers(overlap: float, beside_w: float) -> np.ndarray:
        changed = variant(system, "cores", overlap=overlap, beside_w=beside_w)
        cost = paper.cost_of(changed, paper.FITTED)
        return np.array([cost.latency_s, cost.energy_j])

    half, whole, twice = numbers(0.5, 1e-3), numbers(1.0, 1e-3), numbers(1.0, 2e-3)
    slope_s, slope_j = 2 * (whole - half)[0], (twice - whole)[1] / 1e-3
    return {
        "overlap": float(1.0 + (point.latency_s - whole[0]) / slope_s),
        "beside_w": float(1e-3 + (1 / point.inferences_per_j - whole[1]) / slope_j),
    }


def residuals(system: System) -> np.ndarray:
    """Logarithms of predicted / published of ResNet32: latency, energy."""
    point, cost = paper.POINTS[paper.FITTED], paper.cost_of(system, paper.FITTED)
    return np.log([cost.latency_s / point.latency_s, cost.energy_j * point.inferences_per_j])


def fitted(system: System) -> tuple[Constants, Uncertainty]:
    """The constants with their intervals, and what is known of them together."""
    alike = load_system(ALIKE).uncertainty
    assert alike is not None and alike.latency_factor and alike.energy_factor
    covariance = covariance_of(
        residuals,
        system,
        NAMES,
        np.log([alike.latency_factor, alike.energy_factor]),
        np.eye(len(NAMES)) * UNKNOWN**2,
    )
    half_widths = np.sqrt(np.diag(covariance))
    constants = settled(system, NAMES, np.log([*fit(system).values()]), half_widths)
    uncertainty = Uncertainty(
        source=(
            f"calibration/analog_fabric.py: fitted to one network; what no constant explains is assumed "
            f"as of {ALIKE}"
        ),
        latency_factor=alike.latency_factor,
        energy_factor=alike.energy_factor,
        **together(NAMES, covariance),
    )
    return constants, uncertainty


if __name__ == "__main__":
    refit(paper.SYSTEM, fitted)
