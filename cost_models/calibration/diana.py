"""Fit the energy of DIANA's DRAM, which no open text gives.

Run `python -m lionheart_opt.cost_models.calibration.diana`; with `--write`, it writes the constant, its
interval and `[uncertainty]` into the system file of a checkout. The energy is such that ResNet-18
reaches the printed 5.56 TOPS/W for ImageNet.

The printed 7.02 TOPS/W for CIFAR-10, whose networks need no DRAM, and the peak of the analog array do
not decide the value. They say how far efficiencies are off. The digital peak does not: it holds at
another voltage. No open text has a measured latency. So the error of latencies is assumed: as that of
efficiencies, which are powers times latencies.
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
from lionheart_opt.cost_models.diana import Diana
from lionheart_opt.cost_models.validation import diana as paper
from lionheart_opt.cost_models.validation.prices import plain
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.system import System

FITTED = ("machine.dram_j_per_byte",)
#: A constant whose interval has a source of its own.
STATED = ("machine.waiting_power_w",)
NAMES = FITTED + STATED


def fit(system: System) -> dict[str, float]:
    """Parameter, as in `FITTED` -> fitted value."""
    network, published = paper.SYSTEM_LEVEL["ImageNet"]

    def j_per_op(j_per_byte: float) -> float:
        changed = variant(system, "machine", dram_j_per_byte=j_per_byte)
        return 1 / paper.efficiency(changed, network, plain).value

    chip, unit = j_per_op(0.0), 100e-12
    return {"dram_j_per_byte": (1 / published - chip) / (j_per_op(unit) - chip) * unit}


def residuals(system: System) -> np.ndarray:
    """Logarithms of predicted / printed efficiencies: of networks, and the peak of the analog array."""
    pairs = [
        (paper.efficiency(system, name, plain).value, printed)
        for name, printed in paper.SYSTEM_LEVEL.values()
    ]
    pairs.append((paper.analog_peak(Diana(system)), paper.ANALOG_PEAK))
    return np.log([ours / printed for ours, printed in pairs])


def fitted(system: System) -> tuple[Constants, Uncertainty]:
    """The constant with its interval, and what it leaves open."""
    errors = residuals(system)
    scatter = Scatter.of(errors, n_constants=1)
    known = [
        np.log(system.intervals[name].high / system.intervals[name].low) / 2 for name in STATED
    ]
    covariance = covariance_of(
        residuals,
        system,
        NAMES,
        np.full(len(errors), scatter.half_width),
        np.diag([UNKNOWN, *known]) ** 2,
    )
    half_widths = np.sqrt(np.diag(covariance))
    constants = settled(system, FITTED, np.log([*fit(system).values()]), half_widths[:1])
    uncertainty = Uncertainty(
        source=(
            f"calibration/diana.py: scatter of efficiencies {scatter}; "
            "of latencies assumed, as none is published"
        ),
        latency_factor=scatter.factor,
        energy_factor=scatter.factor,
        **together(NAMES, covariance),
    )
    return constants, uncertainty


if __name__ == "__main__":
    refit(paper.SYSTEM, fitted)
