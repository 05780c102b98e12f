"""Fit what no paper prints of ALPINE's software.

Run `python -m lionheart_opt.cost_models.calibration.alpine`. The values are fitted to these results, all
on the high-power system:

- speed-ups and energy gains of Klein et al. 2023 (perceptron, LSTM with 750 units, CNN-F, CNN-M, CNN-S);
- the ends of the range that the paper prints for the LSTM with 256 units, 1.0 to 1.5: the upper end for
  one core, the lower for five, as the other results fall with the number of cores;
- LionHeart's two gains that name their mapping (VGG-16 and MobileNet, all-analog);
- one absolute time, since gains leave the common scale open: 10 inferences of the digital perceptron take
  as long as the printed ends of the figures' axes allow.

The logarithms of all ratios have the same weight. Low-power results and the mappings at a threshold are
left out. The script prints `[software]` as the system files hold it.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import least_squares

from lionheart_opt.cost_models.alpine import Alpine
from lionheart_opt.cost_models.parts.alpine_parameters import SoftwareParameters
from lionheart_opt.cost_models.validation import alpine as paper
from lionheart_opt.cost_models.variants import variant
from lionheart_opt.plugins import load_system

#: 10 inferences of the digital perceptron on one high-power core. With more, the LSTM's longest bar,
#: on the low-power system, would leave its axis of 0.04 s; the axes of 0.03 s, 0.12 J, 30 s and 110 J of
#: the other networks are then more than half full, too.
PERCEPTRON_S = 0.018
LSTM_256_SPEEDUPS = {"LSTM-256 1 core": 1.5, "LSTM-256 5 cores": 1.0}
#: Not fitted, as the results hardly depend on it: one cycle, the least of an in-order core without SIMD.
_ASSUMED = "simple_cycles"
#: Weight of the starting values, which decide where the results determine a value only weakly.
_PRIOR = 0.03


def shipped() -> SoftwareParameters:
    """What the system files hold."""
    return load_system("alpine-high-power").software_as(SoftwareParameters)


def residuals(software: SoftwareParameters) -> np.ndarray:
    """Logarithms of predicted / published, shape (n_results,)."""

    def model_of(name: str) -> Alpine:
        return Alpine(variant(load_system(name), "software", **software.model_dump()))

    model = model_of("alpine-high-power")
    ratios = []
    for experiment in paper.experiments():
        if experiment.case in paper.HIGH_POWER_GAINS:
            published = paper.HIGH_POWER_GAINS[experiment.case]
            ratios += [
                ours / printed
                for ours, printed in zip(experiment.gains(model), published, strict=True)
            ]
        if experiment.case in LSTM_256_SPEEDUPS:
            speedup, _ = experiment.gains(model)
            ratios.append(speedup / LSTM_256_SPEEDUPS[experiment.case])
        if experiment.case == "MLP case 1":
            time_s, _ = experiment.measured(model, is_analog=False)
            ratios.append(10 * time_s / PERCEPTRON_S)
    lionheart = model_of("lionheart")
    for network, speedup in paper.ALL_ANALOG_SPEEDUPS.items():
        ratios.append(paper.all_analog_gains(lionheart, network)[0] / speedup)
    return np.log(ratios)


def fit(start: SoftwareParameters) -> SoftwareParameters:
    """The values with the least sum of squared residuals."""
    names = [name for name in SoftwareParameters.model_fields if name != _ASSUMED]
    origin = np.log([getattr(start, name) for name in names])

    def software(logarithms: np.ndarray) -> SoftwareParameters:
        changes = dict(zip(names, np.exp(logarithms).tolist(), strict=True))
        return start.model_copy(update=changes)

    def objective(logarithms: np.ndarray) -> np.ndarray:
        prior = _PRIOR * (logarithms - origin)
        return np.concatenate([residuals(software(logarithms)), prior])

    return software(least_squares(objective, origin).x)


def main() -> None:
    """Print the fitted values and how well they meet what they were fitted to."""
    fitted = fit(shipped())
    print("[software]")
    for name, value in fitted.model_dump().items():
        print(f"{name} = {value:.4g}")
    errors = np.abs(np.expm1(residuals(fitted)))
    print(f"# median error {np.median(errors):.1%}, largest {np.max(errors):.1%}")


if __name__ == "__main__":
    main()
