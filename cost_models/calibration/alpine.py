"""Fit what no paper prints of ALPINE's software.

Run `python -m lionheart_opt.cost_models.calibration.alpine`; with `--write`, it writes `[software]` and
`[uncertainty]` into the system files of a checkout. The values are fitted to these results, all on the
high-power system:

- speed-ups and energy gains of Klein et al. 2023 (perceptron, LSTM with 750 units, CNN-F, CNN-M, CNN-S);
- the ends of the range that the paper prints for the LSTM with 256 units, 1.0 to 1.5: the upper end for
  one core, the lower for five, as the other results fall with the number of cores;
- LionHeart's two gains that name their mapping (VGG-16 and MobileNet, all-analog);
- one absolute time, since gains leave the common scale open: 10 inferences of the digital perceptron take
  as long as the printed ends of the figures' axes allow.

The logarithms of all gains have the same scatter, which the fit estimates; that of the absolute time is
that of a bar that ends somewhere in the upper half of its axis. Low-power results and the mappings at a
threshold are left out.

The lock of a hand-over is not the fitted one, which is a sixth longer: it is as long as it can be for the
LSTM's longest bar, on the low-power system, to stay within its axis.
"""

from __future__ import annotations

from math import log

import numpy as np

from lionheart_opt.cost_models.calibration.shipped import (
    Scatter,
    asked_to_write,
    settled,
    together,
    write,
)
from lionheart_opt.cost_models.parts.alpine_parameters import SoftwareParameters
from lionheart_opt.cost_models.validation import alpine as paper
from lionheart_opt.cost_models.validation.prices import plain
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.fitting.least_squares import NORMAL_95, Fitted, fit
from lionheart_opt.hardware.constants import Uncertainty
from lionheart_opt.plugins import load_system
from lionheart_opt.system import System

SYSTEMS = (
    "alpine-high-power",
    "alpine-high-power-8",
    "alpine-loosely-coupled",
    "alpine-low-power",
    "lionheart",
)
#: 10 inferences of the digital perceptron on one high-power core. With more, the LSTM's longest bar,
#: on the low-power system, would leave its axis of 0.04 s; the axes of 0.03 s, 0.12 J, 30 s and 110 J of
#: the other networks are then more than half full, too.
PERCEPTRON_S = 0.018
#: Its standard deviation in logarithms: the longest bars end anywhere between half of their axis and all.
_PERCEPTRON_SD = np.log(2) / np.sqrt(12)
LSTM_256_SPEEDUPS = {"LSTM-256 1 core": 1.5, "LSTM-256 5 cores": 1.0}
#: Standard deviation in logarithms of the priors around the shipped values: a factor of 50. They decide
#: where the results determine a value only weakly.
_PRIOR_SD = 4.0
#: That of `simple_cycles`, on which the results hardly depend, around one cycle. With a confidence of
#: 95 %, it is within a factor of 5 of that: the released core has one memory operation a cycle. Loading,
#: adding and storing 16 elements with an instruction each takes 3 / 16 of a cycle for an element; loading
#: an element, adding (3 cycles) and storing it, each after the other, takes 5.
_SIMPLE_SD = np.log(5) / NORMAL_95

NAMES = tuple(SoftwareParameters.model_fields)


def shipped() -> SoftwareParameters:
    """What the system files hold."""
    return load_system(SYSTEMS[0]).software_as(SoftwareParameters)


def residuals(software: SoftwareParameters) -> dict[str, list[float]]:
    """Case -> logarithms of predicted / published; `PERCEPTRON_S` is a case of its own."""

    def system_of(name: str) -> System:
        return variant(load_system(name), "software", **software.model_dump())

    system = system_of("alpine-high-power")
    errors: dict[str, list[float]] = {}
    for experiment in paper.experiments():
        name = experiment.case
        if name in paper.HIGH_POWER_GAINS:
            published = np.array(paper.HIGH_POWER_GAINS[name])
            gains = [gain.value for gain in experiment.gains(system, plain)]
            errors[name] = np.log(gains / published).tolist()
        if name in LSTM_256_SPEEDUPS:
            speedup, _ = experiment.gains(system, plain)
            errors[name] = [log(speedup.value / LSTM_256_SPEEDUPS[name])]
        if name == "MLP case 1":
            time_s, _ = experiment.measured(system, plain, is_analog=False)
            errors["perceptron"] = [log(10 * time_s.value / PERCEPTRON_S)]
    lionheart = system_of("lionheart")
    for network, published_speedup in paper.ALL_ANALOG_SPEEDUPS.items():
        speedup, _ = paper.all_analog_gains(lionheart, network, plain)
        errors[network] = [log(speedup.value / published_speedup)]
    return errors


def fitted(start: SoftwareParameters) -> Fitted:
    """The constants of `NAMES` with the least sum of squares."""

    def errors(logs: np.ndarray) -> np.ndarray:
        return np.concatenate([*residuals(_software(start, logs)).values()])

    known_sd = [
        _PERCEPTRON_SD if case == "perceptron" else np.nan
        for case, values in residuals(start).items()
        for _ in values
    ]
    return fit(
        errors,
        np.log([getattr(start, name) for name in NAMES]),
        precision=np.diag(
            [(_SIMPLE_SD if name == "simple_cycles" else _PRIOR_SD) ** -2 for name in NAMES]
        ),
        known_sd=np.array(known_sd),
    )


def _software(start: SoftwareParameters, logs: np.ndarray) -> SoftwareParameters:
    return start.model_copy(update=dict(zip(NAMES, np.exp(logs).tolist(), strict=True)))


def coverage(result: Fitted) -> tuple[int, int]:
    """How many gains lie within the interval of a fit without their case, and how many there are."""
    inside = total = first = 0
    for case, values in residuals(shipped()).items():
        group = list(range(first, first + len(values)))
        first += len(values)
        if case != "perceptron":
            errors, half_widths = result.left_out(group)
            inside += int((np.abs(errors) <= half_widths).sum())
            total += len(group)
    return inside, total


def main() -> None:
    """Print or write the fitted values, and say how well they meet what they were fitted to."""
    start = shipped()
    result = fitted(start)
    names = [f"software.{name}" for name in NAMES]
    constants = settled(load_system(SYSTEMS[0]), names, result.logs, result.half_widths)
    # A gain is a ratio of two times, each with an error of its own.
    shared = Scatter(sd=result.scatter / 2**0.5, degrees=result.degrees).factor
    uncertainty = Uncertainty(
        source=(
            f"calibration/alpine.py: {len(result.sd)} results, {result.degrees:.1f} degrees of freedom; "
            f"scatter of gains {result.scatter:.1%}"
        ),
        latency_factor=shared,
        energy_factor=shared,
        **together(names, result.covariance),
    )
    for system in SYSTEMS:
        write(system, constants, uncertainty, is_written=asked_to_write())
    errors = np.abs(np.expm1(result.residuals))
    print(f"# median error {np.median(errors):.1%}, largest {np.max(errors):.1%}")
    inside, total = coverage(result)
    print(f"# within the intervals of fits without their case: {inside} of {total} gains")


if __name__ == "__main__":
    main()
