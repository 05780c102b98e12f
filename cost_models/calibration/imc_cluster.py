"""Fit what Garofalo et al. 2022 do not print.

Run `python -m lionheart_opt.cost_models.calibration.imc_cluster`. Energies: least squares of the relative
error over the even rows of Fig. 12(a). Software convolutions: least squares of the logarithms of the four
speed-ups of section V-C. Power of the cores: the energy gains of the two mappings there that keep the
depthwise layer off the crossbar. Rate of additions: such that the bottleneck rows take the printed
10.06 ms.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, fsum, log, prod

import numpy as np
from scipy.optimize import least_squares

from lionheart_opt.cost_models.imc_cluster import ImcCluster
from lionheart_opt.cost_models.parts.packing import cut
from lionheart_opt.cost_models.validation import imc_cluster as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System

ARRAY = (256, 256)
PUBLISHED_LATENCY_S = 10.06e-3


def job_energies() -> dict[str, float]:
    """The four coefficients of the energy of a job, in J."""
    features = []
    for row in paper.rows():
        if row.energy_j is None or row.layer.mvm is None:
            continue
        mvm, window = row.layer.mvm, prod(row.layer.kernel)
        tiles = cut(mvm.rows, mvm.columns, ARRAY)
        jobs = np.array([(1, r / window, c, r * c) for r, c in tiles], dtype=float)
        features.append(mvm.count * jobs.sum(axis=0) / row.energy_j)
    matrix = np.array(features)
    scale = np.abs(matrix).max(axis=0)
    solution, *_ = np.linalg.lstsq(matrix / scale, np.ones(len(matrix)), rcond=None)
    names = ("job_energy_j", "channel_energy_j", "column_energy_j", "cell_energy_j")
    return dict(zip(names, (solution / scale).tolist(), strict=True))


def operation_energy(kind: str) -> float:
    """Mean energy in J of a MAC (depthwise convolutions) or of an element (additions)."""
    energies = [
        row.energy_j / (row.layer.macs or row.layer.output_count)
        for row in paper.rows()
        if row.energy_j is not None and row.layer.kind == kind
    ]
    return fsum(energies) / len(energies)


def element_ops_per_cycle(system: System) -> float:
    """The rate of additions at which the bottleneck rows take the printed time."""
    workload = paper.mobilenet_v2()
    cost = ImcCluster(system).cost(workload, paper.table_mapping(workload))
    rest = fsum(
        layer.latency_s
        for layer in cost.layers
        if layer.kind != "add" and layer.name.split()[-1] not in ("2D_0", "2D_1")
    )
    elements = sum(layer.output_count for layer in workload.layers if layer.kind == "add")
    machine = ImcCluster(system).machine
    return elements / ((PUBLISHED_LATENCY_S - rest) * machine.clock_hz)


def software(system: System) -> dict[str, float]:
    """MACs per cycle and energy in J of a MAC of convolutions on the cores."""

    def with_rates(rates: Sequence[float], power_w: float) -> System:
        convolution, depthwise = rates
        clock_hz = ImcCluster(system).machine.clock_hz
        return variant(
            system,
            "cores",
            convolution_macs_per_cycle=convolution,
            depthwise_macs_per_cycle=depthwise,
            convolution_mac_energy_j=power_w / (convolution * clock_hz),
            depthwise_mac_energy_j=power_w / (depthwise * clock_hz),
        )

    def speed_errors(logarithms: np.ndarray) -> list[float]:
        gains = paper.bottleneck_gains(with_rates(np.exp(logarithms).tolist(), power_w=0.0))
        return [log(gains[name][0] / paper.BOTTLENECK_GAINS[name][0]) for name in gains]

    rates = np.exp(least_squares(speed_errors, x0=[log(16), log(4)]).x).tolist()

    def energy_errors(logarithms: np.ndarray) -> list[float]:
        gains = paper.bottleneck_gains(with_rates(rates, power_w=exp(logarithms[0])))
        return [
            log(gains[name][1] / published)
            for name, (_, published) in paper.BOTTLENECK_GAINS.items()
            if published is not None and not name.startswith("IMA_cjob")
        ]

    power_w = exp(least_squares(energy_errors, x0=[log(0.05)]).x[0])
    fitted = with_rates(rates, power_w=power_w).target("cores").parameters
    names = (
        "convolution_macs_per_cycle",
        "depthwise_macs_per_cycle",
        "convolution_mac_energy_j",
        "depthwise_mac_energy_j",
    )
    return {name: float(fitted[name]) for name in names}


def fit(system: System) -> dict[str, dict[str, float]]:
    """Target -> every fitted parameter of it."""
    ima = job_energies()
    cores = {
        "element_ops_per_cycle": element_ops_per_cycle(system),
        "element_op_energy_j": operation_energy("add"),
    }
    engine = {"mac_energy_j": operation_energy("depthwise_conv2d")}
    for name, parameters in (("ima", ima), ("cores", cores), ("dw-engine", engine)):
        system = variant(system, name, **parameters)
    return {"cores": cores | software(system), "ima": ima, "dw-engine": engine}


def main() -> None:
    """Print the parameters as the system file holds them."""
    for target, parameters in fit(load_system(paper.SYSTEM)).items():
        print(f"[targets.{target}]")
        for name, value in parameters.items():
            print(f"{name} = {value:.4g}")


if __name__ == "__main__":
    main()
