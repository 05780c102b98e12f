"""Fit the constants of a system to measurements: the file's intervals are the priors.

Least squares of the logarithms of predicted / measured, with soft L1, so that a few wrong measurements
count less. A constant that the measurements leave as uncertain as it was keeps its value and interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lionheart_opt import plugins, pricing
from lionheart_opt.cost import Cost
from lionheart_opt.errors import InputError
from lionheart_opt.estimates import Estimate
from lionheart_opt.fitting.least_squares import NORMAL_95, Fitted, derivatives, fit
from lionheart_opt.fitting.measurements import TOTAL, Measurement
from lionheart_opt.fitting.system_text import with_constants, with_uncertainty
from lionheart_opt.hardware.constants import Interval, Uncertainty
from lionheart_opt.mapping import Mapping
from lionheart_opt.system import System
from lionheart_opt.workload import Workload

if TYPE_CHECKING:
    import pandas

#: Share of its prior's standard deviation that a constant keeps if measurements hardly determine it.
_UNDETERMINED = 0.8


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A measurement with what the cost model needs to predict it."""

    measurement: Measurement
    workload: Workload
    mapping: Mapping
    is_held_out: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class SystemFit:
    """A system whose constants are fitted, and how well it meets the measurements.

    Args:
        system: The fitted system.
        text: Its TOML.
        prior: The system before.
        priced: The measurements.
        fitted: Names of the constants that the measurements determine.
        undetermined: Names of those that keep their prior.
        result: The fit.
        errors: Logarithms of predicted / measured before and after, shape (2, n_measurements).
        half_widths: Half of the interval of 95 % of each measured number about its prediction, in
            logarithms, shape (n_measurements,).
    """

    system: System
    text: str
    prior: System
    priced: tuple[Priced, ...]
    fitted: tuple[str, ...]
    undetermined: tuple[str, ...]
    result: Fitted
    errors: np.ndarray
    half_widths: np.ndarray

    def to_frame(self) -> pandas.DataFrame:
        """One row a constant: value and interval of the prior and of the fit, and what was found.

        Columns: `constant`, `prior`, `prior_low`, `prior_high`, `value`, `low`, `high`, and `found`:
        `fitted`, `fitted, outside its prior interval`, or `not determined: keeps its prior`.
        """
        import pandas

        rows = []
        for name in (*self.fitted, *self.undetermined):
            before, after = self.prior.intervals[name], self.system.intervals[name]
            value = self.system.constant(name)
            found = "fitted" if name in self.fitted else "not determined: keeps its prior"
            if not before.low <= value <= before.high:
                found += ", outside its prior interval"
            rows.append(
                {
                    "constant": name,
                    "prior": self.prior.constant(name),
                    "prior_low": before.low,
                    "prior_high": before.high,
                    "value": value,
                    "low": after.low,
                    "high": after.high,
                    "found": found,
                }
            )
        return pandas.DataFrame(rows)

    def residuals(self) -> pandas.DataFrame:
        """One row a measurement: what was measured and predicted, and the errors before and after.

        Columns: `where`, `model`, `mapping`, `layer`, `quantity`, `measured`, `predicted`,
        `predicted_low`, `predicted_high` (where 95 % of such measurements lie: what is open of the
        constants, and the scatter), `error_percent`, `prior_error_percent`, `held_out`, and `inside`:
        whether the measured number lies there.
        """
        import pandas

        rows = []
        for number, each in enumerate(self.priced):
            before, after = np.expm1(self.errors[:, number])
            measurement = each.measurement
            predicted = measurement.value * (1 + after)
            interval = Estimate.within(predicted, float(self.half_widths[number]))
            rows.append(
                {
                    "where": measurement.where,
                    "model": measurement.model,
                    "mapping": measurement.mapping,
                    "layer": measurement.layer,
                    "quantity": measurement.quantity,
                    "measured": measurement.value,
                    "predicted": predicted,
                    "predicted_low": interval.low,
                    "predicted_high": interval.high,
                    "error_percent": 100 * after,
                    "prior_error_percent": 100 * before,
                    "held_out": each.is_held_out,
                    "inside": bool(abs(self.errors[1, number]) <= self.half_widths[number]),
                }
            )
        return pandas.DataFrame(rows)

    def summary(self) -> list[dict[str, float | int | str]]:
        """Errors of the measurements that were fitted, and of those that were held out."""
        frame = self.residuals()
        rows: list[dict[str, float | int | str]] = []
        for name, part in (("fitted", frame[~frame.held_out]), ("held out", frame[frame.held_out])):
            if len(part):
                rows.append(
                    {
                        "part": name,
                        "measurements": len(part),
                        "median_error_percent": float(part.error_percent.abs().median()),
                        "worst_error_percent": float(part.error_percent.abs().max()),
                        "prior_median_error_percent": float(
                            part.prior_error_percent.abs().median()
                        ),
                        "inside": int(part.inside.sum()),
                    }
                )
        return rows

    def __repr__(self) -> str:
        parts = "; ".join(
            f"{row['part']}: {row['measurements']} measurements, median error "
            f"{row['median_error_percent']:.3g} %, worst {row['worst_error_percent']:.3g} %"
            for row in self.summary()
        )
        return (
            f"SystemFit({self.system.name!r}: {len(self.fitted)} constants fitted, "
            f"{len(self.undetermined)} not determined; {parts})"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def fit_system(
    system: System,
    text: str,
    priced: Sequence[Priced],
    names: Sequence[str],
    *,
    origin: str,
    provenance: str,
) -> SystemFit:
    """Fit constants of a system.

    Args:
        system: Gives the priors: the intervals of its constants.
        text: Its TOML, into which the fitted constants are written.
        priced: What was measured.
        names: Constants that may be fitted, such as `software.convert_cycles`.
        origin: What the file calls the measurements.
        provenance: What the file says of where all fitted numbers come from.

    Raises:
        InputError: Too few measurements, none that depends on a constant, or a layer that is not there.
    """
    kept = [each for each in priced if not each.is_held_out]
    if not kept:
        raise InputError("every measurement is held out; leave some to be fitted")
    free = list(names)
    while True:
        start = np.log([system.constant(name) for name in free])
        prior = _prior_covariance(system, free)
        result = fit(
            _residuals(system, free, kept), start, precision=np.linalg.inv(prior), is_robust=True
        )
        left = np.sqrt(np.diag(result.covariance) / np.diag(prior))
        weak = [name for name, share in zip(free, left, strict=True) if share > _UNDETERMINED]
        if not weak:
            break
        free = [name for name in free if name not in weak]
        if not free:
            raise InputError(
                f"the measurements determine no constant of {', '.join(names)}; measure layers that "
                "depend on them, or fit others"
            )
    values = dict(zip(free, np.exp(result.logs).tolist(), strict=True))
    uncertainty = _uncertainty(system, free, result, provenance, kept)
    for block in dict.fromkeys(name.rsplit(".", 1)[0] for name in free):
        keys = [name.rsplit(".", 1)[1] for name in free if name.rsplit(".", 1)[0] == block]
        widths = dict(zip(free, np.exp(result.half_widths).tolist(), strict=True))
        text = with_constants(
            text,
            block,
            {key: values[f"{block}.{key}"] for key in keys},
            {
                key: Interval(
                    low=values[f"{block}.{key}"] / widths[f"{block}.{key}"],
                    high=values[f"{block}.{key}"] * widths[f"{block}.{key}"],
                    source=f"fitted to {origin}",
                )
                for key in keys
            },
        )
    text = with_uncertainty(text, uncertainty)
    fitted = System.from_toml(text, system.name, system.where)
    every = _residuals(system, free, priced)
    errors = np.array([every(start), every(np.log([fitted.constant(name) for name in free]))])
    return SystemFit(
        system=fitted,
        text=text,
        prior=system,
        priced=tuple(priced),
        fitted=tuple(free),
        undetermined=tuple(name for name in names if name not in free),
        result=result,
        errors=errors,
        half_widths=_half_widths(result, every),
    )


def _residuals(
    system: System, names: Sequence[str], priced: Sequence[Priced]
) -> Callable[[np.ndarray], np.ndarray]:
    """Logarithms of constants -> logarithms of predicted / measured."""

    def residuals(logs: np.ndarray) -> np.ndarray:
        changed = system.with_constants(dict(zip(names, np.exp(logs).tolist(), strict=True)))
        model = plugins.cost_model(changed)
        costs: dict[tuple[str, str, str], Cost] = {}
        errors = []
        for each in priced:
            measurement = each.measurement
            key = measurement.model, measurement.input, measurement.mapping
            if key not in costs:
                costs[key] = pricing.priced(model, changed, each.workload, each.mapping)
            errors.append(np.log(_predicted(costs[key], measurement) / measurement.value))
        return np.array(errors)

    return residuals


def _predicted(cost: Cost, measurement: Measurement) -> float:
    if measurement.layer == TOTAL:
        value = cost.value(measurement.quantity)
    else:
        layer = next(layer for layer in cost.layers if layer.name == measurement.layer)
        value = layer.latency_s if measurement.quantity == "latency_s" else layer.energy_j
    if value <= 0:
        raise InputError(
            f"{measurement.where}: {measurement.quantity} of {measurement.layer!r} is 0 in the cost "
            "model, for example because the layer is folded into another; remove this measurement"
        )
    return value


def _prior_covariance(system: System, names: Sequence[str]) -> np.ndarray:
    """Of the logarithms, as the intervals say.

    Constants are taken as independent: how the errors of a fit to another machine depend on each other
    says little about this one.
    """
    known = [system.intervals[name] for name in names]
    sd = np.array([np.log(each.high / each.low) / (2 * NORMAL_95) for each in known])
    return np.diag(sd**2)


def _half_widths(result: Fitted, residuals: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    rows = derivatives(residuals, result.logs)
    variance = np.einsum("ij,jk,ik->i", rows, result.covariance, rows) + result.scatter**2
    widths: np.ndarray = result.quantile * np.sqrt(variance)
    return widths


def _uncertainty(
    system: System,
    free: Sequence[str],
    result: Fitted,
    provenance: str,
    kept: Sequence[Priced],
) -> Uncertainty:
    """Correlations of the fitted constants, and of the others as before; the scatter of measurements."""
    before = system.uncertainty
    others = [name for name in before.constants if name not in free] if before else []
    names = [*free, *others]
    matrix = np.eye(len(names))
    matrix[: len(free), : len(free)] = result.correlations
    if before is not None and others:
        rows = [before.constants.index(name) for name in others]
        matrix[len(free) :, len(free) :] = np.array(before.correlations)[np.ix_(rows, rows)]
    factor = float(np.exp(result.quantile * result.scatter))
    measured = {each.measurement.quantity for each in kept}
    factors = {
        "latency_factor": factor if measured & {"latency_s", "interval_s"} else None,
        "energy_factor": factor if "energy_j" in measured else None,
    }
    if before is not None:
        factors = {key: value or getattr(before, key) for key, value in factors.items()}
    return Uncertainty(
        source=f"{provenance}; scatter {result.scatter:.1%}",
        constants=tuple(names),
        correlations=tuple(tuple(row) for row in matrix.tolist()),
        **factors,
    )
