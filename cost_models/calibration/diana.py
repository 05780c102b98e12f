"""Fit the energy of DIANA's DRAM, which no open text gives.

Run `python -m lionheart_opt.cost_models.calibration.diana`. It is such that ResNet-18 reaches the printed
5.56 TOPS/W for ImageNet. The printed 7.02 TOPS/W for CIFAR-10 are not used: those networks need no DRAM.
"""

from __future__ import annotations

from lionheart_opt.cost_models.diana import Diana
from lionheart_opt.cost_models.validation import diana as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System


def fit(system: System) -> dict[str, float]:
    """Parameter -> fitted value."""
    network, published = paper.SYSTEM_LEVEL["ImageNet"]

    def j_per_op(j_per_byte: float) -> float:
        changed = variant(system, "machine", dram_j_per_byte=j_per_byte)
        return 1 / paper.efficiency(Diana(changed), network)

    chip, unit = j_per_op(0.0), 100e-12
    return {"dram_j_per_byte": (1 / published - chip) / (j_per_op(unit) - chip) * unit}


def main() -> None:
    """Print the parameter as the system file holds it."""
    print("[machine]")
    for name, value in fit(load_system(paper.SYSTEM)).items():
        print(f"{name} = {value:.4g}")


if __name__ == "__main__":
    main()
