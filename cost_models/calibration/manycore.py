"""Fit the free parameters of the many-core, and find how far its predictions are off.

Run `python -m lionheart_opt.cost_models.calibration.manycore`; with `--write`, it writes the constants,
their intervals and `[uncertainty]` into the system file of a checkout.

Bandwidth of the HBM: moving residuals into L1 makes a batch 1.9 times as fast. Scale of energies: a
batch of 16 images takes 15 mJ. Both numbers are from Bruschi et al. 2023, section VI; neither changes
the clusters or the rate of the final mapping.

The cores and crossbars are those of `imc-cluster.toml`, and so are the intervals of their constants.
What no constant explains of time is how far the printed rate and the two printed gains are off, of which
one constant is fitted. Of energy, only the printed 15 mJ is known, which the scale meets. So it is that
of the cluster, whose energies are scaled.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from lionheart_opt.cost_models.calibration.imc_cluster import NAMES as SHARED
from lionheart_opt.cost_models.calibration.shipped import (
    UNKNOWN,
    Constants,
    Scatter,
    covariance_of,
    refit,
    settled,
    together,
)
from lionheart_opt.cost_models.validation import imc_cluster
from lionheart_opt.cost_models.validation import manycore as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.hardware.constants import Interval, Uncertainty
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

FITTED = ("machine.hbm_bytes_per_cycle", "machine.energy_scale")
#: Constants whose intervals have sources of their own.
STATED = (
    *("machine.sum_ops_per_cycle", "machine.hbm_j_per_byte", "machine.link_j_per_byte"),
    *("machine.hbm_w", "machine.cluster_leakage_w"),
)
#: Those of the cluster's that the many-core has: no depthwise engine, and a leakage of its own.
CLUSTER = tuple(name for name in SHARED if name.startswith(("targets.ima.", "targets.cores.")))
NAMES = FITTED + STATED + CLUSTER
#: The printed 15 mJ are rounded to 1 mJ.
_BATCH_HALF_WIDTH = 0.5e-3 / paper.PUBLISHED_BATCH_J
#: A cluster of the many-core has twice the cores, and so twice the rates.
CORES = 2.0


def fit(system: System, workload: Workload) -> dict[str, float]:
    """Parameter, as in `FITTED` -> the value with which the printed numbers are met."""

    def gain_error(bytes_per_cycle: float) -> float:
        changed = variant(system, "machine", hbm_bytes_per_cycle=bytes_per_cycle)
        _, replicated, final = paper.steps(changed, workload)
        gain = final.images_per_s / replicated.images_per_s
        return gain.value - paper.PUBLISHED_RESIDUAL_GAIN

    def batch_j(scale: float) -> float:
        scaled = variant(system, "machine", energy_scale=scale)
        return paper.BATCH * paper.steps(scaled, workload)[-1].cost.energy_j

    clusters_j = batch_j(2.0) - batch_j(1.0)
    others_j = batch_j(1.0) - clusters_j  # moves and static power, which the scale leaves alone
    return {
        "hbm_bytes_per_cycle": float(brentq(gain_error, 2.0, 8.0, xtol=1e-6)),
        "energy_scale": (paper.PUBLISHED_BATCH_J - others_j) / clusters_j,
    }


def residuals(system: System, workload: Workload) -> np.ndarray:
    """Logarithms of predicted / published: rate, gains of 1.6 and 1.9, energy of a batch."""
    steps = paper.steps(system, workload)
    naive, replicated, final = (step.images_per_s.value for step in steps)
    return np.log(
        [
            final / paper.PUBLISHED_IMAGES_PER_S,
            replicated / naive / paper.PUBLISHED_REPLICATION_GAIN,
            final / replicated / paper.PUBLISHED_RESIDUAL_GAIN,
            paper.BATCH * steps[-1].cost.energy_j / paper.PUBLISHED_BATCH_J,
        ]
    )


def fitted(system: System, workload: Workload) -> tuple[Constants, Uncertainty]:
    """The constants with their intervals, and what is known of them together."""
    [*times, _] = residuals(system, workload)
    scatter = Scatter.of(np.array(times), n_constants=1)
    cluster = load_system(imc_cluster.SYSTEM)
    assert cluster.uncertainty is not None
    intervals = system.intervals | cluster.intervals
    known = [np.log(intervals[name].high / intervals[name].low) / 2 for name in STATED + CLUSTER]
    widths = np.array([UNKNOWN] * len(FITTED) + known)
    prior = np.eye(len(NAMES))
    place = [cluster.uncertainty.constants.index(name) for name in CLUSTER]
    prior[-len(CLUSTER) :, -len(CLUSTER) :] = np.array(cluster.uncertainty.correlations)[
        np.ix_(place, place)
    ]
    covariance = covariance_of(
        lambda changed: residuals(changed, workload),
        system,
        NAMES,
        np.array([scatter.half_width] * len(times) + [_BATCH_HALF_WIDTH]),
        prior * np.outer(widths, widths),
    )
    half_widths = np.sqrt(np.diag(covariance))
    constants = settled(system, FITTED, np.log([*fit(system, workload).values()]), half_widths[:2])
    numbers = dict(constants[0]), dict(constants[1])
    for name in CLUSTER:
        factor = CORES if name.endswith("_per_cycle") else 1.0
        interval = cluster.intervals[name]
        numbers[0][name] = factor * cluster.constant(name)
        numbers[1][name] = Interval(low=factor * interval.low, high=factor * interval.high)
    uncertainty = Uncertainty(
        source=(
            f"calibration/manycore.py: scatter of rate and gains {scatter}; "
            "energy: as of imc-cluster.toml"
        ),
        latency_factor=scatter.factor,
        energy_factor=cluster.uncertainty.energy_factor,
        **together(NAMES, covariance),
    )
    return numbers, uncertainty


if __name__ == "__main__":
    refit(paper.SYSTEM, lambda system: fitted(system, paper.resnet18()))
