"""Fit constants to results in logarithms: their values, their intervals, and the scatter that remains.

A constant and a ratio of predicted to measured are positive, and matter by their factors. So everything
here is a natural logarithm. The covariance is that of the model made linear at the solution, priors
included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lionheart_opt.errors import InputError

#: Step in logarithms of the central differences that make a cost model linear. Wide enough to pass over
#: the steps of models that round up to whole cycles.
STEP = 0.01
#: Standard deviations on either side of the mean within which 95 % of a normal distribution lie.
NORMAL_95 = 1.959964
_ROUNDS, _SETTLED = 8, 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """Constants after a fit.

    Args:
        logs: Logarithms of the constants, shape (n_constants,).
        covariance: Of the logarithms, shape (n_constants, n_constants).
        residuals: Logarithms of predicted / measured, shape (n_results,).
        jacobian: Their derivatives by the logarithms of the constants, shape (n_results, n_constants).
        sd: Standard deviation of each result, shape (n_results,): known before, or the scatter.
        precision: Inverse covariance of the prior, shape (n_constants, n_constants).
        scatter: Standard deviation of the results of which none was known; 0 if all were.
        degrees: Degrees of freedom that this scatter rests on; infinite if all were known.
        weights: What the robust loss leaves of each result's weight, shape (n_results,); 1 without it.
    """

    logs: np.ndarray
    covariance: np.ndarray
    residuals: np.ndarray
    jacobian: np.ndarray
    sd: np.ndarray
    precision: np.ndarray
    scatter: float
    degrees: float
    weights: np.ndarray

    @property
    def quantile(self) -> float:
        """Standard deviations on either side that hold 95 %: Student's t, as the scatter is estimated."""
        from scipy.stats import t

        return NORMAL_95 if np.isinf(self.degrees) else float(t.ppf(0.975, self.degrees))

    @property
    def half_widths(self) -> np.ndarray:
        """Half of each interval of 95 %, in logarithms, shape (n_constants,)."""
        widths: np.ndarray = self.quantile * np.sqrt(np.diag(self.covariance))
        return widths

    @property
    def correlations(self) -> np.ndarray:
        """Of the logarithms, shape (n_constants, n_constants)."""
        sd = np.sqrt(np.diag(self.covariance))
        matrix: np.ndarray = self.covariance / np.outer(sd, sd)
        return matrix

    def left_out(self, group: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """What the fit to all other results predicts for some, with the model as linear as it is here.

        Args:
            group: Numbers of the results that are left out together.

        Returns:
            Logarithms of predicted / measured, and half of the interval of 95 % of a measured result,
            both of shape (n_group,).
        """
        rest = np.setdiff1d(np.arange(len(self.residuals)), group)
        scaled = self.jacobian[rest] * (np.sqrt(self.weights[rest]) / self.sd[rest])[:, None]
        errors = self.residuals[rest] * np.sqrt(self.weights[rest]) / self.sd[rest]
        covariance = np.linalg.inv(scaled.T @ scaled + self.precision)
        step = -covariance @ scaled.T @ errors
        rows = self.jacobian[group]
        variance = np.einsum("ij,jk,ik->i", rows, covariance, rows) + self.sd[group] ** 2
        return self.residuals[group] + rows @ step, self.quantile * np.sqrt(variance)


def fit(
    residuals: Callable[[np.ndarray], np.ndarray],
    start: np.ndarray,
    *,
    precision: np.ndarray,
    known_sd: np.ndarray | None = None,
    is_robust: bool = False,
) -> Fitted:
    """Find the constants at which results and priors are met best.

    Args:
        residuals: Logarithms of the constants -> logarithms of predicted / measured.
        start: Logarithms of the constants to begin with, which are also the means of their priors.
        precision: Inverse covariance of the priors.
        known_sd: Standard deviation of the logarithm of each result, NaN where it is to be estimated: one
            scatter for all of those. None if no one is known.
        is_robust: Whether results that lie far off count less (soft L1).

    Raises:
        InputError: So few results that they leave nothing to estimate their scatter from.
    """
    n_results = len(residuals(start))
    known_sd = np.full(n_results, np.nan) if known_sd is None else known_sd
    unknown = np.isnan(known_sd)
    scatter, logs = 0.1, start
    for _ in range(_ROUNDS):
        sd = np.where(unknown, scatter, known_sd)
        logs = _least_squares(residuals, logs, start, precision, sd, is_robust)
        errors, jacobian = residuals(logs), derivatives(residuals, logs)
        weights = 1 / np.sqrt(1 + (errors / sd) ** 2) if is_robust else np.ones(n_results)
        scaled = jacobian * (np.sqrt(weights) / sd)[:, None]
        covariance = np.linalg.inv(scaled.T @ scaled + precision)
        if not unknown.any():
            break
        spent = np.einsum("ij,jk,ik->i", scaled, covariance, scaled)[unknown].sum()
        degrees = unknown.sum() - spent
        if degrees < 1:
            raise InputError(
                f"{n_results} results for {len(start)} constants: too few to say how far predictions are "
                "off; give more results, or fit fewer constants"
            )
        size = _robust_mean_square(errors[unknown]) if is_robust else np.mean(errors[unknown] ** 2)
        before, scatter = scatter, max(1e-6, float(np.sqrt(size * unknown.sum() / degrees)))
        if abs(scatter / before - 1) < _SETTLED:
            break
    return Fitted(
        logs=logs,
        covariance=covariance,
        residuals=errors,
        jacobian=jacobian,
        sd=sd,
        precision=precision,
        scatter=scatter if unknown.any() else 0.0,
        degrees=float(degrees) if unknown.any() else np.inf,
        weights=weights,
    )


def derivatives(function: Callable[[np.ndarray], np.ndarray], logs: np.ndarray) -> np.ndarray:
    """Central differences of a function of logarithms, shape (n_values, n_logs)."""
    steps = STEP * np.eye(len(logs))
    columns = [(function(logs + step) - function(logs - step)) / (2 * STEP) for step in steps]
    return np.array(columns).T


def _least_squares(
    residuals: Callable[[np.ndarray], np.ndarray],
    logs: np.ndarray,
    start: np.ndarray,
    precision: np.ndarray,
    sd: np.ndarray,
    is_robust: bool,
) -> np.ndarray:
    from scipy.optimize import least_squares

    values, vectors = np.linalg.eigh(precision)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T  # root.T @ root = precision

    def objective(at: np.ndarray) -> np.ndarray:
        return np.concatenate([residuals(at) / sd, root @ (at - start)])

    def loss(squares: np.ndarray) -> np.ndarray:
        """Soft L1 for results, squares for priors: values and two derivatives, shape (3, n)."""
        soft = 1 + squares
        rho = np.array([2 * (np.sqrt(soft) - 1), soft**-0.5, -0.5 * soft**-1.5])
        n_results = len(sd)
        rho[0, n_results:], rho[1, n_results:], rho[2, n_results:] = squares[n_results:], 1.0, 0.0
        return rho

    def jacobian(at: np.ndarray) -> np.ndarray:
        return derivatives(objective, at)

    solution = least_squares(objective, logs, jac=jacobian, loss=loss if is_robust else "linear")
    found: np.ndarray = solution.x
    return found


def _robust_mean_square(errors: np.ndarray) -> float:
    """Mean square of normal errors by their median, which few wrong ones do not change."""
    return float((np.median(np.abs(errors)) / 0.6745) ** 2)
