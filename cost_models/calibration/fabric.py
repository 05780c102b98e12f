"""Fit what no source gives of the HERMES project chip: the delay of a hop, the power beside the arrays.

Run `python -m lionheart_opt.cost_models.calibration.fabric`. Both are such that the ResNet-9 layer in the
one-phase mode takes its measured time and energy. The other mode and the LSTM step are not used.
"""

from __future__ import annotations

from lionheart_opt.cost_models.fabric import Fabric
from lionheart_opt.cost_models.validation import fabric as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System


def fit(system: System) -> dict[str, float]:
    """Parameter of the cores -> fitted value."""
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


def main() -> None:
    """Print the parameters as the system file holds them."""
    print("[targets.cores]")
    for name, value in fit(load_system(paper.SYSTEM)).items():
        print(f"{name} = {value:.4g}")


if __name__ == "__main__":
    main()
