"""Fit the two free parameters of the many-core.

Run `python -m lionheart_opt.cost_models.calibration.manycore`. Bandwidth of the HBM: moving residuals
into L1 makes a batch 1.9 times as fast. Scale of energies: a batch of 16 images takes 15 mJ. Both numbers
are from Bruschi et al. 2023, section VI; neither changes the clusters or the rate of the final mapping.
"""

from __future__ import annotations

from scipy.optimize import brentq

from lionheart_opt.cost_models.validation import manycore as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System
from lionheart_opt.workload import Workload


def fit(system: System, workload: Workload) -> dict[str, float]:
    """Parameter -> fitted value."""

    def gain_error(bytes_per_cycle: float) -> float:
        changed = variant(system, "machine", hbm_bytes_per_cycle=bytes_per_cycle)
        _, replicated, final = paper.steps(changed, workload)
        return final.images_per_s / replicated.images_per_s - paper.PUBLISHED_RESIDUAL_GAIN

    def batch_j(scale: float) -> float:
        scaled = variant(system, "machine", energy_scale=scale)
        return paper.BATCH * paper.steps(scaled, workload)[-1].cost.energy_j

    clusters_j = batch_j(2.0) - batch_j(1.0)
    moves_j = batch_j(1.0) - clusters_j  # of memory and interconnect, which the scale leaves alone
    return {
        "hbm_bytes_per_cycle": float(brentq(gain_error, 2.0, 8.0, xtol=1e-6)),
        "energy_scale": (paper.PUBLISHED_BATCH_J - moves_j) / clusters_j,
    }


def main() -> None:
    """Print the parameters as the system file holds them."""
    print("[machine]")
    for name, value in fit(load_system(paper.SYSTEM), paper.resnet18()).items():
        print(f"{name} = {value:.4g}")


if __name__ == "__main__":
    main()
