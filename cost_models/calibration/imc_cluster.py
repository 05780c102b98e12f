"""Fit what Garofalo et al. 2022 do not print.

Run `python -m lionheart_opt.cost_models.calibration.imc_cluster`; with `--write`, it writes the
constants, their intervals and `[uncertainty]` into the system file of a checkout. There are two fits.

- Energies of jobs, of the depthwise engine and of additions: the energies of the even rows of Fig.
  12(a).
- Software: the speed-ups and energy gains of section V-C, but for the energies of depthwise layers on
  the crossbar, which jobs as in Fig. 12(a) do not explain; and the rate of additions, such that the
  bottleneck rows of Fig. 12(a) take the printed 10.06 ms.

The logarithms of all rows have one scatter, those of all gains another one, which is much larger. The
rows follow a formula of the paper, and the gains are of whole mappings. So the scatter of gains is what
no constant explains of time and energy.
"""

from __future__ import annotations

from functools import cache
from math import fsum, log

import numpy as np

from lionheart_opt.cost_models.calibration.shipped import (
    Constants,
    Scatter,
    logs_of,
    refit,
    settled,
    together,
    with_logs,
)
from lionheart_opt.cost_models.imc_cluster import ImcCluster
from lionheart_opt.cost_models.validation import imc_cluster as paper
from lionheart_opt.cost_models.validation.prices import plain
from lionheart_opt.fitting.least_squares import Fitted, fit
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

PUBLISHED_LATENCY_S = 10.06e-3
#: Its standard deviation in logarithms: it is rounded to 0.01 ms.
_LATENCY_SD = 0.01e-3 / np.sqrt(12) / PUBLISHED_LATENCY_S
#: Standard deviation in logarithms of the priors around the shipped values: a factor of 50.
_PRIOR_SD = 4.0

#: Standard deviation in logarithms of the leakage: what is assumed of it, a factor of 20, is within 95 %.
_LEAKAGE_SD = log(20.0) / 2 / 1.96

#: Constants of the energies of Fig. 12(a).
ROWS = (
    *("targets.ima.job_energy_j", "targets.ima.channel_energy_j"),
    *("targets.ima.column_energy_j", "targets.ima.cell_energy_j"),
    *("targets.dw-engine.mac_energy_j", "targets.cores.element_op_energy_j", "machine.leakage_w"),
)
#: Constants of software on the cores.
SOFTWARE = (
    *("targets.cores.convolution_macs_per_cycle", "targets.cores.depthwise_macs_per_cycle"),
    *("targets.cores.element_ops_per_cycle",),
    *("targets.cores.convolution_mac_energy_j", "targets.cores.depthwise_mac_energy_j"),
)
NAMES = ROWS + SOFTWARE
#: How the logarithms of `SOFTWARE` follow from those of the three rates and of the power of the cores:
#: the energy of a MAC is the power, divided by the rate.
_FROM_POWER = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [-1, 0, 0, 1], [0, -1, 0, 1]])


@cache
def _table() -> tuple[tuple[paper.Row, ...], Workload, Mapping]:
    workload = paper.mobilenet_v2()
    return tuple(paper.rows()), workload, paper.table_mapping(workload)


def row_residuals(system: System) -> np.ndarray:
    """Logarithms of predicted / published energies of the even rows of Fig. 12(a)."""
    rows, workload, mapping = _table()
    cost = ImcCluster(system).cost(workload, mapping)
    pairs = zip(rows, cost.layers, strict=True)
    return np.array([log(ours.energy_j / row.energy_j) for row, ours in pairs if row.energy_j])


def software_residuals(system: System) -> np.ndarray:
    """Logarithms of predicted / published: the printed time, then four speed-ups and two energy gains."""
    _, workload, mapping = _table()
    cost = ImcCluster(system).cost(workload, mapping)
    bottlenecks_s = fsum(
        layer.latency_s for layer in cost.layers if layer.name.split()[-1] not in ("2D_0", "2D_1")
    )
    errors = [log(bottlenecks_s / PUBLISHED_LATENCY_S)]
    gains = paper.bottleneck_gains(system, plain)
    errors += [
        log(gains[name][0].value / gain) for name, (gain, _) in paper.BOTTLENECK_GAINS.items()
    ]
    errors += [
        log(gains[name][1].value / gain)
        for name, (_, gain) in paper.BOTTLENECK_GAINS.items()
        if gain is not None and not name.startswith("IMA_cjob")
    ]
    return np.array(errors)


def fit_rows(system: System) -> Fitted:
    """The constants of `ROWS`."""
    return fit(
        lambda logs: row_residuals(with_logs(system, ROWS, logs)),
        logs_of(system, ROWS),
        precision=np.diag([1 / _PRIOR_SD**2] * (len(ROWS) - 1) + [1 / _LEAKAGE_SD**2]),
    )


def fit_software(system: System) -> Fitted:
    """The three rates, and the power of the cores as a share of that of the system."""
    start = logs_of(system, SOFTWARE)
    known_sd = np.full(len(software_residuals(system)), np.nan)
    known_sd[0] = _LATENCY_SD
    return fit(
        lambda logs: software_residuals(with_logs(system, SOFTWARE, _of_software(start, logs))),
        np.append(start[:3], 0.0),
        precision=np.eye(4) / _PRIOR_SD**2,
        known_sd=known_sd,
    )


def _of_software(start: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Logarithms of `SOFTWARE`, from those of the rates and the power."""
    moved: np.ndarray = start + _FROM_POWER @ (logs - np.append(start[:3], 0.0))
    return moved


def fitted(system: System) -> tuple[Constants, Uncertainty]:
    """The constants with their intervals, and what is known of them together."""
    rows = fit_rows(system)
    software = fit_software(with_logs(system, ROWS, rows.logs))
    covariance = np.zeros((len(NAMES), len(NAMES)))  # of intervals of 95 %
    n_rows = len(ROWS)
    covariance[:n_rows, :n_rows] = rows.quantile**2 * rows.covariance
    covariance[n_rows:, n_rows:] = (
        software.quantile**2 * _FROM_POWER @ software.covariance @ _FROM_POWER.T
    )
    half_widths = np.sqrt(np.diag(covariance))
    logs = [rows.logs, _of_software(logs_of(system, SOFTWARE), software.logs)]
    of_rows = settled(system, ROWS, logs[0], half_widths[:n_rows])
    of_software = settled(system, SOFTWARE, logs[1], half_widths[n_rows:])
    constants = of_rows[0] | of_software[0], of_rows[1] | of_software[1]
    # A gain is a ratio of two costs, each with an error of its own.
    factor = Scatter(sd=software.scatter / 2**0.5, degrees=software.degrees).factor
    uncertainty = Uncertainty(
        source=(
            f"calibration/imc_cluster.py: gains of section V-C, {software.degrees:.1f} degrees of "
            f"freedom; scatter of gains {software.scatter:.1%}"
        ),
        latency_factor=factor,
        energy_factor=factor,
        **together(NAMES, covariance),
    )
    return constants, uncertainty


if __name__ == "__main__":
    refit(paper.SYSTEM, fitted)
